"""Coarse to fine: early stages on every second row of windows, all stages on and around the windows that pass those.

A window that passes also makes its neighbours above and below get far, so few windows are missed: those alone between
rows. Rows are left out and not columns, as windows of a row are run side by side and cost little together.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cascades.scan.machine import Machine, Passed, select
from cascades.scan.pyramid import Integrals, Level

NEAR_STAGES = 0.2
"""share of a cascade's stages that a window passes for the windows above and below it to be looked at"""


def scan_coarsely(
    machine: Machine, level: Level, integrals: Integrals, norms: NDArray[np.float32], work: NDArray[np.int64]
) -> Passed:
    """Windows that pass all stages, by row and column."""
    placed, stages = machine.on(integrals), len(machine.flat.ends)
    near = max(round(stages * NEAR_STAGES), 1) if stages else 0
    every_second = replace(integrals, stride=2 * integrals.stride)
    size = (level.columns, (level.rows + 1) // 2)
    places, _ = placed.scan(every_second, norms, size, near, False, work)
    wanted = _near(places, integrals.stride, level)
    found = np.flatnonzero(wanted)
    passed = placed.judge(integrals, norms, found)
    return select(passed, passed.stages >= stages)


def _near(places_N: NDArray[np.int64], stride: int, level: Level) -> NDArray[np.uint8]:
    """By place, a 1 at the given windows and at those above and below them and their neighbours in the row."""
    marks = np.zeros((level.rows + 2, stride + 2), dtype=np.uint8)
    flat, at = marks.ravel(), places_N + places_N // stride * 2
    for across in range(3):
        flat[at + across] = 1
        flat[at + across + 2 * (stride + 2)] = 1
    flat[at + stride + 3] = 1
    marks[:, level.columns + 1 :] = 0
    return np.ascontiguousarray(marks[1:-1, 1 : stride + 1]).ravel()
