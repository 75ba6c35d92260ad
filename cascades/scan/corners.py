"""Corners of Haar stumps arranged so that what two rectangles share is read once, and added up in whole numbers.

OpenCV adds weighted sums of rectangles in float32. Where weights are whole and all sums stay below 2^24 that is exact,
so whole numbers give the same bits. The usual features of two and of four cells have six and nine corners that differ.
"""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from cascades.scan.bits import NINE_CORNERS, PLAIN, SIX_CORNERS
from cascades.scan.layout import FlatCascade, haar_points

LARGEST_EXACT = 1 << 24
"""up to here every whole number is a float32"""
_SIGNS = (1, -1, -1, 1)
_ARRANGED = {SIX_CORNERS: (1, -1, 1, -1, 2, -2), NINE_CORNERS: (1, 1, 1, 1, 4, -2, -2, -2, -2)}
"""what the corners count for, by form, in the order that the kernels take them in"""

Corners = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]


def arranged_corners(flat: FlatCascade) -> Corners:
    """Pixels right of and below the window's corner, (N, 12) each, and the form, (N,), of the stumps of a cascade."""
    across, down = haar_points(flat)
    results = [_arranged(flat, int(f), across[f], down[f]) for f in range(len(across))]
    xs = np.array([r[0] for r in results], dtype=np.int64).reshape(-1, 12)
    ys = np.array([r[1] for r in results], dtype=np.int64).reshape(-1, 12)
    forms = np.array([r[2] for r in results], dtype=np.int32)
    return xs[flat.features], ys[flat.features], forms[flat.features]


def _arranged(
    flat: FlatCascade, feature: int, across_34: NDArray[np.int64], down_34: NDArray[np.int64]
) -> tuple[list[int], list[int], int]:
    plain = across_34.ravel().tolist(), down_34.ravel().tolist(), PLAIN
    weights = flat.weights[feature].astype(np.float64)
    areas = flat.rects[feature, :, 2] * flat.rects[feature, :, 3] * (2 if flat.tilted[feature] else 1)
    if (weights != np.rint(weights)).any() or float((np.abs(weights) * areas).sum()) * 255 >= LARGEST_EXACT:
        return plain
    counts: Counter[tuple[int, int]] = Counter()
    for r in range(3):
        for i, sign in enumerate(_SIGNS):
            counts[int(across_34[r, i]), int(down_34[r, i])] += sign * int(weights[r])
    left = sorted((count, point) for point, count in counts.items() if count)
    for form, wanted in _ARRANGED.items():
        if sorted(wanted) == [count for count, _ in left]:
            points = [_take(left, count) for count in wanted]
            points += [points[0]] * (12 - len(points))
            return [x for x, _ in points], [y for _, y in points], form
    return plain


def _take(left: list[tuple[int, tuple[int, int]]], count: int) -> tuple[int, int]:
    """The first point that counts for so much; it is gone afterwards."""
    i = next(i for i, (c, _) in enumerate(left) if c == count)
    return left.pop(i)[1]
