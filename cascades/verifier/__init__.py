"""A second look, in colour, at what a cascade finds."""
