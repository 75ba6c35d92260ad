"""Which window suits the faces: their own shape, at the area of the usual 24x24."""

import math
from collections.abc import Iterable

import numpy as np

USUAL_AREA = 24 * 24
"""pixels"""
LARGEST_PATCH_AREA = 32 * 32
"""pixels; patches up to this size are taken as they are"""
SMALLEST_SIDE = 8
WIDEST = 2.0
"""width over height at most, and height over width"""


def shape_for(aspects: Iterable[float]) -> tuple[int, int]:
    """Width and height, even numbers, of a window of about USUAL_AREA and the median of these aspects (width over height)."""
    values = list(aspects)
    aspect = float(np.clip(np.median(values), 1 / WIDEST, WIDEST)) if values else 1.0
    width = 2 * round(math.sqrt(USUAL_AREA * aspect) / 2)
    return width, 2 * round(USUAL_AREA / width / 2)


def shape_of_patches(height: int, width: int) -> tuple[int, int]:
    """Width and height of the window for patches of one size: theirs, or the same shape smaller."""
    if min(height, width) >= SMALLEST_SIDE and height * width <= LARGEST_PATCH_AREA:
        return width, height
    return shape_for([width / height])
