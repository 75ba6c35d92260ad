"""What all features share: windows made ready for them, the norm and the contrast rule of the detector.

The norm is sqrt(nf), nf = A * sum(p^2) - sum(p)^2 over the window without its outermost pixels. Haar windows whose
standard deviation there is 10 grey levels or less are never detected: OpenCV's rule, applied in fitting too.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import UsageError

Mode = Literal["basic", "core", "all"]


def mode_of(name: str) -> Mode:
    """The mode of Haar features of that name. Raises UsageError where there is none."""
    match name:
        case "basic" | "core" | "all":
            return name
    raise UsageError(f"--mode {name}: there are basic, core (all upright ones) and all (tilted ones too); choose one")


@dataclass(frozen=True, slots=True)
class SampleTable:
    """Windows made ready for features: integral images with one column per sample, and what normalises them."""

    sums: NDArray[np.float32]
    """((H + 1) * (W + 1), N), with tilted ones twice as many rows; whole numbers below 2^24, so float32 is exact"""
    inverse_norms: NDArray[np.float32]
    """1 / sqrt(nf), 0 where nf is 0 or less"""

    def __len__(self) -> int:
        return int(self.sums.shape[1])

    def select(self, columns_K: NDArray[np.int64]) -> "SampleTable":
        """Some of the samples."""
        return SampleTable(np.take(self.sums, columns_K, axis=1), self.inverse_norms[columns_K])


def tabulate(windows_NHW: NDArray[np.uint8], tilted: bool = False, normed: bool = True) -> SampleTable:
    """Integral images of N windows, and their norms where features need them (not LBP); without, they are 1."""
    n, height, width = windows_NHW.shape
    sums = np.zeros((1 + tilted, height + 1, width + 1, n), dtype=np.float32)
    pixels = np.ascontiguousarray(windows_NHW.transpose(1, 2, 0))
    for y in range(height):  # whole rows of samples at a time: numpy's cumsum takes ten times as long
        np.add(sums[0, y, 1:], pixels[y], out=sums[0, y + 1, 1:])
    for x in range(1, width):
        sums[0, 1:, x + 1] += sums[0, 1:, x]
    if tilted:
        sums[1] = _tilted_integrals(pixels.astype(np.float32))
    norms = inverse_norms(windows_NHW) if normed else np.ones(n, dtype=np.float32)
    return SampleTable(sums.reshape(-1, n), norms)


def _tilted_integrals(pixels_HWN: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H + 1, W + 1, N): at y, x the sum of all pixels above y between the two diagonals that meet at column x - 1.

    Lienhart & Maydt 2002. A row follows from the two above it: T[y, x] = T[y-1, x-1] + T[y-1, x+1] - T[y-2, x] +
    p[y-1, x-1] + p[y-2, x-1]. Pixels beyond the left and right edge are 0, but sums there are not: columns are kept as far as they reach.
    """
    height, width, n = pixels_HWN.shape
    margin = height + 1
    padded = np.zeros((height + 1, width + 2 * margin, n), dtype=np.float32)
    padded[1:, margin : margin + width] = pixels_HWN
    tilted = np.zeros((height + 1, width + 2 * margin + 1, n), dtype=np.float32)
    for y in range(1, height + 1):
        row = tilted[y, 1:-1]
        row += tilted[y - 1, :-2] + tilted[y - 1, 2:] + padded[y, :-1]
        if y > 1:
            row += padded[y - 1, :-1] - tilted[y - 2, 1:-1]
    return tilted[:, margin : margin + width + 1]


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


def corner_offsets(rects_FR4: NDArray[np.int64], stride: int) -> NDArray[np.int64]:
    """Where in a flat integral image with rows of `stride` the four corners of each rectangle lie: (F, R, 4).

    The rectangle's sum is first - second - third + fourth.
    """
    x, y, w, h = (rects_FR4[..., i] for i in range(4))
    return np.stack([y * stride + x, y * stride + x + w, (y + h) * stride + x, (y + h) * stride + x + w], axis=-1)


def tilted_corner_offsets(rects_FR4: NDArray[np.int64], stride: int) -> NDArray[np.int64]:
    """The same in a tilted integral image: x, y is the top corner, the width runs down right, the height down left."""
    x, y, w, h = (rects_FR4[..., i] for i in range(4))
    right, left = (y + w) * stride + x + w, (y + h) * stride + x - h
    return np.stack([y * stride + x, left, right, (y + w + h) * stride + x + w - h], axis=-1)
