"""A cascade made ready for the kernels: look-up tables, and its corners on sheets of one width."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascades.model import CascadeModel
from cascades.scan.bits import CODES, LANES, PACK_ROW
from cascades.scan.blocks import LBP_STUMPS, LBP_TREES, STUMPS, TREES, Tables, fill_passes, judge_places, scan_blocks
from cascades.scan.corners import arranged_corners
from cascades.scan.layout import FlatCascade, flatten, lbp_points
from cascades.scan.order import AT_A_TIME, StageOrder
from cascades.scan.room import room
from cascades.scan.sheet import Layout
from cascades.scan.sums import fill_norms

ROUNDING = 2.0**-24 * 1.01
"""what one float32 sum can be off by, as a share of the largest sum"""
MOST_NODES = 8
"""of a tree that still runs over blocks: one bit of a code each"""
WIDTHS_KEPT = 64
"""widths of sheets whose corners are kept"""


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

    def only(self, which: NDArray[Any]) -> "Passed":
        """Some of them, by numbers or a mask."""
        return Passed(self.columns[which], self.rows[which], self.stages[which], self.lasts[which], self.totals[which])

    @staticmethod
    def joined(parts: "Sequence[Passed]") -> "Passed":
        """All of several; nothing where there is none."""
        none = np.zeros(0, dtype=np.int64)
        parts = [Passed(none, none, none.astype(np.int32), np.zeros(0), np.zeros(0)), *parts]
        return Passed(
            np.concatenate([p.columns for p in parts]),
            np.concatenate([p.rows for p in parts]),
            np.concatenate([p.stages for p in parts]),
            np.concatenate([p.lasts for p in parts]),
            np.concatenate([p.totals for p in parts]),
        )


@dataclass(frozen=True, slots=True)
class Sums:
    """A sheet of one picture."""

    layout: Layout
    sums: NDArray[np.int32]
    squares: NDArray[np.int32]


class Machine:
    """One cascade; holds what does not depend on an image."""

    def __init__(self, model: CascadeModel, together: bool = True) -> None:
        self.model, self._together = model, together
        self.flat = flatten(model)
        flat = self.flat
        sizes = np.diff(np.append(flat.roots, len(flat.features)))
        self.kind = _kind(flat)
        small = self.kind == TREES and int(sizes.max(initial=1)) <= MOST_NODES
        self.dense = together and (small or self.kind in (STUMPS, LBP_STUMPS))
        self.window = (flat.width, flat.height)
        self.is_haar = model.kind == "HAAR"
        if self.is_haar:
            self._across, self._down, self._forms = arranged_corners(flat)
        else:
            self._across, self._down = (points[flat.features] for points in lbp_points(flat))
            self._forms = np.zeros(0, dtype=np.int32)
        self._numbers = np.concatenate([flat.weights[flat.features], flat.cuts[:, None]], axis=1).ravel()
        self._roots = np.append(flat.roots, np.int32(len(flat.features))).astype(np.int32)
        self._table = _table(flat, self.kind, self._roots) if self.dense else np.zeros(0, dtype=np.float32)
        self._slacks = _slacks(flat)
        self.order = StageOrder(np.diff(np.append(0, flat.ends)))
        self._placed: dict[tuple[int, int, bool], Tables] = {}
        self.area = float((flat.width - 2) * (flat.height - 2))
        self._least_contrast = least_contrast(self.area) if self.is_haar else 0.0

    def on(self, layout: Layout) -> Tables:
        """With corners for that width of sheet; kept, as frames of a video have the same."""
        tables = self._placed.get(layout.key)
        if tables is None:
            if len(self._placed) >= WIDTHS_KEPT:
                self._placed.clear()
            tables = self._placed[layout.key] = self._tables(layout)
        return tables

    def _tables(self, layout: Layout) -> Tables:
        flat = self.flat
        corners = layout.offsets(self._across, self._down)
        if self.is_haar:
            corners = corners + np.where(flat.tilted, layout.tilted_at, 0)[flat.features, None]
        return Tables(
            self.kind, self.dense, corners.ravel().astype(np.uint32), self._forms, self._numbers.astype(np.float32),
            flat.subsets.ravel(), flat.children.ravel(), flat.leaves, self._roots, self._table, flat.ends,
            flat.thresholds, self._slacks, self.order.stages,
        )  # fmt: skip

    def norms(self, sheet: Sums) -> NDArray[np.float32]:
        """1 / sqrt(nf) of all windows of a sheet, 0 where there is too little contrast; LBP: 1.

        They lie in the thread's `room`: until its next sheet.
        """
        layout = sheet.layout
        if not self.is_haar:
            return np.ones(layout.rows * layout.plane + LANES, dtype=np.float32)
        norms = room(f"norms {self.window}", layout.rows * layout.plane + LANES, np.float32)
        (width, height), strides = self.window, (layout.stride, layout.square_stride, layout.plane)
        across, down = np.array([1, width - 1, 1, width - 1]), np.array([1, 1, height - 1, height - 1])
        inner = [layout.offsets(across, down, squares).astype(np.uint64) for squares in (False, True)]
        fill_norms(
            sheet.sums, sheet.squares, strides, inner[0], inner[1], self.area, self._least_contrast,
            layout.windows(self.window), norms,
        )  # fmt: skip
        return norms

    def scan(
        self, sheet: Sums, norms: NDArray[np.float32], spans_P4: NDArray[np.int64], skips: bool, work: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Numbers, among the norms, of windows that pass; of spans as `scan_blocks` takes them."""
        found = room("found", int((spans_P4[:, 2] * spans_P4[:, 3]).sum()), np.int64)
        stages = len(self.flat.ends)
        waiting, counts = np.zeros(3 * PACK_ROW * stages, dtype=np.uint64), np.zeros(stages, dtype=np.int64)
        layout = sheet.layout
        if self._together and self.order.is_learning:
            self._learn(sheet, norms, spans_P4)
        # a kernel that runs in another thread keeps the order that it began with
        tables = self.on(layout)._replace(order=self.order.stages)
        hits = scan_blocks(
            tables, sheet.sums, norms, layout.stride, layout.plane, spans_P4, skips, waiting, counts,
            found, work,
        )  # fmt: skip
        return np.sort(found[:hits])

    def _learn(self, sheet: Sums, norms: NDArray[np.float32], spans_P4: NDArray[np.int64]) -> None:
        """Looks at some windows, evenly spread over the spans, for the order of stages."""
        numbers = np.concatenate(
            [
                (number + sheet.layout.plane * np.arange(rows)[:, None] + np.arange(columns)).ravel()
                for _, number, columns, rows in spans_P4.tolist()
            ]
        )
        numbers = numbers[norms[numbers] > 0]
        if len(numbers) < AT_A_TIME:
            return
        numbers = numbers[:: len(numbers) // AT_A_TIME]
        rows, columns = np.divmod(numbers, sheet.layout.plane)
        passes = np.empty((len(numbers), len(self.flat.ends)), dtype=np.bool_)
        fill_passes(self.on(sheet.layout), sheet.sums, norms[numbers], rows * sheet.layout.stride + columns, passes)
        self.order.add(passes)

    def judge(self, sheet: Sums, norms: NDArray[np.float32], numbers_N: NDArray[np.int64]) -> Passed:
        """All stages of windows by their numbers, in OpenCV's own precision; rows are those of the sheet."""
        rows, columns = np.divmod(numbers_N, sheet.layout.plane)
        n = len(numbers_N)
        passed = Passed(columns, rows, np.empty(n, dtype=np.int32), np.empty(n), np.empty(n))
        places = rows * sheet.layout.stride + columns
        judge_places(
            self.on(sheet.layout), sheet.sums, norms[numbers_N], places, passed.stages, passed.lasts, passed.totals
        )
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
