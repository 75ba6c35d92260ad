"""Tuned by measuring: when windows are no longer worth running side by side."""

ROWS_TOGETHER = (0.2, 0.3, 0.2, 0.3)
"""by sort of cascade: a stage runs over a whole row while more than this share of its windows is left"""
BLOCK_TOGETHER = 2
"""Haar stumps: a stage runs over a block of 32 windows while more than this many of them are left"""
