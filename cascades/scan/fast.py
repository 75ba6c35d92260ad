"""Coarse to fine: the first stages on a quarter of the windows of some sizes, all stages where those get far.

A face is found by windows that lie close together and on neighbouring sizes, and their neighbours get far too. On some
sizes every second window in both directions is run through the first stages. Those next to one that passes are judged
one by one; around those that pass most stages neighbours on neighbouring sizes too, and so on until none is new.
"""

import math

import numpy as np
from numpy.typing import NDArray

from cascades.scan.lean import lean
from cascades.scan.machine import Machine, Passed, joined, select
from cascades.scan.pictures import Pictures
from cascades.scan.pyramid import Level
from cascades.scan.shares import CLOSE_STAGES, FARTHEST, NEAR_STAGES

_U = np.uint64
_Places = tuple[NDArray[np.int64], NDArray[np.int64]]


def scan_coarsely(
    machine: Machine, levels: list[Level], scale_factor: float, pictures: Pictures, work: NDArray[np.int64]
) -> list[Passed]:
    """Windows that pass all stages, on each of an image's levels, by row and column."""
    together = 1 + int(math.log(FARTHEST) / math.log(scale_factor))
    seen = [np.zeros(0, dtype=np.uint8) for _ in levels]
    found: list[list[Passed]] = [[] for _ in levels]
    waiting: list[list[NDArray[np.int64]]] = [[] for _ in levels]

    def look_around(i: int, starts: _Places, reach: int) -> None:
        for j in range(max(i - reach, 0), min(i + reach + 1, len(levels))):
            if not len(seen[j]):
                seen[j] = np.zeros(levels[j].columns * levels[j].rows, dtype=np.uint8)
            places = _new_around(machine, levels[i], levels[j], starts, seen[j])
            if len(places):
                waiting[j].append(places)

    for i in range(0, len(levels), together):
        starts = _far_enough(machine, levels[i], pictures, work)
        if len(starts[0]):
            look_around(i, starts, 0)
    while any(waiting):
        for i, level in enumerate(levels):
            if not waiting[i]:
                continue
            places, waiting[i] = np.concatenate(waiting[i]), []
            close = _judge(machine, level, places, pictures, work)
            if len(close.rows):
                found[i].append(select(close, close.stages >= len(machine.flat.ends)))
                look_around(i, (close.columns * level.step, close.rows * level.step), 1)
    return [joined(of_level) for of_level in found]


def _far_enough(machine: Machine, level: Level, pictures: Pictures, work: NDArray[np.int64]) -> _Places:
    """Pixels of the level where windows of the coarse grid begin that pass the first stages."""
    stages, step = len(machine.flat.ends), 2 * level.step
    near = max(round(stages * NEAR_STAGES), 1) if stages else 0
    integrals, norms = pictures.in_steps(level, step), pictures.norms(machine, level, step)
    size = ((level.columns + 1) // 2, (level.rows + 1) // 2)
    places, _ = machine.on(integrals).scan(integrals, norms, size, near, False, work)
    down, across = np.divmod(places, integrals.stride)
    return across * step, down * step


def _judge(
    machine: Machine, level: Level, places_N: NDArray[np.int64], pictures: Pictures, work: NDArray[np.int64]
) -> Passed:
    """Those of a level's windows that pass most stages."""
    far = math.ceil(len(machine.flat.ends) * CLOSE_STAGES)
    integrals = pictures.plain(level)
    rows, columns = np.divmod(places_N, level.columns)
    at = (rows * integrals.stride + columns) * level.step
    return machine.on(integrals).those_that_get(far, integrals, at, columns, rows, work)


def _new_around(
    machine: Machine, from_: Level, to: Level, starts: _Places, seen: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """Windows of a level not seen yet, by row times columns plus column: nearest to some of another level, and around."""
    ratio, grids = from_.scale / to.scale, []
    for pixels, side in zip(starts, (machine.flat.width, machine.flat.height), strict=True):
        grids.append(np.rint(((pixels + side / 2) * ratio - side / 2) / to.step).astype(np.int64))
    places = np.empty(9 * len(starts[0]), dtype=np.int64)
    return places[: _mark(grids[0], grids[1], to.columns, to.rows, seen, places)]


@lean
def _mark(
    columns_N: NDArray[np.int64],
    rows_N: NDArray[np.int64],
    columns: int,
    rows: int,
    seen: NDArray[np.uint8],
    places: NDArray[np.int64],
) -> int:
    """Marks some windows and the eight next to each; fills places of those not marked before, returns how many."""
    count = 0
    for n in range(columns_N.size):
        for y in range(max(rows_N[n] - 1, 0), min(rows_N[n] + 2, rows)):
            for x in range(max(columns_N[n] - 1, 0), min(columns_N[n] + 2, columns)):
                if seen[_U(y * columns + x)] == 0:
                    seen[_U(y * columns + x)] = np.uint8(1)
                    places[_U(count)] = y * columns + x
                    count += 1
    return count
