"""Haar features: which there are, in OpenCV's order, and their values on samples, bit for bit as the detector computes them.

Viola & Jones 2001, the tilted ones Lienhart & Maydt 2002; the enumeration is that of opencv_traincascade. A value is a
weighted sum of rectangle sums, a whole number that float32 holds exactly, times 1 / sqrt(nf) of the window.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascades.compiled import compiled, in_slices
from cascades.learning.features import Mode, SampleTable, corner_offsets, tilted_corner_offsets
from cascades.model import HaarFeature, Rect

MOST_FEATURES = 500_000
"""of a window that are considered; a window of 24x24 has fewer"""
_Cell = tuple[int, int, int, int, int, int, int]
# Each upright shape: how many cells wide and high, and its rectangles in cells with their weights: x, y as multiples of
# the cell (x by its width, x by its height, y by its width, y by its height), then width, height, weight.
_UPRIGHT: dict[str, tuple[int, int, tuple[_Cell, ...]]] = {
    "x2": (2, 1, ((0, 0, 0, 0, 2, 1, -1), (1, 0, 0, 0, 1, 1, 2))),
    "y2": (1, 2, ((0, 0, 0, 0, 1, 2, -1), (0, 0, 0, 1, 1, 1, 2))),
    "x3": (3, 1, ((0, 0, 0, 0, 3, 1, -1), (1, 0, 0, 0, 1, 1, 2))),
    "y3": (1, 3, ((0, 0, 0, 0, 1, 3, -1), (0, 0, 0, 1, 1, 1, 2))),
    "x4": (4, 1, ((0, 0, 0, 0, 4, 1, -1), (1, 0, 0, 0, 2, 1, 2))),
    "y4": (1, 4, ((0, 0, 0, 0, 1, 4, -1), (0, 0, 0, 1, 1, 2, 2))),
    "x2_y2": (2, 2, ((0, 0, 0, 0, 2, 2, -1), (0, 0, 0, 0, 1, 1, 2), (1, 0, 0, 1, 1, 1, 2))),
    "point": (3, 3, ((0, 0, 0, 0, 3, 3, -1), (1, 0, 0, 1, 1, 1, 9))),
}
# Each tilted shape: cells along each side and its rectangles, x and y growing along both sides; the middle thirds weigh
# 3 here and 2 in the upright ones, as in OpenCV.
_TILTED: dict[str, tuple[int, int, tuple[_Cell, ...]]] = {
    "tilted_x2": (2, 1, ((0, 0, 0, 0, 2, 1, -1), (0, 0, 0, 0, 1, 1, 2))),
    "tilted_y2": (1, 2, ((0, 0, 0, 0, 1, 2, -1), (0, 0, 0, 0, 1, 1, 2))),
    "tilted_x3": (3, 1, ((0, 0, 0, 0, 3, 1, -1), (1, 0, 1, 0, 1, 1, 3))),
    "tilted_y3": (1, 3, ((0, 0, 0, 0, 1, 3, -1), (0, -1, 0, 1, 1, 1, 3))),
    "tilted_x4": (4, 1, ((0, 0, 0, 0, 4, 1, -1), (1, 0, 1, 0, 2, 1, 2))),
    "tilted_y4": (1, 4, ((0, 0, 0, 0, 1, 4, -1), (0, -1, 0, 1, 1, 2, 2))),
}
BINS = 64
"""equal ones that a value is sorted into, between a feature's extremes"""
_SHAPES = _UPRIGHT | _TILTED
_CORE = ("x2", "y2", "x3", "y3", "x4", "y4", "x2_y2", "point")
_ORDER: dict[Mode, tuple[str, ...]] = {
    "basic": ("x2", "y2", "x3", "y3", "x2_y2"),
    "core": _CORE,
    "all": (*_CORE, *_TILTED),
}
# Small changes of a feature's row: shape, x, y, cell width, cell height.
_MOVES = np.array(
    [(0, x, y, 0, 0) for x in (-2, -1, 0, 1, 2) for y in (-2, -1, 0, 1, 2) if abs(x) + abs(y) in (1, 2)]
    + [(0, x, y, dx, dy) for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)) for x in (-1, 0, 1) for y in (-1, 0, 1)
       if abs(x) + abs(y) < 2],
    dtype=np.int16,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HaarTable:
    """Haar features as rows; `rows` may be any selection of the enumeration."""

    width: int
    """of the window, pixels"""
    height: int
    """of the window, pixels"""
    shapes: tuple[str, ...]
    """names that the first column of `rows` indexes"""
    rows: NDArray[np.int16]
    """(F, 5): shape, x, y, width and height of one cell, pixels"""
    keys: NDArray[np.int64]
    """(F,) numbers that tell rows apart and ascend along the enumeration"""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def has_tilted(self) -> bool:
        """Whether its values need the tilted integral images."""
        return any(name in _TILTED for name in self.shapes)

    def select(self, indices: NDArray[np.int64]) -> "HaarTable":
        """The features at `indices`, in that order."""
        return HaarTable(self.width, self.height, self.shapes, self.rows[indices], self.keys[indices])

    def rectangles(self) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
        """(F, 3, 4) of x, y, width, height in pixels and (F, 3) weights; a missing third rectangle is all zeros."""
        pattern = np.zeros((len(self.shapes), 3, 7), dtype=np.int16)
        for i, name in enumerate(self.shapes):
            for j, cell in enumerate(_SHAPES[name][2]):
                pattern[i, j] = cell
        p = pattern[self.rows[:, 0]]
        x, y, dx, dy = (self.rows[:, i, None] for i in range(1, 5))
        rects = np.stack(
            [
                x + p[..., 0] * dx + p[..., 1] * dy,
                y + p[..., 2] * dx + p[..., 3] * dy,
                p[..., 4] * dx,
                p[..., 5] * dy,
            ],
            axis=2,
        )
        rects[p[..., 6] == 0] = 0
        return rects, p[..., 6].astype(np.float32)

    def corners(self) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
        """(F, 3, 4) rows of `SampleTable.sums` where each rectangle's corners are, and (F, 3) weights."""
        rects, weights = self.rectangles()
        stride = self.width + 1
        corners = corner_offsets(rects.astype(np.int64), stride)
        tilted = np.array([name in _TILTED for name in self.shapes])[self.rows[:, 0]]
        if tilted.any():
            beyond = stride * (self.height + 1)
            corners[tilted] = tilted_corner_offsets(rects[tilted].astype(np.int64), stride) + beyond
        return corners.astype(np.int16), weights

    def neighbours(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Features of the same shape a pixel or two away or larger or smaller by one, ascending. For a whole enumeration."""
        near = (self.rows[indices][:, None] + _MOVES).reshape(-1, 5)
        wanted = _keys(near, self.width, self.height, len(self.shapes))
        places = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.unique(places[self.keys[places] == wanted])

    def feature(self, index: int) -> HaarFeature:
        """One feature as the cascade model keeps it."""
        rects, weights = self.select(np.array([index])).rectangles()
        pairs = zip(rects[0].tolist(), weights[0].tolist(), strict=True)
        kept = tuple(Rect(x, y, w, h, weight) for (x, y, w, h), weight in pairs if weight != 0)
        return HaarFeature(kept, tilted=self.shapes[self.rows[index, 0]] in _TILTED)


def enumerate_haar(width: int, height: int, mode: Mode, most: int = MOST_FEATURES) -> HaarTable:
    """All Haar features of a window in OpenCV's order: by x, y, cell width, cell height, then shape.

    BASIC has 162,336 at 24x24, CORE 210,400, ALL 261,600. Of a large window, where there are more than `most`, about
    that many are kept, always the same ones.
    """
    names = _ORDER[mode]
    across, down = (np.array([_SHAPES[n][i] for n in names], dtype=np.int16) for i in (0, 1))
    tilted = np.array([n in _TILTED for n in names])
    y, dx, dy = (
        a.ravel().astype(np.int16)[:, None]
        for a in np.meshgrid(np.arange(height), np.arange(1, width + 1), np.arange(1, height + 1), indexing="ij")
    )
    wide, high = dx * across, dy * down
    below = y + high + np.where(tilted, wide, 0) <= height
    y, dx, dy = y[:, 0], dx[:, 0], dy[:, 0]
    share, random = most / max(count_haar(width, height, mode), 1), np.random.default_rng(0)
    parts = []
    for x in range(width):
        cell, shape = np.nonzero(below & (x + wide <= width) & (~tilted | (x >= high)))
        if share < 1:
            kept = random.random(len(cell)) < share
            cell, shape = cell[kept], shape[kept]
        parts.append(np.stack([shape, np.full(len(cell), x), y[cell], dx[cell], dy[cell]], axis=1).astype(np.int16))
    rows = np.concatenate(parts)
    return HaarTable(width, height, names, rows, _keys(rows, width, height, len(names)))


def count_haar(width: int, height: int, mode: Mode) -> int:
    """How many Haar features a window has."""
    dx, dy = np.meshgrid(np.arange(1, width + 1), np.arange(1, height + 1))
    total = 0
    for name in _ORDER[mode]:
        wide, high = dx * _SHAPES[name][0], dy * _SHAPES[name][1]
        if name in _TILTED:
            wide = high = wide + high
        total += int((np.maximum(width - wide + 1, 0) * np.maximum(height - high + 1, 0)).sum())
    return total


def _keys(rows_F5: NDArray[np.int16], width: int, height: int, shapes: int) -> NDArray[np.int64]:
    """What lies a little outside the window has a key as well, one that no feature has."""
    base, keys = max(width, height) + 5, np.zeros(len(rows_F5), dtype=np.int64)
    for column in (1, 2, 3, 4):
        keys *= base
        keys += rows_F5[:, column]
        keys += 2
    return np.asarray(keys * shapes + rows_F5[:, 0])


# ------------------------------------------------------------------------------------------------------- values


def values_of(table: HaarTable, samples: SampleTable) -> NDArray[np.float32]:
    """(F, N) float32 values, exactly those that the detector compares with thresholds."""
    corners, weights = table.corners()
    values = np.empty((len(table), len(samples)), dtype=np.float32)
    arguments = (samples.sums.ravel(), samples.inverse_norms, corners, weights, values)
    in_slices(lambda first, end: _fill_values(*arguments, first, end), len(table), 16)
    return values


def bin_values(table: HaarTable, samples: SampleTable) -> NDArray[np.uint8]:
    """(F, N): every value to a byte, the number of its bin among BINS equal ones between the feature's extremes."""
    corners, weights = table.corners()
    bins = np.empty((len(table), len(samples)), dtype=np.uint8)
    arguments = (samples.sums.ravel(), samples.inverse_norms, corners, weights, bins)
    in_slices(lambda first, end: _fill_bins(*arguments, first, end), len(table), 16)
    return bins


def variances_of(
    corners_F34: NDArray[np.int16], weights_F3: NDArray[np.float32], samples: SampleTable
) -> NDArray[np.float32]:
    """(F,) variance of each feature over the samples, for ranking: rounded, the same on any machine."""
    variances = np.empty(len(corners_F34), dtype=np.float32)
    arguments = (samples.sums.ravel(), samples.inverse_norms, corners_F34, weights_F3, variances)
    in_slices(lambda first, end: _fill_variances(*arguments, first, end), len(corners_F34), 1024)
    return variances


@compiled
def _fill_row(
    sums: NDArray[np.float32],
    inverse_norms_N: NDArray[np.float32],
    corners: NDArray[np.int16],
    weights: NDArray[np.float32],
    row_N: NDArray[np.float32],
) -> None:
    """One feature on all samples; `sums` is flat, and unsigned places keep Numba from looking for negative ones."""
    n = np.uint64(inverse_norms_N.size)
    a, b = n * np.uint64(corners[0, 0]), n * np.uint64(corners[0, 1])
    c, d = n * np.uint64(corners[0, 2]), n * np.uint64(corners[0, 3])
    e, f = n * np.uint64(corners[1, 0]), n * np.uint64(corners[1, 1])
    g, h = n * np.uint64(corners[1, 2]), n * np.uint64(corners[1, 3])
    w0, w1, w2 = weights[0], weights[1], weights[2]
    for k in range(inverse_norms_N.size):
        i = np.uint64(k)
        first = w0 * (sums[a + i] - sums[b + i] - sums[c + i] + sums[d + i])
        row_N[i] = first + w1 * (sums[e + i] - sums[f + i] - sums[g + i] + sums[h + i])
    if w2 != 0:
        a, b = n * np.uint64(corners[2, 0]), n * np.uint64(corners[2, 1])
        c, d = n * np.uint64(corners[2, 2]), n * np.uint64(corners[2, 3])
        for k in range(inverse_norms_N.size):
            i = np.uint64(k)
            row_N[i] += w2 * (sums[a + i] - sums[b + i] - sums[c + i] + sums[d + i])
    for k in range(inverse_norms_N.size):
        row_N[k] *= inverse_norms_N[k]


@compiled
def _fill_values(
    sums: NDArray[np.float32],
    inverse_norms_N: NDArray[np.float32],
    corners_F34: NDArray[np.int16],
    weights_F3: NDArray[np.float32],
    values_FN: NDArray[np.float32],
    first: int,
    end: int,
) -> None:
    for f in range(first, end):
        _fill_row(sums, inverse_norms_N, corners_F34[f], weights_F3[f], values_FN[f])


@compiled
def _fill_bins(
    sums: NDArray[np.float32],
    inverse_norms_N: NDArray[np.float32],
    corners_F34: NDArray[np.int16],
    weights_F3: NDArray[np.float32],
    bins_FN: NDArray[np.uint8],
    first: int,
    end: int,
) -> None:
    row = np.empty(inverse_norms_N.size, dtype=np.float32)
    for f in range(first, end):
        _fill_row(sums, inverse_norms_N, corners_F34[f], weights_F3[f], row)
        lowest, highest = row[0], row[0]
        for i in range(row.size):
            lowest = min(lowest, row[i])
            highest = max(highest, row[i])
        scale = np.float32(0.0) if highest <= lowest else np.float32(BINS) / (highest - lowest)
        for i in range(row.size):
            number = np.int32((row[i] - lowest) * scale)
            bins_FN[f, i] = min(number, np.int32(BINS - 1))


@compiled
def _fill_variances(
    sums: NDArray[np.float32],
    inverse_norms_N: NDArray[np.float32],
    corners_F34: NDArray[np.int16],
    weights_F3: NDArray[np.float32],
    variances_F: NDArray[np.float32],
    first: int,
    end: int,
) -> None:
    """Sums by folding a row in half again and again: a fixed order of additions that fills vector registers."""
    count = inverse_norms_N.size
    size = 1
    while size < count:
        size *= 2
    row, square = np.zeros(size, dtype=np.float32), np.zeros(size, dtype=np.float32)
    for f in range(first, end):
        row[count:] = 0
        _fill_row(sums, inverse_norms_N, corners_F34[f], weights_F3[f], row[:count])
        for i in range(size):
            square[i] = row[i] * row[i]
        half = size // 2
        while half > 0:
            row_end, square_end = row[half : 2 * half], square[half : 2 * half]
            for i in range(half):
                row[i] += row_end[i]
                square[i] += square_end[i]
            half //= 2
        variances_F[f] = (square[0] - row[0] * row[0] / count) / count
