"""Every window of an image that passes all stages of each of several cascades, over one shared pyramid.

The windows are those that `cv2.CascadeClassifier.detectMultiScale(minNeighbors=0)` gives, box for box. Sheets of levels run
on all cores; what is found on one does not depend on what runs beside it, so results are the same on any number of threads.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cascades.compiled import in_slices
from cascades.model import CascadeModel
from cascades.scan.machine import Machine, Passed, Sums
from cascades.scan.plan import Part, Sheet, sheets_for
from cascades.scan.pyramid import Level, levels_of
from cascades.scan.regions import Region, Span, on_image, spans_of
from cascades.scan.sheet import Layout, Patch
from pipeline.core.images import Luma

PLANS_KEPT = 16
"""sizes of pictures, and regions of them, whose sheets are kept"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOptions:
    """Which windows are looked at; sizes are those of the cascade's window on the image."""

    scale_factor: float = 1.1
    """between two sizes that are searched; above 1"""
    smallest: tuple[int, int] = (0, 0)
    """width and height of the smallest window, pixels"""
    largest: tuple[int, int] = (0, 0)
    """width and height of the largest window, pixels; zeros for as large as the image"""
    closest: bool = False
    """where no size lies within the bounds: take the one closest to `smallest`, as OpenCV does, rather than none"""


@dataclass(frozen=True, slots=True)
class Hits:
    """Windows that pass all stages of a cascade: by level, row, column."""

    boxes: NDArray[np.int64]
    """(N, 4): left, top, width, height on the image, pixels, rounded and cut at the image's edge as OpenCV does"""
    scales: NDArray[np.float64]
    """(N,): of the level they are on"""
    stages: NDArray[np.int32]
    """(N,): passed; all of the cascade's"""
    lasts: NDArray[np.float64]
    """(N,): sum of the last stage"""
    totals: NDArray[np.float64]
    """(N,): margins over the thresholds, added up over all stages"""
    windows: int
    """how many there are on all levels"""
    trees: int
    """how many trees were run, those on windows that were already rejected included"""


@dataclass(frozen=True, slots=True)
class Found:
    """What a cascade finds on a sheet."""

    window: tuple[int, int]
    levels: Sequence[Level]
    which: NDArray[np.int64]
    """of the levels, the one that a window is on"""
    passed: Passed
    windows: int
    trees: int


class Scanner:
    """Several cascades ready to be run on images. Not to be pickled: it is made anew from the models.

    Args:
        models: any cascades that OpenCV loads; Haar and LBP, stumps and trees, upright and tilted, of any window.
        together: whether stages run over blocks of windows where that pays, in the order that is learnt; otherwise each
            window runs alone, stages in their own order, which gives the same and is slower, and `Hits.trees` counts
            only what windows need.
    """

    def __init__(self, models: Sequence[CascadeModel], together: bool = True) -> None:
        self.machines = [Machine(model, together) for model in models]
        self._plan = lru_cache(maxsize=PLANS_KEPT)(self._planned)

    def scan(self, image_HW: Luma, options: Sequence[ScanOptions] | ScanOptions = ScanOptions()) -> list[Hits]:
        """What each cascade finds on a luma image, in the order of the cascades; options for all or one by one."""
        return self.scan_batch([image_HW], options)[0]

    def scan_batch(
        self, images: Sequence[Luma], options: Sequence[ScanOptions] | ScanOptions = ScanOptions()
    ) -> list[list[Hits]]:
        """The same for several images; all their levels are shared out among the cores."""
        each = self.option_of_each(options)
        return self._run(images, [self._plan(image.shape, each, None) for image in images])

    def scan_regions(
        self,
        image_HW: Luma,
        regions: Sequence[Sequence[Region]],
        options: Sequence[ScanOptions] | ScanOptions = ScanOptions(),
    ) -> list[Hits]:
        """What each cascade finds in its regions alone, which costs what their area costs.

        These are the windows that `scan` finds there, on the same pixels, but for the few that OpenCV steps over only
        because of windows more than `RUN_UP` columns left of the region.
        """
        areas = tuple(tuple(of_one) for of_one in regions)
        return self._run([image_HW], [self._plan(image_HW.shape, self.option_of_each(options), areas)])[0]

    def option_of_each(self, options: Sequence[ScanOptions] | ScanOptions) -> tuple[ScanOptions, ...]:
        """One for each cascade."""
        each = (options,) * len(self.machines) if isinstance(options, ScanOptions) else tuple(options)
        if len(each) != len(self.machines):
            raise ValueError(f"{len(each)} options for {len(self.machines)} cascades; give one for all or one for each")
        return each

    def _planned(
        self, shape: tuple[int, ...], options: tuple[ScanOptions, ...], regions: tuple[tuple[Region, ...], ...] | None
    ) -> list[Sheet]:
        """Sheets for pictures of a height and width, or each cascade's regions of them.

        `_plan` keeps them, as frames of a video are of one size.
        """
        size = (shape[1], shape[0])
        wanted: list[list[tuple[Level, Span | None]]] = []
        areas = [None] * len(self.machines) if regions is None else regions
        for machine, option, of_one in zip(self.machines, options, areas, strict=True):
            levels = levels_for(machine, size, option)
            if of_one is None:
                wanted.append([(level, None) for level in levels])
            else:
                wanted.append([(level, span) for level in levels for span in spans_of(of_one, level, machine.window)])
        return sheets_for(self.machines, wanted, size)

    def _run(self, images: Sequence[Luma], plans: Sequence[Sequence[Sheet]]) -> list[list[Hits]]:
        found = run_sheets(images, plans, self.machines, self.machines)
        return [[hits_of(of, image.shape) for of in of_image] for image, of_image in zip(images, found, strict=True)]


def run_sheets(
    images: Sequence[Luma], plans: Sequence[Sequence[Sheet]], machines: Sequence[Machine], judges: Sequence[Machine]
) -> list[list[list[Found]]]:
    """What each machine finds on the sheets of each image: by image, machine, sheet.

    Args:
        judges: for each machine one of the same window and sort of features, whose stages the numbers are of.
    """
    tasks = [(n, sheet) for n, plan in enumerate(plans) for sheet in plan]
    order = _dealt(len(tasks))
    done: list[list[Found]] = [[] for _ in tasks]

    def run(first: int, end: int) -> None:
        for i in order[first:end]:
            done[i] = _search(tasks[i][1], images[tasks[i][0]], machines, judges)

    in_slices(run, len(tasks), 1)
    results = [[list[Found]() for _ in machines] for _ in images]
    for (n, sheet), found in zip(tasks, done, strict=True):
        for part, of_part in zip(sheet.parts, found, strict=True):
            results[n][part.cascade].append(of_part)
    return results


def levels_for(machine: Machine, size: tuple[int, int], option: ScanOptions) -> tuple[Level, ...]:
    """Those of a picture of a width and height, the largest first."""
    return levels_of(size, machine.window, option.scale_factor, option.smallest, option.largest, option.closest)


def _dealt(count: int) -> list[int]:
    """An order in which equal slices for up to eight cores have about the same work, large and small in each."""
    return [i for start in range(8) for i in range(start, count, 8)]


def _search(sheet: Sheet, image_HW: Luma, machines: Sequence[Machine], judges: Sequence[Machine]) -> list[Found]:
    """What each part of a sheet finds; cascades whose windows are of one size share the norms."""
    sums = Sums(sheet.layout, *sheet.layout.integrals(image_HW))
    norms: dict[tuple[bool, tuple[int, int]], NDArray[np.float32]] = {}
    results = []
    for part in sheet.parts:
        machine = machines[part.cascade]
        key = (machine.is_haar, machine.window)
        if key not in norms:
            norms[key] = machine.norms(sums)
        work = np.zeros(2, dtype=np.int64)
        numbers = machine.scan(sums, norms[key], part.spans, True, work)
        passed = judges[part.cascade].judge(sums, norms[key], numbers)
        results.append(_found(part, machine.window, passed, numbers, int(work.sum())))
    return results


def passing(machine: Machine, image_HW: Luma, step: int) -> Passed:
    """Every window of an image as it is that passes, `step` pixels apart; none is stepped over."""
    height, width = image_HW.shape
    patch = Patch(width, height, step, 0, 0, width, height)
    layout = Layout([patch], (width, height), machine.flat.is_tilted, machine.is_haar)
    sums = Sums(layout, *layout.integrals(image_HW))
    norms, spans = machine.norms(sums), np.array([[0, 0, *patch.windows(machine.window)]])
    return machine.judge(sums, norms, machine.scan(sums, norms, spans, False, np.zeros(2, dtype=np.int64)))


def _found(part: Part, window: tuple[int, int], passed: Passed, numbers_N: NDArray[np.int64], trees: int) -> Found:
    """From rows of a sheet to those of its levels; what was run for the run-up alone goes."""
    which = np.searchsorted(part.spans[:, 1], numbers_N, "right") - 1
    top, column, row = part.origins[which].T
    moved = replace(passed, columns=passed.columns + column, rows=passed.rows - top + row)
    kept = moved.columns >= part.keep_from[which]
    if not kept.all():
        which, moved = which[kept], moved.only(kept)
    return Found(window, part.levels, which, moved, part.windows, trees)


def hits_of(found: Sequence[Found], shape: tuple[int, ...]) -> Hits:
    """Windows of all levels, as boxes on the image, each once."""
    levels = [level for f in found for level in f.levels]
    firsts = np.cumsum([0, *(len(f.levels) for f in found)])
    which = np.concatenate([np.zeros(0, np.int64), *(f.which + first for f, first in zip(found, firsts, strict=False))])
    passed = Passed.joined([f.passed for f in found])
    numbers, steps, scales = (
        np.array([getattr(level, name) for level in levels])[which] if len(which) else np.zeros(0)
        for name in ("number", "step", "scale")
    )
    keys = (numbers.astype(np.int64) << 48) + (passed.rows << 24) + passed.columns
    first_of_each = np.unique(keys, return_index=True)[1]
    passed, steps, scales = passed.only(first_of_each), steps[first_of_each], scales[first_of_each]
    lefts, tops = (on_image(places * steps, scales) for places in (passed.columns, passed.rows))
    width, height = (np.rint(np.float32(side) * scales.astype(np.float32)).astype(np.int64) for side in _window(found))
    sides = np.minimum(width, shape[1] - lefts), np.minimum(height, shape[0] - tops)
    return Hits(
        boxes=np.stack([lefts, tops, *sides], axis=1),
        scales=scales.astype(np.float64),
        stages=passed.stages,
        lasts=passed.lasts,
        totals=passed.totals,
        windows=sum(f.windows for f in found),
        trees=sum(f.trees for f in found),
    )


def _window(found: Sequence[Found]) -> tuple[int, int]:
    return found[0].window if found else (0, 0)


def hits_within(hits: Hits, regions: Sequence[Region], window: tuple[int, int]) -> Hits:
    """Those of a whole search that regions want, for who cannot search parts."""
    kept = np.zeros(len(hits.boxes), dtype=np.bool_)
    lefts, tops = hits.boxes[:, 0], hits.boxes[:, 1]
    widths, heights = (np.rint(side * hits.scales) for side in window)
    for r in regions:
        most = tuple(np.inf if 0 in r.largest else side for side in r.largest)
        inside = (widths >= r.smallest[0]) & (heights >= r.smallest[1]) & (widths <= most[0]) & (heights <= most[1])
        inside &= (lefts + r.inner[0] * widths >= r.left) & (lefts + r.inner[2] * widths <= r.right)
        kept |= inside & (tops + r.inner[1] * heights >= r.top) & (tops + r.inner[3] * heights <= r.bottom)
    return replace(
        hits,
        boxes=hits.boxes[kept],
        scales=hits.scales[kept],
        stages=hits.stages[kept],
        lasts=hits.lasts[kept],
        totals=hits.totals[kept],
    )
