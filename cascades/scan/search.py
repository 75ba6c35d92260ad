"""Every window of an image that passes all stages of each of several cascades, over one shared pyramid.

The windows are those that `cv2.CascadeClassifier.detectMultiScale(minNeighbors=0)` gives, box for box. Levels run on all cores; a level's result does not
depend on what runs beside it, so results are the same on any number of threads.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cascades.compiled import in_slices
from cascades.model import CascadeModel
from cascades.scan.machine import Machine, Passed
from cascades.scan.pyramid import Integrals, Level, integrate, levels_of
from cascades.scan.regions import Region, Span, on_image, span_of
from cascades.scan.shrink import shrink
from pipeline.core.images import Luma

RUN_UP = 16
"""windows left of a region that are looked at, for which ones OpenCV steps over"""


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


class Scanner:
    """Several cascades ready to be run on images. Not to be pickled: it is made anew from the models.

    Args:
        models: any cascades that OpenCV loads; Haar and LBP, stumps and trees, upright and tilted, of any window.
        together: whether stages run over rows of windows where that pays; otherwise each window runs alone, which gives
            the same and is slower, and `Hits.trees` counts only what windows need.
    """

    def __init__(self, models: Sequence[CascadeModel], together: bool = True) -> None:
        self.machines = [Machine(model, together) for model in models]

    def scan(self, image_HW: Luma, options: Sequence[ScanOptions] | ScanOptions = ScanOptions()) -> list[Hits]:
        """What each cascade finds on a luma image, in the order of the cascades; options for all or one by one."""
        return self.scan_batch([image_HW], options)[0]

    def scan_batch(
        self, images: Sequence[Luma], options: Sequence[ScanOptions] | ScanOptions = ScanOptions()
    ) -> list[list[Hits]]:
        """The same for several images; all their levels are shared out among the cores."""
        each = [options] * len(self.machines) if isinstance(options, ScanOptions) else list(options)
        if len(each) != len(self.machines):
            raise ValueError(f"{len(each)} options for {len(self.machines)} cascades; give one for all or one for each")
        tasks = [task for n, image in enumerate(images) for task in _tasks(n, image, self.machines, each)]
        done: list[list[Found]] = [[] for _ in tasks]

        def run(first: int, end: int) -> None:
            for i in range(first, end):
                done[i] = _run(tasks[i], self.machines)

        order = _dealt(len(tasks))
        tasks = [tasks[i] for i in order]
        in_slices(run, len(tasks), 1)
        results = [[list[Found]() for _ in self.machines] for _ in images]
        for i in np.argsort(order):
            for found in done[i]:
                results[tasks[i].image_number][found.cascade].append(found)
        return [
            [hits_of(found, image.shape) for found in of_image] for image, of_image in zip(images, results, strict=True)
        ]

    def scan_regions(
        self,
        image_HW: Luma,
        regions: Sequence[Sequence[Region]],
        options: Sequence[ScanOptions] | ScanOptions = ScanOptions(),
    ) -> list[Hits]:
        """What each cascade finds in its regions alone, which costs what their area costs, overlaps twice.

        These are the windows that `scan` finds there, on the same pixels, but for the few that OpenCV steps over only
        because of windows more than `RUN_UP` columns left of the region.
        """
        each = [options] * len(self.machines) if isinstance(options, ScanOptions) else list(options)
        size, results = (image_HW.shape[1], image_HW.shape[0]), []
        for i, (machine, wanted, option) in enumerate(zip(self.machines, regions, each, strict=True)):
            window = (machine.flat.width, machine.flat.height)
            bounds = (option.scale_factor, option.smallest, option.largest, option.closest)
            spans = [(lv, span_of(r, lv, window)) for lv in levels_of(size, window, *bounds) for r in wanted]
            found = [_search_span(i, machine, image_HW, level, span) for level, span in spans if span is not None]
            results.append(hits_of(_once_each(found), image_HW.shape))
        return results


def _search_span(number: int, machine: Machine, image_HW: Luma, level: Level, span: Span) -> "Found":
    """One cascade on a part of a level."""
    window = (machine.flat.width, machine.flat.height)
    first = max(span.column - RUN_UP, 0)
    columns = first * level.step, (span.end_column - 1) * level.step + window[0]
    rows = span.row * level.step, (span.end_row - 1) * level.step + window[1]
    pixels = shrink(image_HW, (level.width, level.height), columns, rows)
    integrals = integrate(pixels, level.step, machine.flat.is_tilted, machine.model.kind == "HAAR")
    part = replace(
        level,
        columns=span.end_column - first,
        rows=span.end_row - span.row,
        width=pixels.shape[1],
        height=pixels.shape[0],
    )
    found = _search(number, machine, part, integrals, {})
    passed = found.passed
    kept = passed.columns >= span.column - first
    moved = Passed(
        passed.columns[kept] + first,
        passed.rows[kept] + span.row,
        passed.stages[kept],
        passed.lasts[kept],
        passed.totals[kept],
    )
    return Found(number, window, level, moved, found.trees)


def _once_each(found: "list[Found]") -> "list[Found]":
    """What several regions of a level found, by row and column, windows in more than one of them once."""
    by_level: dict[int, list[Found]] = {}
    for f in found:
        by_level.setdefault(f.level.number, []).append(f)
    results = []
    for of_level in by_level.values():
        first, parts = of_level[0], [f.passed for f in of_level]
        rows, columns = (np.concatenate([getattr(p, name) for p in parts]) for name in ("rows", "columns"))
        kept = np.unique(rows * first.level.columns + columns, return_index=True)[1]
        others = [np.concatenate([getattr(p, name) for p in parts])[kept] for name in ("stages", "lasts", "totals")]
        results.append(
            replace(first, passed=Passed(columns[kept], rows[kept], *others), trees=sum(f.trees for f in of_level))
        )
    return results


@dataclass(frozen=True, slots=True)
class _Task:
    """One size of one image, and the cascades that are run on it."""

    image_number: int
    image: Luma
    levels: list[tuple[int, Level]]
    """which cascade, and its windows there"""


@dataclass(frozen=True, slots=True)
class Found:
    """What a cascade finds on a level."""

    cascade: int
    window: tuple[int, int]
    level: Level
    passed: Passed
    trees: int


def _tasks(number: int, image_HW: Luma, machines: list[Machine], options: list[ScanOptions]) -> list[_Task]:
    """Levels by size, large pictures first: cascades that look at the same size share it."""
    shared: dict[tuple[int, int, int], list[tuple[int, Level]]] = {}
    height, width = image_HW.shape
    for i, (machine, option) in enumerate(zip(machines, options, strict=True)):
        window = (machine.flat.width, machine.flat.height)
        bounds = (option.scale_factor, option.smallest, option.largest, option.closest)
        for level in levels_of((width, height), window, *bounds):
            shared.setdefault((level.width, level.height, level.step), []).append((i, level))
    sizes = sorted(shared, key=lambda s: (-s[0], -s[1], s[2]))
    return [_Task(number, image_HW, shared[size]) for size in sizes]


def _dealt(count: int) -> list[int]:
    """An order in which equal slices for up to eight cores have about the same work, large and small in each."""
    return [i for start in range(8) for i in range(start, count, 8)]


def _run(task: _Task, machines: list[Machine]) -> list[Found]:
    """All cascades on one size of an image."""
    used = [machines[i] for i, _ in task.levels]
    tilted, haar = any(m.flat.is_tilted for m in used), any(m.model.kind == "HAAR" for m in used)
    first = task.levels[0][1]
    integrals = integrate(shrink(task.image, (first.width, first.height)), first.step, tilted, haar)
    norms: dict[tuple[int, int], NDArray[np.float32]] = {}
    return [_search(i, machines[i], level, integrals, norms) for i, level in task.levels]


def _search(
    number: int,
    machine: Machine,
    level: Level,
    integrals: Integrals,
    norms: dict[tuple[int, int], NDArray[np.float32]],
) -> Found:
    """One cascade on every window of a size; cascades whose windows are of one size share the norms."""
    placed, window = machine.on(integrals), (machine.flat.width, machine.flat.height)
    # all rows there are: which of them OpenCV visits may differ from one cascade to another
    rows = -(-(level.height + 1 - window[1]) // level.step)
    places = (rows - 1) * integrals.stride + level.columns
    of_windows = norms.get(window) if machine.model.kind == "HAAR" else machine.norms(integrals, placed.inner_4, places)
    if of_windows is None:
        of_windows = norms[window] = machine.norms(integrals, placed.inner_4, places)
    work = np.zeros(2, dtype=np.int64)
    found, _ = placed.scan(integrals, of_windows, (level.columns, level.rows), len(machine.flat.ends), True, work)
    return Found(number, window, level, placed.judge(integrals, of_windows, found), int(work.sum()))


def hits_of(found: list[Found], shape: tuple[int, ...]) -> Hits:
    """Windows of all levels, as boxes on the image; OpenCV multiplies and rounds in float32."""
    found = sorted(found, key=lambda f: f.level.number)
    boxes, scales = [np.zeros((0, 4), dtype=np.int64)], [np.zeros(0)]
    for f in found:
        scale = np.float32(f.level.scale)
        lefts, tops = on_image(f.passed.columns, f.level), on_image(f.passed.rows, f.level)
        width, height = (int(np.rint(np.float32(side) * scale)) for side in f.window)
        sides = np.minimum(width, shape[1] - lefts), np.minimum(height, shape[0] - tops)
        boxes.append(np.stack([lefts, tops, *sides], axis=1))
        scales.append(np.full(len(lefts), f.level.scale))
    return Hits(
        boxes=np.concatenate(boxes),
        scales=np.concatenate(scales),
        stages=np.concatenate([np.zeros(0, dtype=np.int32), *(f.passed.stages for f in found)]),
        lasts=np.concatenate([np.zeros(0), *(f.passed.lasts for f in found)]),
        totals=np.concatenate([np.zeros(0), *(f.passed.totals for f in found)]),
        windows=sum(f.level.columns * f.level.rows for f in found),
        trees=sum(f.trees for f in found),
    )


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
