"""Recipes: a dataset version without a single pixel, and the way back to one from somebody's own copies."""
