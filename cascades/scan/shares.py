"""Tuned by measuring: when windows are no longer worth running side by side."""

ROWS_TOGETHER = (0.2, 0.3, 0.2, 0.3)
"""by sort of cascade: a stage runs over a whole row while more than this share of its windows is left"""
BLOCK_TOGETHER = 2
"""Haar stumps: a stage runs over a block of 32 windows while more than this many of them are left"""
NEAR_STAGES = 0.35
"""fast search: share of a cascade's stages that a window of the coarse grid passes for its surroundings to be looked at"""
FARTHEST = 1.11
"""fast search: coarse grids lie on sizes that differ by this factor, and one step more"""
CLOSE_STAGES = 0.7
"""fast search: share of the stages that a window passes for its surroundings on neighbouring sizes to be looked at"""
