"""Negatives for one stage after another: every window of every image once, in a seeded random order, none twice.

A window that the cascade so far rejects is rejected by every later cascade too, so one pass over all windows serves the
whole fit: mining goes on where the last stage stopped, and what it found before and still passes stays. So it ends after
a known number of windows, and the share that passes is an honest estimate of the false alarm rate over all of them.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascades.apply import WindowJudge
from cascades.compiled import thread_count
from cascades.learning.sheets import DENSE_SHARE, FINE_SCALE, Look, Scene, Sheet, sheets_of, shrink
from cascades.scan.machine import Machine
from pipeline.core.errors import UsageError

__all__ = ["FINE_SCALE", "Mined", "Miner", "MiningOptions", "Scene", "Suspect", "shrink"]

FIRST_VISIT = 32
"""windows taken from a sheet at the first visit at most; each later visit takes VISIT_GROWTH times as many"""
VISIT_GROWTH = 8
FEWEST_LOOKS = 16
"""windows taken from a sheet that is visited at all: drawing it costs more than these"""
SHEETS_AT_ONCE = 16
"""visited together, whatever the number of threads, so that the order of what is found never depends on it"""
KEPT_BYTES = 64 << 20
"""of sheets kept in memory between visits; the others are drawn anew"""
DIGEST_BYTES = 12
SUSPECTS_KEPT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningOptions:
    """Which windows there are: as the detector steps, every second pixel of the shrunk image below half size, else all."""

    scale_factor: float = 1.2
    """from one size of window to the next"""
    smallest_px: int = 0
    """width of the smallest window, pixels of the image; 0 for what the samples say"""
    max_windows: int = 1_000_000_000
    """looked at in the whole fit; it then ends as if there were no more. 0 for all there are"""
    face_overlap: float = 0.0
    """windows that overlap a labelled face by no more than this (intersection over union) are negatives; 0: none does"""
    spare_suspects: bool = True
    """where nobody said that there is no face (other frames of labelled videos; `unsure_negatives`): leave out windows
    that the cascade takes for a face as surely as half of the positives"""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale_factor) and self.scale_factor >= 1.01):
            raise UsageError(f"mining scale_factor must be 1.01 or more, got {self.scale_factor:g}")
        if self.smallest_px < 0 or self.max_windows < 0:
            raise UsageError("mining smallest_px and max_windows must be 0 or more")
        if not 0 <= self.face_overlap <= 0.5:
            raise UsageError(f"mining face_overlap must be 0 to 0.5, got {self.face_overlap:g}")


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


@dataclass(frozen=True, slots=True)
class Suspect:
    """A window of an unlabelled picture that looks more like a face than half of the faces: maybe it is one."""

    scene: str
    left: float
    top: float
    right: float
    bottom: float
    total: float
    """what its sums exceed the thresholds by; higher is surer"""


class Miner:
    """Negatives from scenes, and from given windows (`hard_KHW`: other characters' faces) before all others.

    `positives_KHW` are never mined, wherever they are met.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        hard_KHW: NDArray[np.uint8],
        width: int,
        height: int,
        seed: int,
        options: MiningOptions = MiningOptions(),
        positives_KHW: NDArray[np.uint8] | None = None,
    ) -> None:
        self.scenes, self.options, self.seed = scenes, options, seed
        hard = hard_KHW if len(hard_KHW) else np.zeros((0, height, width), dtype=np.uint8)
        self.pool_KHW = hard
        self.origins_K = np.full(len(hard), -1, dtype=np.int64)
        """scene of each window of the pool; -1 for those that were given"""
        self.known = {_digest(w) for w in hard}
        if positives_KHW is not None:
            self.known |= {_digest(w) for w in positives_KHW}
        random = np.random.default_rng([seed, 1])
        self.sheets: list[tuple[int, Sheet]] = [
            (number, sheet)
            for number, scene in enumerate(scenes)
            for sheet in sheets_of(scene, (width, height), options.scale_factor, options.smallest_px, random)
        ]
        kept = 0
        for _, sheet in self.sheets:
            kept += sheet.area
            sheet.is_kept = kept <= KEPT_BYTES
        self.visit = self.position = 0
        self.rate = 1.0
        """share of fresh windows that passed when it was last seen; how much is looked at in one go rests on it"""
        self.suspects: list[Suspect] = []
        self._machine: Machine | None = None
        self.spared = 0
        """windows left out as suspects"""

    @property
    def total(self) -> int:
        """How many windows there are."""
        return sum(sheet.total for _, sheet in self.sheets)

    @property
    def seen(self) -> int:
        """How many of them were looked at so far."""
        return sum(sheet.done for _, sheet in self.sheets)

    @property
    def limited(self) -> bool:
        """Whether `max_windows` were looked at."""
        return 0 < self.options.max_windows <= self.seen

    @property
    def exhausted(self) -> bool:
        """Whether there is nothing more to look at."""
        return self.limited or not any(sheet.left for _, sheet in self.sheets)

    def collect(
        self,
        judge: WindowJudge,
        wanted: int,
        tell: Callable[[str], None] | None = None,
        surely: float | None = None,
    ) -> Mined:
        """Up to `wanted` windows that `judge` lets through; fewer only when every window was looked at.

        `tell` hears now and then how far it is. A total from `surely` on makes a window of an unlabelled scene a suspect.
        """
        self._keep_passing(judge, surely)
        seen = passed = 0
        clock = _Clock(wanted, tell)
        with _Workers() as workers:
            while len(self.pool_KHW) < wanted and not self.exhausted:
                needed = wanted - len(self.pool_KHW)
                looks = self._look(judge, math.ceil(1.25 * needed / (self.rate * SHEETS_AT_ONCE)), workers)
                seen += sum(look.seen for _, look in looks)
                passed += sum(len(look.windows) for _, look in looks)
                self.rate = min(self.rate, 1.0) if not seen else (passed + 1) / (seen + 1)
                self._take(looks, surely)
                clock.say(len(self.pool_KHW), seen, passed, self)
        return Mined(self.pool_KHW[:wanted].copy(), seen, passed, self.exhausted)

    def measure(self, judge: WindowJudge, windows: int, tell: Callable[[str], None] | None = None) -> tuple[int, int]:
        """(looked at, let through) over about `windows` windows not looked at before; uses them up."""
        seen = passed = 0
        with _Workers() as workers:
            while seen < windows and not self.exhausted:
                if tell is not None:
                    tell(f"measuring on fresh windows: {seen:,} of {windows:,}")
                looks = self._look(judge, math.ceil((windows - seen) / SHEETS_AT_ONCE), workers)
                seen += sum(look.seen for _, look in looks)
                passed += sum(len(look.windows) for _, look in looks)
        return seen, passed

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Where mining stands, as plain arrays: with the same scenes and options, `restore` goes on from there."""
        return {
            "pool": self.pool_KHW,
            "origins": self.origins_K,
            "known": np.frombuffer(b"".join(sorted(self.known)), dtype=np.uint8),
            "done": np.array([sheet.done for _, sheet in self.sheets], dtype=np.int64),
            "place": np.array([self.visit, self.position, self.spared], dtype=np.int64),
            "rate": np.array([self.rate]),
        }

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Goes on where `state` was taken. Raises ValueError when it does not fit these scenes."""
        done, known = state["done"].tolist(), state["known"].astype(np.uint8).tobytes()
        fits = len(done) == len(self.sheets) and all(
            0 <= d <= s.total for d, (_, s) in zip(done, self.sheets, strict=True)
        )
        if not fits or state["pool"].shape[1:] != self.pool_KHW.shape[1:]:
            raise ValueError("the state is of other scenes")
        for count, (_, sheet) in zip(done, self.sheets, strict=True):
            sheet.done = int(count)
        self.pool_KHW, self.origins_K = state["pool"].astype(np.uint8), state["origins"].astype(np.int64)
        self.known = {known[i : i + DIGEST_BYTES] for i in range(0, len(known), DIGEST_BYTES)}
        self.visit, self.position, self.spared = (int(v) for v in state["place"])
        self.rate = float(state["rate"].astype(np.float64)[0])

    def _look(self, judge: WindowJudge, wanted: int, workers: "_Workers") -> list[tuple[int, Look]]:
        """The next windows of the next sheets: of each about `wanted`, or what one visit may take."""
        count = max(min(wanted, FIRST_VISIT * VISIT_GROWTH**self.visit), FEWEST_LOOKS)
        batch = [*self._next_sheets(SHEETS_AT_ONCE)]
        tasks = []
        for scene, sheet in batch:
            # the rest of a sheet costs no more than a good part of it
            end = sheet.total if DENSE_SHARE * count >= sheet.total else min(sheet.done + count, sheet.total)
            tasks.append((scene, sheet, sheet.done, end))
            sheet.done = end
        overlap, machine = self.options.face_overlap, self._machine_of(judge)
        looks = workers.map(lambda task: task[1].look(judge, task[2], task[3], overlap, machine), tasks)
        return [(task[0], look) for task, look in zip(tasks, looks, strict=True)]

    def _machine_of(self, judge: WindowJudge) -> Machine | None:
        """The same cascade for large looks, made once per stage; None where there is no stage yet."""
        if self._machine is None or self._machine.model is not judge.model:
            self._machine = Machine(judge.model) if judge.complete else None
        return self._machine

    def _next_sheets(self, most: int) -> Iterator[tuple[int, Sheet]]:
        """Up to `most` sheets with windows left, those of one visit in a seeded order, then the next visit."""
        found = 0
        while found < most:
            order = np.random.default_rng([self.seed, 8, self.visit]).permutation(len(self.sheets))
            while self.position < len(order) and found < most:
                number, sheet = self.sheets[order[self.position]]
                self.position += 1
                if sheet.left:
                    found += 1
                    yield number, sheet
            if self.position == len(order):
                self.visit, self.position = self.visit + 1, 0
                return

    def _take(self, looks: list[tuple[int, Look]], surely: float | None) -> None:
        """Puts what passed and is new into the pool, in an order that mixes the scenes."""
        windows, origins = [self.pool_KHW], [self.origins_K]
        for scene, look in looks:
            new = np.array([self._is_new(w) for w in look.windows], dtype=bool)
            if surely is not None and not self.scenes[scene].labelled:
                new &= ~self._spare(scene, look, surely)
            windows.append(look.windows[new])
            origins.append(np.full(int(new.sum()), scene, dtype=np.int64))
        before, pool = len(self.pool_KHW), np.concatenate(windows)
        mixed = np.random.default_rng([self.seed, 9, len(self.known)]).permutation(len(pool) - before) + before
        order = np.concatenate([np.arange(before), mixed])
        self.pool_KHW, self.origins_K = pool[order], np.concatenate(origins)[order]

    def _spare(self, scene: int, look: Look, surely: float) -> NDArray[np.bool_]:
        sure = look.totals >= surely
        name = self.scenes[scene].name
        found = [
            Suspect(name, left, top, right, bottom, total)
            for (left, top, right, bottom), total in zip(
                look.boxes[sure].tolist(), look.totals[sure].tolist(), strict=True
            )
        ]
        self.spared += len(found)
        self.suspects = sorted([*self.suspects, *found], key=lambda s: -s.total)[:SUSPECTS_KEPT]
        return np.asarray(sure)

    def _keep_passing(self, judge: WindowJudge, surely: float | None) -> None:
        if not len(self.pool_KHW):
            return
        verdicts = judge.windows(self.pool_KHW)
        keep = verdicts.stages_passed == judge.complete
        if surely is not None:
            unlabelled = np.array(
                [i >= 0 and not self.scenes[i].labelled for i in self.origins_K.tolist()], dtype=np.bool_
            )
            sure = keep & unlabelled & (verdicts.totals >= surely)
            self.spared += int(sure.sum())
            keep &= ~sure
        self.pool_KHW, self.origins_K = self.pool_KHW[keep], self.origins_K[keep]

    def _is_new(self, window_HW: NDArray[np.uint8]) -> bool:
        digest = _digest(window_HW)
        if digest in self.known:
            return False
        self.known.add(digest)
        return True


class _Workers:
    """Threads that look at sheets, or none where there is one core."""

    def __init__(self) -> None:
        count = thread_count()
        self.pool = ThreadPoolExecutor(count) if count > 1 else None

    def map(
        self, work: Callable[[tuple[int, Sheet, int, int]], Look], tasks: list[tuple[int, Sheet, int, int]]
    ) -> list[Look]:
        """What `work` gives for each task, in their order."""
        return list(self.pool.map(work, tasks)) if self.pool else [work(task) for task in tasks]

    def __enter__(self) -> "_Workers":
        return self

    def __exit__(self, *_: object) -> None:
        if self.pool:
            self.pool.shutdown(cancel_futures=True)


class _Clock:
    """Says once a second how far mining is, how fast, and how long it still takes."""

    def __init__(self, wanted: int, tell: Callable[[str], None] | None) -> None:
        self.wanted, self.tell = wanted, tell
        self.begun = self.said = time.monotonic()

    def say(self, found: int, seen: int, passed: int, miner: Miner) -> None:
        now = time.monotonic()
        if self.tell is None or now - self.said < 1.0:
            return
        self.said = now
        speed = seen / (now - self.begun)
        windows_left = miner.total - miner.seen
        needed = (self.wanted - found) * seen / passed if passed else windows_left
        seconds = max(min(needed, windows_left), 0) / speed if speed else 0.0
        self.tell(
            f"mining: {min(found, self.wanted):,} of {self.wanted:,} negatives, {passed / max(seen, 1):.2g} of the windows pass, "
            f"{speed:,.0f} windows/s, about {seconds:,.0f} s left; {miner.seen:,} of {miner.total:,} windows seen"
        )


def _digest(window_HW: NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(window_HW.tobytes(), digest_size=DIGEST_BYTES).digest()
