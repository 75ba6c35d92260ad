"""Negatives for one stage after another: every window of every image once, in a seeded random order, none twice.

A window that the cascade so far rejects is rejected by every later cascade too, so one pass over all windows serves the
whole fit: mining goes on where the last stage stopped, and what it found before and still passes stays. So it ends after
a known number of windows, and the share that passes is an honest estimate of the false alarm rate over all of them.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascades.apply import WindowJudge
from cascades.features import has_contrast
from pipeline.core.images import Luma
from pipeline.core.progress import Progress, Silent

FINE_SCALE = 2.0
"""from here on OpenCV looks at every pixel of the shrunk image, below at every second one in each direction"""
FIRST_VISIT = 16
"""windows taken from an image at the first visit; each later visit takes four times as many"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningOptions:
    """Which windows there are: as the detector steps, every second pixel of the shrunk image below half size, else all."""

    scale_factor: float = 1.2
    """from one size of window to the next"""
    smallest_px: int = 0
    """width of the smallest window, pixels of the image; 0 for what the samples say"""


@dataclass(frozen=True, slots=True)
class Scene:
    """An image to take negatives from."""

    image: Luma
    keep_out: NDArray[np.float64]
    """left, top, right, bottom: a window that touches one of these is no negative"""


@dataclass(frozen=True, slots=True)
class Mined:
    """What one stage learns from."""

    windows: NDArray[np.uint8]
    seen: int
    """windows looked at for this stage, for the first time"""
    passed: int
    """how many of them the cascade so far let through"""
    exhausted: bool
    """whether no window is left that was not looked at"""


class Miner:
    """Negatives from scenes, and from given windows (`hard_KHW`: other characters' faces) before all others."""

    def __init__(
        self,
        scenes: Sequence[Scene],
        hard_KHW: NDArray[np.uint8],
        width: int,
        height: int,
        seed: int,
        options: MiningOptions = MiningOptions(),
    ) -> None:
        self.width, self.height = width, height
        self.pool: list[NDArray[np.uint8]] = list(hard_KHW[has_contrast(hard_KHW)]) if len(hard_KHW) else []
        self.known = {_digest(w) for w in self.pool}
        random = np.random.default_rng([seed, 1])
        self.walks = [_Walk(scene, width, height, random, options) for scene in scenes]
        self.walks = [walk for walk in self.walks if walk.total]
        self.random = random
        self.queue: list[_Walk] = []
        self.visit = 0

    @property
    def total(self) -> int:
        """How many windows there are."""
        return sum(walk.total for walk in self.walks)

    @property
    def seen(self) -> int:
        """How many of them were looked at so far."""
        return sum(walk.done for walk in self.walks)

    def collect(self, judge: WindowJudge, wanted: int, progress: Progress | None = None) -> Mined:
        """Up to `wanted` windows that `judge` lets through; fewer only when every window was looked at."""
        self.pool = self._still_passing(judge)
        seen = passed = 0
        with (progress or Silent()).step("negatives", wanted, "windows") as step:
            step.advance(min(len(self.pool), wanted))
            while len(self.pool) < wanted and (walk := self._next()) is not None:
                before = len(self.pool)
                looked, found = walk.look(judge, FIRST_VISIT * 4**self.visit)
                self.pool += [w for w in found if self._is_new(w)]
                seen, passed = seen + looked, passed + len(found)
                step.advance(min(len(self.pool), wanted) - before)
                step.note(f"{self.seen:,} of {self.total:,} windows seen")
        chosen = self.pool[:wanted]
        empty = np.zeros((0, self.height, self.width), dtype=np.uint8)
        return Mined(np.stack(chosen) if chosen else empty, seen, passed, self._next(peek=True) is None)

    def measure(self, judge: WindowJudge, windows: int) -> tuple[int, int]:
        """(looked at, let through) over about `windows` windows not looked at before; uses them up."""
        seen = passed = 0
        while seen < windows and (walk := self._next()) is not None:
            looked, found = walk.look(judge, FIRST_VISIT * 4**self.visit)
            seen, passed = seen + looked, passed + len(found)
        return seen, passed

    def _still_passing(self, judge: WindowJudge) -> list[NDArray[np.uint8]]:
        if not self.pool:
            return []
        passes = judge.windows(np.stack(self.pool)).stages_passed == judge.complete
        return [w for w, still in zip(self.pool, passes, strict=True) if still]

    def _is_new(self, window_HW: NDArray[np.uint8]) -> bool:
        digest = _digest(window_HW)
        if digest in self.known:
            return False
        self.known.add(digest)
        return True

    def _next(self, peek: bool = False) -> "_Walk | None":
        while self.queue and not self.queue[-1].left:
            self.queue.pop()
        if not self.queue:
            left = [walk for walk in self.walks if walk.left]
            self.visit += bool(left) and self.seen > 0
            self.queue = [left[i] for i in self.random.permutation(len(left))]
        if not self.queue:
            return None
        return self.queue[-1] if peek else self.queue.pop()


class _Walk:
    """The windows of one scene in a random order: a permutation k -> (k * stride + start) mod total."""

    def __init__(
        self, scene: Scene, width: int, height: int, random: np.random.Generator, options: MiningOptions
    ) -> None:
        self.scene, self.width, self.height = scene, width, height
        self.levels = _levels(scene.image.shape, width, height, options)
        counts = [self._columns(level) * self._rows(level) for level in self.levels]
        self.ends = np.cumsum(counts, dtype=np.int64)
        self.total = int(self.ends[-1]) if len(self.ends) else 0
        self.done = 0
        self.start = int(random.integers(max(self.total, 1)))
        self.stride = _coprime(int(random.integers(max(self.total, 1))), self.total)

    @property
    def left(self) -> int:
        return self.total - self.done

    def look(self, judge: WindowJudge, count: int) -> tuple[int, list[NDArray[np.uint8]]]:
        """Looks at the next `count` windows: (how many, those that pass). Windows on keep-out boxes do not count."""
        steps = np.arange(self.done, min(self.done + count, self.total), dtype=np.int64)
        self.done += len(steps)
        places = np.sort((steps * self.stride + self.start) % self.total)
        level_of = np.searchsorted(self.ends, places, side="right")
        looked, found = len(places), list[NDArray[np.uint8]]()
        for level in np.unique(level_of):
            within = places[level_of == level] - (self.ends[level - 1] if level else 0)
            dropped, windows = self._look_at(judge, int(level), within)
            looked -= dropped
            found += windows
        return looked, found

    def _look_at(
        self, judge: WindowJudge, level: int, within: NDArray[np.int64]
    ) -> tuple[int, list[NDArray[np.uint8]]]:
        width, height, step = self.levels[level]
        image = shrink(self.scene.image, width, height)
        ys, xs = np.divmod(within, self._columns(self.levels[level]))
        xs, ys = xs * step, ys * step
        passes = judge.places(image, xs, ys).stages_passed == judge.complete
        xs, ys = xs[passes], ys[passes]
        keep = ~self._touches(xs, ys, self.scene.image.shape[1] / width, self.scene.image.shape[0] / height)
        windows = [image[y : y + self.height, x : x + self.width] for x, y in zip(xs[keep], ys[keep], strict=True)]
        return int((~keep).sum()), [np.ascontiguousarray(w) for w in windows]

    def _touches(self, xs: NDArray[np.int64], ys: NDArray[np.int64], across: float, down: float) -> NDArray[np.bool_]:
        boxes = self.scene.keep_out
        left, top = xs[:, None] * across, ys[:, None] * down
        right, bottom = left + self.width * across, top + self.height * down
        apart = (left >= boxes[:, 2]) | (right <= boxes[:, 0]) | (top >= boxes[:, 3]) | (bottom <= boxes[:, 1])
        return np.asarray(~apart.all(axis=1))

    def _columns(self, level: tuple[int, int, int]) -> int:
        return (level[0] - self.width) // level[2] + 1

    def _rows(self, level: tuple[int, int, int]) -> int:
        return (level[1] - self.height) // level[2] + 1


def shrink(image_HW: Luma, width: int, height: int) -> Luma:
    """The image at another size, by the interpolation that `detectMultiScale` uses."""
    import cv2

    if image_HW.shape == (height, width):
        return image_HW
    return np.asarray(cv2.resize(image_HW, (width, height), interpolation=cv2.INTER_LINEAR_EXACT), dtype=np.uint8)


def _levels(shape: tuple[int, ...], width: int, height: int, options: MiningOptions) -> list[tuple[int, int, int]]:
    """Sizes (width, height) of the shrunk image from the largest to the last that still holds a window, and the step."""
    levels: list[tuple[int, int, int]] = []
    scale = max(1.0, options.smallest_px / width)
    while round(shape[1] / scale) >= width and round(shape[0] / scale) >= height:
        levels.append((round(shape[1] / scale), round(shape[0] / scale), 2 if scale < FINE_SCALE else 1))
        scale *= options.scale_factor
    return levels


def _coprime(start: int, total: int) -> int:
    """The first number from `start` on that shares no divisor with `total`."""
    number = max(start, 1)
    while math.gcd(number, max(total, 1)) != 1:
        number += 1
    return number


def _digest(window_HW: NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(window_HW.tobytes(), digest_size=12).digest()
