"""Whole images through cascades: one pyramid for all of them, windows of a row side by side, every core."""
