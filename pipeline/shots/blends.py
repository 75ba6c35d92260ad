"""Dissolves and fades, frame by frame.

In the middle of a dissolve every frame is a mix of the frame before it and the frame after it, and the share of the
second grows evenly (the linear model of Alattar, "Detecting and compressing dissolve regions in video sequences", 1993);
a fade is such a mix with one colour. So every frame is taken as the end of windows of many lengths, and how far the
frames inside are from the even mix of the window's ends is read off running sums, on pictures of 16x9 cells. What looks
like a mix there is looked at once more on the small picture: a mix of two scenes has half the edges' energy of the two
(two pictures in one cannot be as crisp as one), and it changes everywhere; a pan or a zoom does neither.
"""

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.core.images import RGB
from pipeline.shots.mixing import is_mix

CELLS = (16, 9)
"""columns and rows of the picture that windows are measured on"""
SPANS = np.array((6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64))
"""frames from the last frame before a mix to the first after it"""
LONGEST = int(SPANS[-1])
STRIDE = 2
"""frames from one look for windows to the next"""
STOPPED = 4
"""frames without a better window after which the best is looked at closer"""
TRIED = 4
"""windows looked at closer until one is a mix, best first"""
SETTLED = 16
"""frames after which no better window is waited for"""
HORIZON = LONGEST + SETTLED + 2
"""frames after which nothing new is told about a frame"""
LEAST_CHANGE = 8.0
"""grey levels (root mean square) between the ends of a window"""
MOST_RESIDUE = 0.13
"""of the squared change between the ends: how far the frames inside may be from the even mix. 1/12 is a hard cut"""
LARGEST_STEP = 0.25
"""of the squared change: what one frame may contribute at most; a hard cut contributes all"""
CHANGED_CELL = 5.0
"""grey levels; a cell has changed"""
CHANGED_SHARE = 0.85
"""of the cells; movement leaves more of them as they are"""
FLAT = 4.0
"""grey levels; standard deviation over the cells of a picture in one colour"""
ROWS = 512
"""frames kept before the running sums begin anew"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """A gradual transition, as frame numbers."""

    first: int
    """first mixed frame"""
    after: int
    """first frame after the mix"""
    cut: int | None
    """first frame in which the new shot outweighs the old one; of a fade, the last one without a picture. None where a
    shot only fades out, or the episode fades in"""
    kind: str
    """`dissolve` or `fade`"""


class BlendFinder:
    """Takes small frames in order and tells gradual transitions, up to HORIZON frames after they ended."""

    def __init__(self) -> None:
        size = CELLS[0] * CELLS[1] * 3
        self._cells = np.zeros((ROWS, size))
        self._energy, self._step = np.zeros(ROWS), np.zeros(ROWS)
        self._sums, self._moments, self._energies = np.zeros((ROWS, size)), np.zeros((ROWS, size)), np.zeros(ROWS)
        self._flat = np.zeros(ROWS, dtype=bool)
        self._smalls: deque[RGB] = deque(maxlen=LONGEST + SETTLED + 1)
        self._row = -1
        self._origin = 0
        self._risen: list[tuple[float, int, int]] = []
        self._best: tuple[float, int, int] | None = None
        self._changed = False

    def push(self, small_HW3: RGB, new_drawing: bool) -> list[Blend]:
        """Takes the next frame and whether it shows another drawing; transitions known now, in order."""
        if self._row + 1 == ROWS:
            self._begin_anew()
        self._row += 1
        self._append(small_HW3, new_drawing or self._row == 0)
        self._changed |= new_drawing
        if self._index % STRIDE or not self._changed:
            return self._settle(self._index)
        self._changed = False
        window = self._best_window()
        if window:
            self._risen.append(window)
        return self._settle(self._index)

    def finish(self) -> list[Blend]:
        """What was still waited for when the frames ended."""
        return self._settle(self._index + HORIZON)

    def _settle(self, now: int) -> list[Blend]:
        """Looks closer at windows that did not get better for a while, and tells what nothing better replaced."""
        found = []
        self._risen.sort(reverse=True)
        if self._risen and now - self._risen[0][2] >= STOPPED:
            tried, self._risen = self._risen[:TRIED], []
            for window in tried:
                if self._best and window[1] >= self._best[2]:
                    found += self._take()
                if self._best and window[0] <= self._best[0]:
                    break
                if self._confirmed(window):
                    self._best = window
                    break
        if self._best and now - self._best[2] >= SETTLED:
            found += self._take()
        return found

    @property
    def _index(self) -> int:
        """Number of the frame taken last."""
        return self._origin + self._row

    def _append(self, small_HW3: RGB, new_drawing: bool) -> None:
        row, last = self._row, self._row - 1
        self._smalls.append(small_HW3)
        if new_drawing:
            cells = cv2.resize(small_HW3, CELLS, interpolation=cv2.INTER_AREA)
            self._cells[row] = cells.reshape(-1)
            self._energy[row] = self._cells[row] @ self._cells[row]
            self._flat[row] = cv2.meanStdDev(cells)[1].max() < FLAT
            if row:
                self._step[row] = ((self._cells[row] - self._cells[last]) ** 2).sum()
        else:
            self._cells[row], self._energy[row] = self._cells[last], self._energy[last]
            self._flat[row], self._step[row] = self._flat[last], 0.0
        if row:
            np.add(self._sums[last], self._cells[row], out=self._sums[row])
            np.add(self._moments[last], row * self._cells[row], out=self._moments[row])
            self._energies[row] = self._energies[last] + self._energy[row]
        else:
            self._sums[0], self._moments[0], self._energies[0] = self._cells[0], 0.0, self._energy[0]

    def _begin_anew(self) -> None:
        """Keeps the rows that windows may still reach; sums stay small, so they stay exact."""
        kept = self._smalls.maxlen or 0
        dropped = ROWS - kept
        rows = [self._cells[dropped:].copy(), self._energy[dropped:].copy(), self._step[dropped:].copy()]
        flat = self._flat[dropped:].copy()
        self._cells[:kept], self._energy[:kept], self._step[:kept] = rows
        self._flat[:kept] = flat
        self._sums[:kept] = np.cumsum(self._cells[:kept], axis=0)
        self._moments[:kept] = np.cumsum(self._cells[:kept] * np.arange(kept)[:, None], axis=0)
        self._energies[:kept] = np.cumsum(self._energy[:kept])
        self._origin += dropped
        self._row = kept - 1

    def _best_window(self) -> tuple[float, int, int] | None:
        """(score, frame before, frame after) of the window ending here that looks most like a mix, if any does."""
        end = self._row
        spans = SPANS[: np.searchsorted(SPANS, end, side="right")]
        begins = end - spans
        if not len(begins):
            return None
        before, after = self._cells[begins], self._cells[end]
        products = before @ after
        change = np.maximum(self._energy[end] + self._energy[begins] - 2 * products, 1e-9)
        large = change > LEAST_CHANGE**2 * len(after)
        if not large.any():
            return None
        steps = np.maximum.accumulate(self._step[end - spans[-1] + 1 : end + 1][::-1])[spans - 1]
        chosen = np.nonzero(large & (steps < LARGEST_STEP * change))[0]
        if not len(chosen):
            return None
        residue = self._residue(chosen, spans, begins, before, products) / ((spans[chosen] - 1) * change[chosen])
        scores = np.sqrt(change[chosen]) * (1 - residue / MOST_RESIDUE)
        best = int(scores.argmax())
        if scores[best] <= 0:
            return None
        difference = np.abs(before[chosen[best]] - after).reshape(-1, 3).max(axis=1)
        if (difference > CHANGED_CELL).mean() < CHANGED_SHARE:
            return None
        return float(scores[best]), self._index - int(spans[chosen[best]]), self._index

    def _residue(
        self,
        chosen: NDArray[np.int64],
        spans: NDArray[np.int64],
        begins: NDArray[np.int64],
        before: NDArray[np.float64],
        products: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Summed squared distance of the frames inside windows from the even mix of their ends.

        With k from 1 to L - 1 and a = k / L it is sum |F_k - (1 - a) A - a B|^2, multiplied out.
        """
        end, length, begin = self._row, spans[chosen].astype(np.float64), begins[chosen]
        plain = self._sums[end - 1] - self._sums[begin]
        weighted = (self._moments[end - 1] - self._moments[begin] - begin[:, None] * plain) / length[:, None]
        squares = (length - 1) * (2 * length - 1) / (6 * length)
        cross = (length - 1) / 2 - squares
        inside = self._energies[end - 1] - self._energies[begin]
        with_before = np.einsum("ld,ld->l", before[chosen], plain - weighted)
        with_after = weighted @ self._cells[end]
        ends = (self._energy[begin] + self._energy[end]) * squares + 2 * products[chosen] * cross
        return np.asarray(inside + ends - 2 * with_before - 2 * with_after)

    def _confirmed(self, window: tuple[float, int, int]) -> bool:
        """Whether the window is a mix on the small pictures as well."""
        _, begin, end = window
        newest = len(self._smalls) - 1
        frames = [self._smalls[newest - (self._index - frame)] for frame in range(begin, end + 1)]
        return is_mix(frames)

    def _take(self) -> list[Blend]:
        """The transition of the best window."""
        assert self._best is not None
        _, begin, end = self._best
        self._best = None
        flat = self._flat[begin - self._origin : end + 1 - self._origin]
        if flat[0] and flat[-1]:
            return []
        if flat[-1]:
            return [Blend(first=begin + 1, after=end, cut=None, kind="fade")]
        if flat[0]:
            last_flat = begin + int(np.nonzero(flat)[0][-1])
            run = self._flat[: begin - self._origin + 1][::-1]
            from_start = bool(run.all()) and self._origin == 0
            return [Blend(first=begin + 1, after=end, cut=None if from_start else last_flat, kind="fade")]
        return [self._dissolve(begin, end)]

    def _dissolve(self, begin: int, end: int) -> Blend:
        """Where the mix begins, tips over and ends, by a straight line through the shares of the new shot."""
        first, last = max(begin - 4, self._origin), min(end + 4, self._index)
        before, after = self._cells[begin - self._origin], self._cells[end - self._origin]
        towards = after - before
        frames = np.arange(first, last + 1)
        shares = (self._cells[first - self._origin : last + 1 - self._origin] - before) @ towards / (towards @ towards)
        inside = (shares > 0.15) & (shares < 0.85) & (frames > begin) & (frames < end)
        if inside.sum() < 2:
            return Blend(first=begin + 1, after=end, cut=(begin + end + 1) // 2, kind="dissolve")
        slope, level = np.polyfit(frames[inside], shares[inside], 1)
        if slope <= 0:
            return Blend(first=begin + 1, after=end, cut=(begin + end + 1) // 2, kind="dissolve")
        starts, tips, ends = ((share - level) / slope for share in (0.0, 0.5, 1.0))
        cut = int(min(max(np.ceil(tips), begin + 1), end))
        return Blend(
            first=int(min(max(np.floor(starts) + 1, first), cut)), after=int(max(min(np.ceil(ends), last), cut)),
            cut=cut, kind="dissolve",
        )  # fmt: skip
