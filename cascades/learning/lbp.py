"""Multi-block local binary patterns: which there are, in OpenCV's order, and their codes on samples.

Zhang et al. 2007 (MB-LBP): 3x3 blocks, a bit for each of the eight outer ones that is at least as bright as the middle
one; clockwise from the top left, the highest bit first. Codes need no norm, and the detector no contrast.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascades.compiled import compiled, in_slices
from cascades.learning.features import SampleTable
from cascades.model import LbpFeature


@dataclass(frozen=True, slots=True)
class LbpTable:
    """LBP features as rows; `rows` may be any selection of the enumeration."""

    width: int
    """of the window, pixels"""
    height: int
    """of the window, pixels"""
    rows: NDArray[np.int16]
    """(F, 4): x, y of the first block, width and height of each, pixels"""

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, indices: NDArray[np.int64]) -> "LbpTable":
        """The features at `indices`, in that order."""
        return LbpTable(self.width, self.height, self.rows[indices])

    def feature(self, index: int) -> LbpFeature:
        """One feature as the cascade model keeps it."""
        return LbpFeature(*self.rows[index].tolist())


def enumerate_lbp(width: int, height: int) -> LbpTable:
    """All LBP features of a window in OpenCV's order: by x, y, block width, block height. 8,464 at 24x24."""
    x, y, w, h = (
        a.ravel().astype(np.int16)
        for a in np.meshgrid(
            np.arange(width),
            np.arange(height),
            np.arange(1, width // 3 + 1),
            np.arange(1, height // 3 + 1),
            indexing="ij",
        )
    )
    fits = (x + 3 * w <= width) & (y + 3 * h <= height)
    return LbpTable(width, height, np.stack([x, y, w, h], axis=1)[fits])


def codes_of(table: LbpTable, samples: SampleTable) -> NDArray[np.uint8]:
    """(F, N): the code of every feature on every sample, exactly those that the detector looks up."""
    stride = table.width + 1
    x, y, w, h = (table.rows[:, i, None].astype(np.int64) for i in range(4))
    corners = (y + np.repeat(np.arange(4), 4) * h) * stride + x + np.tile(np.arange(4), 4) * w
    codes = np.empty((len(table), len(samples)), dtype=np.uint8)
    in_slices(lambda first, end: _fill_codes(samples.sums, corners, codes, first, end), len(table), 16)
    return codes


@compiled
def _fill_codes(
    sums_PN: NDArray[np.float32], corners_FC: NDArray[np.int64], codes_FN: NDArray[np.uint8], first: int, end: int
) -> None:
    count = codes_FN.shape[1]
    middle, code = np.empty(count, dtype=np.float32), np.empty(count, dtype=np.int32)
    for f in range(first, end):
        p = corners_FC[f]
        a, b, c, d = sums_PN[p[5]], sums_PN[p[6]], sums_PN[p[9]], sums_PN[p[10]]
        for i in range(count):
            middle[i] = a[i] - b[i] - c[i] + d[i]
            code[i] = 0
        for turn in range(8):
            at = (0, 1, 2, 6, 10, 9, 8, 4)[turn]  # clockwise from the top left
            a, b, c, d = sums_PN[p[at]], sums_PN[p[at + 1]], sums_PN[p[at + 4]], sums_PN[p[at + 5]]
            for i in range(count):
                code[i] = 2 * code[i] + np.int32(a[i] - b[i] - c[i] + d[i] >= middle[i])
        for i in range(count):
            codes_FN[f, i] = code[i]
