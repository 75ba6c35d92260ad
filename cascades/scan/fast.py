"""The search in as little as half the work: every second size first, the others only around what shows there.

On the sizes that are searched first each window is judged to the end, so what is found there is what the exact search
finds. Where a window passes all stages but the last ones, the sizes before and after it are searched as well, exactly,
for windows around the same place. A face is missed where no window near it gets that far, which costs few: neighbouring
sizes are alike, and faces give many windows. What is found is what the exact search finds, in fewer places. Where little
shows on a picture it takes half the time; where much does, as long as the exact search.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cascades.compiled import compiled
from cascades.model import CascadeModel
from cascades.scan.machine import Machine
from cascades.scan.plan import RUN_UP, Sheet, sheets_for
from cascades.scan.pyramid import Level
from cascades.scan.regions import Region, Span
from cascades.scan.search import PLANS_KEPT, Found, Hits, Scanner, ScanOptions, hits_of, levels_for, run_sheets
from pipeline.core.images import Luma

DROPPED = 1
"""stages, the last ones, that a window need not pass for the sizes next to its own to be searched there"""
FEWEST_STAGES = 5
"""cascades of fewer drop none: their last stages are what rejects"""
AROUND = 0.25
"""how far from a window its neighbours in size are looked for, as a share of their sides"""
WHOLE_FROM = 0.5
"""a size is searched whole from this share of its pixels on: the rest of it costs less than many small parts"""
PART_COST = 1000
"""pixels that cost what it costs to begin with a part"""

Plan = tuple[list[tuple[Level, ...]], list[Sheet]]


class FastScanner:
    """Several cascades ready to be run on images, as `Scanner`, but looking at half of the windows and those around finds.

    Every hit is one of the exact search's, with the same numbers, but for the few that OpenCV steps over only because of
    windows more than `RUN_UP` columns to their left. `Hits.windows` counts those that were looked at.
    """

    def __init__(self, models: Sequence[CascadeModel]) -> None:
        self._exact = Scanner(models)
        self._coarse = [
            machine if (short := shortened(machine.model)) is machine.model else Machine(short)
            for machine in self._exact.machines
        ]
        self._plans: dict[tuple[tuple[int, ...], tuple[ScanOptions, ...]], Plan] = {}

    def scan(self, image_HW: Luma, options: Sequence[ScanOptions] | ScanOptions) -> list[Hits]:
        """What each cascade finds on a luma image, in the order of the cascades; options for all or one by one."""
        return self.scan_batch([image_HW], options)[0]

    def scan_batch(self, images: Sequence[Luma], options: Sequence[ScanOptions] | ScanOptions) -> list[list[Hits]]:
        """The same for several images; all their levels are shared out among the cores."""
        machines, each = self._exact.machines, self._exact.option_of_each(options)
        plans = [self._plan(image.shape, each) for image in images]
        first = run_sheets(images, [sheets for _, sheets in plans], self._coarse, machines)
        around = [self._around(of, levels, i) for of, (levels, _), i in zip(first, plans, images, strict=True)]
        second = run_sheets(images, around, machines, machines)
        return [
            [
                hits_of([*(_only_whole(f, machine) for f in of_first), *of_second], image.shape)
                for machine, of_first, of_second in zip(machines, *of_image, strict=True)
            ]
            for image, *of_image in zip(images, first, second, strict=True)
        ]

    def scan_regions(
        self,
        image_HW: Luma,
        regions: Sequence[Sequence[Region]],
        options: Sequence[ScanOptions] | ScanOptions,
    ) -> list[Hits]:
        """What each cascade finds in its regions alone: exactly."""
        return self._exact.scan_regions(image_HW, regions, options)

    def _plan(self, shape: tuple[int, ...], options: tuple[ScanOptions, ...]) -> Plan:
        """All levels of each cascade, and the sheets that are searched first; kept for the next picture of that size."""
        plan = self._plans.get((shape, options))
        if plan is None:
            if len(self._plans) >= PLANS_KEPT:
                self._plans.clear()
            size = (shape[1], shape[0])
            levels = [levels_for(m, size, option) for m, option in zip(self._exact.machines, options, strict=True)]
            first = [[(level, None) for level in of[_first_of(len(of)) :: 2]] for of in levels]
            plan = self._plans[shape, options] = levels, sheets_for(self._coarse, first, size)
        return plan

    def _around(
        self, first: Sequence[Sequence[Found]], levels: Sequence[Sequence[Level]], image_HW: Luma
    ) -> list[Sheet]:
        """What is left to search on an image."""
        machines = self._exact.machines
        wanted = [spans_around(f, of, m.window) for f, of, m in zip(first, levels, machines, strict=True)]
        return sheets_for(machines, wanted, (image_HW.shape[1], image_HW.shape[0])) if any(wanted) else []


def shortened(model: CascadeModel) -> CascadeModel:
    """The cascade without its last stages; itself where it has few."""
    return model if len(model.stages) < FEWEST_STAGES else replace(model, stages=model.stages[:-DROPPED])


def spans_around(
    found: Sequence[Found], levels: Sequence[Level], window: tuple[int, int]
) -> list[tuple[Level, Span | None]]:
    """Windows of the levels that were not searched first, around what passed on those that were; None for a whole level."""
    places = {level.number: i for i, level in enumerate(levels)}
    of = [np.array([places[level.number] for level in f.levels], dtype=np.int64)[f.which] for f in found]
    columns, rows = ([getattr(f.passed, name) for f in found] for name in ("columns", "rows"))
    if sum(map(len, of)) == 0:
        return []
    triggers = np.stack([np.concatenate(of), np.concatenate(columns), np.concatenate(rows)], axis=1)
    sizes = np.array([(level.scale, level.step, level.columns, level.rows) for level in levels])
    spans = np.empty((2 * len(triggers), 5), dtype=np.int64)
    count = merged_spans(triggers, sizes, window[0], window[1], spans)
    return _whole_where_much(spans[:count].tolist(), levels, window)


def _whole_where_much(
    spans: list[list[int]], levels: Sequence[Level], window: tuple[int, int]
) -> list[tuple[Level, Span | None]]:
    wanted: dict[int, list[Span]] = {}
    for number, *sides in spans:
        wanted.setdefault(number, []).append(Span(*sides))
    result: list[tuple[Level, Span | None]] = []
    for number, of in sorted(wanted.items()):
        level = levels[number]
        whole = sum(_pixels(span, level, window) + PART_COST for span in of) >= WHOLE_FROM * level.width * level.height
        result += [(level, None)] if whole else [(level, span) for span in of]
    return result


def _pixels(span: Span, level: Level, window: tuple[int, int]) -> int:
    """How many a span's windows and its run-up lie on."""
    columns, rows = span.end_column - span.column + RUN_UP, span.end_row - span.row
    return (columns * level.step + window[0]) * (rows * level.step + window[1])


def _only_whole(found: Found, machine: Machine) -> Found:
    """Those windows alone that pass all stages."""
    passes = found.passed.stages == len(machine.model.stages)
    return replace(found, which=found.which[passes], passed=found.passed.only(passes))


def _first_of(count: int) -> int:
    """The largest picture is left out, as it costs most; not where there is no other."""
    return 1 if count > 1 else 0


@compiled
def merged_spans(
    triggers_N3: NDArray[np.int64],
    sizes_L4: NDArray[np.float64],
    width: int,
    height: int,
    spans_M5: NDArray[np.int64],
) -> int:
    """Fills level, first column, one past the last, first row, one past the last; gives how many. None overlap.

    Args:
        triggers_N3: number of the level, column and row of windows.
        sizes_L4: of each level: its scale, step, columns and rows of windows.
        width: of the window, pixels of a level.
        height: of the window, pixels of a level.
        spans_M5: twice as long as the triggers.
    """
    count = 0
    for n in range(len(triggers_N3)):
        own = triggers_N3[n, 0]
        middle_x = (triggers_N3[n, 1] * sizes_L4[own, 1] + width / 2) * sizes_L4[own, 0]
        middle_y = (triggers_N3[n, 2] * sizes_L4[own, 1] + height / 2) * sizes_L4[own, 0]
        for level in (own - 1, own + 1):
            if level < 0 or level >= len(sizes_L4):
                continue
            scale, step = sizes_L4[level, 0], sizes_L4[level, 1]
            x, y = middle_x / scale - width / 2, middle_y / scale - height / 2
            left = max(int(np.ceil((x - AROUND * width) / step)), 0)
            right = min(int(np.floor((x + AROUND * width) / step)) + 1, int(sizes_L4[level, 2]))
            top = max(int(np.ceil((y - AROUND * height) / step)), 0)
            bottom = min(int(np.floor((y + AROUND * height) / step)) + 1, int(sizes_L4[level, 3]))
            if left >= right or top >= bottom:
                continue
            i = 0
            while i < count:
                apart = right <= spans_M5[i, 1] or spans_M5[i, 2] <= left
                apart = apart or bottom <= spans_M5[i, 3] or spans_M5[i, 4] <= top
                if spans_M5[i, 0] != level or apart:
                    i += 1
                    continue
                left, right = min(left, spans_M5[i, 1]), max(right, spans_M5[i, 2])
                top, bottom = min(top, spans_M5[i, 3]), max(bottom, spans_M5[i, 4])
                count -= 1
                spans_M5[i] = spans_M5[count]
                i = 0
            spans_M5[count] = np.array([level, left, right, top, bottom])
            count += 1
    return count
