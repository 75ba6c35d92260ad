"""Haar features: which there are, in OpenCV's order, and their values on samples, bit for bit as the detector computes them.

Viola & Jones 2001; the enumeration is that of opencv_traincascade (haarfeatures.cpp). A value is the weighted sum of
rectangle sums divided by sqrt(nf), nf = A * sum(p^2) - sum(p)^2 over the window without its outermost pixels. Windows
whose standard deviation there is 10 grey levels or less are never detected: OpenCV's rule, applied in fitting too.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cascades.compiled import compiled, in_slices
from cascades.model import HaarFeature, Rect
from pipeline.core.errors import UsageError

Mode = Literal["basic", "core"]

_Cell = tuple[float, float, float, float, float]
# Each shape: how many cells wide and high, and its rectangles in cells (x, y, width, height) with their weights.
_SHAPES: dict[str, tuple[int, int, tuple[_Cell, ...]]] = {
    "x2": (2, 1, ((0, 0, 2, 1, -1), (1, 0, 1, 1, 2))),
    "y2": (1, 2, ((0, 0, 1, 2, -1), (0, 1, 1, 1, 2))),
    "x3": (3, 1, ((0, 0, 3, 1, -1), (1, 0, 1, 1, 2))),
    "y3": (1, 3, ((0, 0, 1, 3, -1), (0, 1, 1, 1, 2))),
    "x4": (4, 1, ((0, 0, 4, 1, -1), (1, 0, 2, 1, 2))),
    "y4": (1, 4, ((0, 0, 1, 4, -1), (0, 1, 1, 2, 2))),
    "x2_y2": (2, 2, ((0, 0, 2, 2, -1), (0, 0, 1, 1, 2), (1, 1, 1, 1, 2))),
    "point": (3, 3, ((0, 0, 3, 3, -1), (1, 1, 1, 1, 9))),
}
_ORDER: dict[Mode, tuple[str, ...]] = {
    "basic": ("x2", "y2", "x3", "y3", "x2_y2"),
    "core": ("x2", "y2", "x3", "y3", "x4", "y4", "x2_y2", "point"),
}
MAX_BINS = 256
"""of a feature's value; a bin's number is one byte"""


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Features as rows; `rows` may be any selection of the enumeration."""

    width: int
    """of the window, pixels"""
    height: int
    """of the window, pixels"""
    shapes: tuple[str, ...]
    """names that the first column of `rows` indexes"""
    rows: NDArray[np.int16]
    """(F, 5): shape, x, y, width and height of one cell, pixels"""

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, indices: NDArray[np.int64]) -> "FeatureTable":
        """The features at `indices`, in that order."""
        return FeatureTable(self.width, self.height, self.shapes, self.rows[indices])

    def rectangles(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(F, 3, 4) of x, y, width, height in pixels and (F, 3) weights; a missing third rectangle is all zeros."""
        pattern = np.zeros((len(self.shapes), 3, 5))
        for i, name in enumerate(self.shapes):
            for j, rect in enumerate(_SHAPES[name][2]):
                pattern[i, j] = rect
        chosen = pattern[self.rows[:, 0]]
        x, y, dx, dy = (self.rows[:, i, None].astype(np.float64) for i in range(1, 5))
        rects = np.stack(
            [x + chosen[..., 0] * dx, y + chosen[..., 1] * dy, chosen[..., 2] * dx, chosen[..., 3] * dy], axis=2
        )
        rects[chosen[..., 4] == 0] = 0
        return rects.astype(np.int64), chosen[..., 4].astype(np.float32)

    def feature(self, index: int) -> HaarFeature:
        """One feature as the cascade model keeps it."""
        rects, weights = self.select(np.array([index])).rectangles()
        pairs = zip(rects[0].tolist(), weights[0].tolist(), strict=True)
        return HaarFeature(tuple(Rect(x, y, w, h, weight) for (x, y, w, h), weight in pairs if weight != 0))


def enumerate_haar(width: int, height: int, mode: Mode) -> FeatureTable:
    """All upright Haar features of a window in OpenCV's order: by x, y, cell width, cell height, then shape.

    BASIC has 162,336 at 24x24, CORE 210,400.
    """
    names = _ORDER[mode]
    spans = np.array([_SHAPES[n][:2] for n in names], dtype=np.int16)
    y, dx, dy = (
        a.ravel().astype(np.int16)
        for a in np.meshgrid(np.arange(height), np.arange(1, width + 1), np.arange(1, height + 1), indexing="ij")
    )
    parts = []
    for x in range(width):
        fits = (x + dx[:, None] * spans[:, 0] <= width) & (y[:, None] + dy[:, None] * spans[:, 1] <= height)
        cell, shape = np.nonzero(fits)
        parts.append(np.stack([shape, np.full(len(cell), x), y[cell], dx[cell], dy[cell]], axis=1).astype(np.int16))
    return FeatureTable(width, height, names, np.concatenate(parts))


def mode_of(name: str) -> Mode:
    """The mode of that name. Raises UsageError for one that is not built."""
    if name in ("basic", "core"):
        return "basic" if name == "basic" else "core"
    raise UsageError(f"--mode {name}: only basic and core are built so far; choose one of them")


# ------------------------------------------------------------------------------------------------------- samples


@dataclass(frozen=True, slots=True)
class SampleTable:
    """Windows made ready for features: integral images with one column per sample, and what normalises them."""

    integrals: NDArray[np.float32]
    """((H + 1) * (W + 1), N); whole numbers below 2^24, so float32 is exact"""
    inverse_norms: NDArray[np.float32]
    """1 / sqrt(nf), 0 where nf is 0 or less"""

    def __len__(self) -> int:
        return int(self.integrals.shape[1])


def tabulate(windows_NHW: NDArray[np.uint8]) -> SampleTable:
    """Integral images and norms of N windows."""
    n, height, width = windows_NHW.shape
    integrals = np.zeros((height + 1, width + 1, n), dtype=np.float32)
    sums = windows_NHW.astype(np.int32).cumsum(axis=1, dtype=np.int32).cumsum(axis=2, dtype=np.int32)
    integrals[1:, 1:] = sums.transpose(1, 2, 0)
    return SampleTable(integrals.reshape(-1, n), inverse_norms(windows_NHW))


def inverse_norms(windows_NHW: NDArray[np.uint8]) -> NDArray[np.float32]:
    """1 / sqrt(nf) of each window as the detector computes it, 0 where nf is 0 or less: (N,) float32."""
    inner = windows_NHW[:, 1:-1, 1:-1].astype(np.int64)
    area = inner.shape[1] * inner.shape[2]
    nf = area * (inner * inner).sum(axis=(1, 2)) - inner.sum(axis=(1, 2)) ** 2
    result = np.zeros(len(inner), dtype=np.float32)
    result[nf > 0] = (1.0 / np.sqrt(nf[nf > 0].astype(np.float64))).astype(np.float32)
    return result


def has_contrast(windows_NHW: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether the detector looks at a window at all: its inner standard deviation is above 10 grey levels. (N,)."""
    area = (windows_NHW.shape[1] - 2) * (windows_NHW.shape[2] - 2)
    norms = inverse_norms(windows_NHW).astype(np.float64)
    return np.asarray((norms > 0) & (area * norms < 0.1))


# ------------------------------------------------------------------------------------------------------- values


@dataclass(frozen=True, slots=True)
class BinnedFeatures:
    """Every feature's value on every sample, to a byte: the row's number of equal bins between its extremes."""

    table: FeatureTable
    samples: SampleTable
    bins: NDArray[np.uint8]


def corner_offsets(rects_FR4: NDArray[np.int64], stride: int) -> NDArray[np.int64]:
    """Where in a flat integral image with rows of `stride` the four corners of each rectangle lie: (F, R, 4).

    The rectangle's sum is first - second - third + fourth.
    """
    x, y, w, h = (rects_FR4[..., i] for i in range(4))
    return np.stack([y * stride + x, y * stride + x + w, (y + h) * stride + x, (y + h) * stride + x + w], axis=-1)


def values_of(table: FeatureTable, samples: SampleTable) -> NDArray[np.float32]:
    """(F, N) float32 values, exactly those that the detector compares with thresholds."""
    rects, weights = table.rectangles()
    offsets = corner_offsets(rects, table.width + 1)
    values = np.empty((len(table), len(samples)), dtype=np.float32)
    arguments = (samples.integrals, samples.inverse_norms, offsets, weights, values)
    in_slices(lambda first, end: _fill_values(*arguments, first, end), len(table), 16)
    return values


def bin_values(table: FeatureTable, samples: SampleTable) -> BinnedFeatures:
    """All values to a byte each; the exact values are not kept."""
    rects, weights = table.rectangles()
    offsets = corner_offsets(rects, table.width + 1)
    bins = np.empty((len(table), len(samples)), dtype=np.uint8)
    arguments = (samples.integrals, samples.inverse_norms, offsets, weights, bins)
    in_slices(lambda first, end: _fill_bins(*arguments, first, end), len(table), 16)
    return BinnedFeatures(table, samples, bins)


@compiled
def _fill_row(
    integrals_PN: NDArray[np.float32],
    inverse_norms_N: NDArray[np.float32],
    corners: NDArray[np.int64],
    weights: NDArray[np.float32],
    row_N: NDArray[np.float32],
) -> None:
    a, b, c, d = (
        integrals_PN[corners[0, 0]],
        integrals_PN[corners[0, 1]],
        integrals_PN[corners[0, 2]],
        integrals_PN[corners[0, 3]],
    )
    e, f, g, h = (
        integrals_PN[corners[1, 0]],
        integrals_PN[corners[1, 1]],
        integrals_PN[corners[1, 2]],
        integrals_PN[corners[1, 3]],
    )
    w0, w1, w2 = weights[0], weights[1], weights[2]
    if w2 == 0:
        for i in range(row_N.size):
            row_N[i] = (w0 * (a[i] - b[i] - c[i] + d[i]) + w1 * (e[i] - f[i] - g[i] + h[i])) * inverse_norms_N[i]
        return
    j, k, m, n = (
        integrals_PN[corners[2, 0]],
        integrals_PN[corners[2, 1]],
        integrals_PN[corners[2, 2]],
        integrals_PN[corners[2, 3]],
    )
    for i in range(row_N.size):
        two = w0 * (a[i] - b[i] - c[i] + d[i]) + w1 * (e[i] - f[i] - g[i] + h[i])
        row_N[i] = (two + w2 * (j[i] - k[i] - m[i] + n[i])) * inverse_norms_N[i]


@compiled
def _fill_values(
    integrals_PN: NDArray[np.float32],
    inverse_norms_N: NDArray[np.float32],
    corners_F34: NDArray[np.int64],
    weights_F3: NDArray[np.float32],
    values_FN: NDArray[np.float32],
    first: int,
    end: int,
) -> None:
    for f in range(first, end):
        _fill_row(integrals_PN, inverse_norms_N, corners_F34[f], weights_F3[f], values_FN[f])


@compiled
def _fill_bins(
    integrals_PN: NDArray[np.float32],
    inverse_norms_N: NDArray[np.float32],
    corners_F34: NDArray[np.int64],
    weights_F3: NDArray[np.float32],
    bins_FN: NDArray[np.uint8],
    first: int,
    end: int,
) -> None:
    row = np.empty(inverse_norms_N.size, dtype=np.float32)
    for f in range(first, end):
        _fill_row(integrals_PN, inverse_norms_N, corners_F34[f], weights_F3[f], row)
        lowest, highest = row[0], row[0]
        for i in range(row.size):
            lowest = min(lowest, row[i])
            highest = max(highest, row[i])
        scale = np.float32(0.0) if highest <= lowest else np.float32(MAX_BINS) / (highest - lowest)
        for i in range(row.size):
            number = int((row[i] - lowest) * scale)
            bins_FN[f, i] = min(number, MAX_BINS - 1)
