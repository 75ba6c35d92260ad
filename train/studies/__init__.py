"""Several trainings side by side: which recipe is better, by how much, how sure that is, and what is lost elsewhere."""
