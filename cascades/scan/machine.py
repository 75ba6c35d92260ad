"""A cascade made ready for the kernels: look-up tables, and its corners within the integral images of one size."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascades.model import CascadeModel
from cascades.scan.bits import LANES
from cascades.scan.corners import arranged_corners
from cascades.scan.kernels import (
    CODES,
    LBP_STUMPS,
    LBP_TREES,
    STUMPS,
    TREES,
    judge_places,
    scan_rows,
)
from cascades.scan.layout import FlatCascade, flatten, haar_points, lbp_points
from cascades.scan.pyramid import Integrals
from cascades.scan.shares import BLOCK_TOGETHER, ROWS_TOGETHER
from cascades.scan.stumps import scan_blocks
from cascades.scan.sums import fill_norms

ROUNDING = 2.0**-24 * 1.01
"""what one float32 sum can be off by, as a share of the largest sum"""
MOST_NODES = 8
"""of a tree that still runs over rows: one bit of a code each"""
SIZES_KEPT = 256
"""sizes of integral images whose corners are kept"""


@dataclass(frozen=True, slots=True)
class Passed:
    """Windows of one level that got far enough."""

    columns: NDArray[np.int64]
    rows: NDArray[np.int64]
    stages: NDArray[np.int32]
    """passed"""
    lasts: NDArray[np.float64]
    """sum of the last stage that was run"""
    totals: NDArray[np.float64]
    """margins over the thresholds, added up over all stages that were run"""


class Machine:
    """One cascade; holds what does not depend on an image."""

    def __init__(self, model: CascadeModel, together: bool = True) -> None:
        self.model = model
        self.flat = flatten(model)
        flat = self.flat
        sizes = np.diff(np.append(flat.roots, len(flat.features)))
        self.kind = _kind(flat)
        small = self.kind == TREES and int(sizes.max(initial=1)) <= MOST_NODES
        self.dense = together and (small or self.kind in (STUMPS, LBP_STUMPS))
        self.numbers = _numbers(flat)
        self.roots = np.append(flat.roots, np.int32(len(flat.features))).astype(np.int32)
        self.table = _table(flat, self.kind, self.roots) if self.dense else np.zeros(0, dtype=np.float32)
        self.slacks = _slacks(flat)
        self.arranged = arranged_corners(flat)
        self._placed: dict[tuple[int, int, int, int], Placed] = {}
        self.least_contrast = least_contrast(self.area) if model.kind == "HAAR" else 0.0

    @property
    def area(self) -> float:
        """Pixels of the window that its contrast is measured on."""
        return float((self.flat.width - 2) * (self.flat.height - 2))

    def on(self, integrals: Integrals) -> "Placed":
        """With corners for that size of image; kept, as frames of a video have the same sizes."""
        key = (integrals.stride, integrals.step, integrals.plane, integrals.tilted_at)
        placed = self._placed.get(key)
        if placed is None:
            if len(self._placed) >= SIZES_KEPT:
                self._placed.clear()
            placed = self._placed[key] = self._place(integrals)
        return placed

    def _place(self, integrals: Integrals) -> "Placed":
        flat = self.flat
        across, down = haar_points(flat) if self.model.kind == "HAAR" else lbp_points(flat)
        offsets = integrals.offsets(across, down)
        if self.model.kind == "HAAR":
            offsets = offsets + np.where(flat.tilted, integrals.tilted_at, 0)[:, None, None]
        corners = offsets.reshape(len(offsets), -1)[flat.features].ravel().astype(np.uint64)
        arranged = np.zeros(0, dtype=np.uint32)
        if self.kind == STUMPS:
            offsets = (
                integrals.offsets(*self.arranged[:2])
                + np.where(flat.tilted, integrals.tilted_at, 0)[flat.features, None]
            )
            arranged = offsets.ravel().astype(np.uint32)
        inner = integrals.offsets(
            np.array([1, flat.width - 1, 1, flat.width - 1]), np.array([1, 1, flat.height - 1, flat.height - 1])
        )
        return Placed(self, corners, arranged, inner.astype(np.uint64))

    def norms(self, integrals: Integrals, inner_4: NDArray[np.uint64], places: int) -> NDArray[np.float32]:
        """1 / sqrt(nf) at the first `places` places, 0 where there is too little contrast; LBP: nothing."""
        if self.model.kind == "LBP":
            return np.zeros(0, dtype=np.float32)
        norms = np.empty(places, dtype=np.float32)
        fill_norms(integrals.sums, integrals.squares, inner_4, self.area, self.least_contrast, places, norms)
        return norms


@dataclass(frozen=True, slots=True)
class Placed:
    """A cascade on images of one size."""

    machine: Machine
    corners: NDArray[np.uint64]
    """of each node's feature"""
    arranged: NDArray[np.uint32]
    """of stumps: each corner once"""
    inner_4: NDArray[np.uint64]
    """of the part of the window that contrast is measured on"""

    def scan(
        self,
        integrals: Integrals,
        norms: NDArray[np.float32],
        size: tuple[int, int],
        enough: int,
        skips: bool,
        work: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Places and stages of the windows that pass `enough` stages, of `size` (columns, rows) windows."""
        machine, flat = self.machine, self.machine.flat
        found, reached = np.empty(size[0] * size[1], dtype=np.int64), np.empty(size[0] * size[1], dtype=np.int32)
        if machine.kind == STUMPS and machine.dense and size[0] >= LANES and enough > 0:
            hits = scan_blocks(
                integrals.sums, norms, integrals.stride, size[0], self.arranged, machine.arranged[2], machine.numbers,
                flat.leaves, flat.ends[:enough], flat.thresholds[:enough], machine.slacks, BLOCK_TOGETHER, skips, 0, size[1],
                found, work,
            )  # fmt: skip
            return found[:hits], reached[:hits]
        hits = scan_rows(
            machine.kind, machine.dense and machine.kind != STUMPS, integrals.sums, norms, integrals.stride, size[0], self.corners,
            machine.numbers, flat.subsets.ravel(), flat.children.ravel(), flat.leaves, machine.roots, machine.table,
            flat.ends[:enough], flat.thresholds[:enough], machine.slacks, ROWS_TOGETHER[machine.kind], enough, skips, 0, size[1],
            found, reached, work, np.empty(size[0], dtype=np.int32), np.empty(size[0], dtype=np.float32),
            np.empty(size[0], dtype=np.uint8),
        )  # fmt: skip
        return found[:hits], reached[:hits]

    def judge(self, integrals: Integrals, norms: NDArray[np.float32], places_N: NDArray[np.int64]) -> Passed:
        """All stages of the windows at given places, in OpenCV's own precision."""
        rows, columns = np.divmod(places_N, integrals.stride)
        norms_N = norms[places_N] if len(norms) else norms
        machine, flat, n = self.machine, self.machine.flat, len(places_N)
        passed = Passed(columns, rows, np.empty(n, dtype=np.int32), np.empty(n), np.empty(n))
        judge_places(
            machine.kind, integrals.sums, norms_N, self.corners, machine.numbers, flat.subsets.ravel(),
            flat.children.ravel(), flat.leaves, machine.roots, flat.ends, flat.thresholds, places_N,
            passed.stages, passed.lasts, passed.totals,
        )  # fmt: skip
        return passed


def least_contrast(area: float) -> float:
    """The smallest nf = area * sum(p^2) - sum(p)^2 that OpenCV takes for contrast: area * float32(1 / sqrt(nf)) < 0.1."""
    low, high = 0, 1 << 52
    while high - low > 1:
        middle = (low + high) // 2
        if area * float(np.float32(1.0 / np.sqrt(float(middle)))) < 0.1:
            high = middle
        else:
            low = middle
    return float(high)


def _kind(flat: FlatCascade) -> int:
    if flat.kind == "HAAR":
        return STUMPS if _in_order(flat) else TREES
    return LBP_STUMPS if _in_order(flat) else LBP_TREES


def _in_order(flat: FlatCascade) -> bool:
    """Whether every tree is a stump whose left leaf is its first one and whose right leaf the second."""
    usual = -1 - np.arange(2 * len(flat.roots), dtype=np.int32).reshape(-1, 2)
    return flat.is_stumps and bool((flat.children == usual).all())


def _numbers(flat: FlatCascade) -> NDArray[np.float32]:
    """Weights of up to three rectangles and the cut of each node, flat."""
    return np.concatenate([flat.weights[flat.features], flat.cuts[:, None]], axis=1).ravel().astype(np.float32)


def _slacks(flat: FlatCascade) -> NDArray[np.float32]:
    """How far a float32 sum of each stage can be from the float64 one: trees * rounding * the largest sum of leaves."""
    largest = np.zeros(len(flat.roots))
    leaves_at = np.append(flat.roots + np.arange(len(flat.roots)), len(flat.leaves))
    for t in range(len(flat.roots)):
        largest[t] = np.abs(flat.leaves[leaves_at[t] : leaves_at[t + 1]]).max()
    starts = np.append(0, flat.ends)
    slack = [
        (starts[s + 1] - starts[s] + 2) * ROUNDING * (largest[starts[s] : starts[s + 1]].sum() + abs(float(threshold)))
        for s, threshold in enumerate(flat.thresholds)
    ]
    return np.nextafter(np.array(slack, dtype=np.float32), np.float32(np.inf))


def _table(flat: FlatCascade, kind: int, roots: NDArray[np.int32]) -> NDArray[np.float32]:
    """(T * 256,) the leaf's value for each code: an LBP pattern, or which of a tree's nodes a window goes left at."""
    if kind == STUMPS:
        return np.zeros(0, dtype=np.float32)
    codes = np.arange(CODES)
    table = np.zeros((len(flat.roots), CODES), dtype=np.float32)
    for t in range(len(flat.roots)):
        if kind == LBP_STUMPS:
            left = (flat.subsets[t][codes >> 5] >> (codes & 31)) & 1
            table[t] = flat.leaves[np.where(left == 1, 2 * t, 2 * t + 1)]
            continue
        at = np.full(CODES, roots[t])
        for _ in range(roots[t + 1] - roots[t]):
            inner = at >= 0
            left = (codes >> np.clip(at - roots[t], 0, 31)) & 1
            at = np.where(inner, flat.children[np.maximum(at, 0), 1 - left], at)
        table[t] = flat.leaves[-1 - at]
    return table.ravel()
