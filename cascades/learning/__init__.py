"""Features, boosting and the mining of negatives: what makes a stage of a cascade."""
