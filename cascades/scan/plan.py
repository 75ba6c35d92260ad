"""Which windows of which sizes lie on which sheet, for pictures of one size: made once, used for every frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascades.scan.machine import Machine
from cascades.scan.pyramid import Level
from cascades.scan.regions import Span
from cascades.scan.sheet import Layout, Patch, layouts_of

RUN_UP = 16
"""windows left of a region that are looked at, for which ones OpenCV steps over"""


@dataclass(frozen=True, slots=True)
class Part:
    """What one cascade does on a sheet; P patches."""

    cascade: int
    levels: tuple[Level, ...]
    """of each patch"""
    spans: NDArray[np.int64]
    """as `scan_blocks` takes them"""
    origins: NDArray[np.int64]
    """row of the sheet, column and row of the level where each patch begins"""
    keep_from: NDArray[np.int64]
    """the first column of the level that is wanted"""

    @property
    def windows(self) -> int:
        """How many there are."""
        return int((self.spans[:, 2] * self.spans[:, 3]).sum())


@dataclass(frozen=True, slots=True)
class Sheet:
    """Patches, and what is done on them."""

    layout: Layout
    parts: tuple[Part, ...]


def sheets_for(
    machines: Sequence[Machine], wanted: Sequence[Sequence[tuple[Level, Span | None]]], picture: tuple[int, int]
) -> list[Sheet]:
    """Sheets for the spans of levels that each cascade wants; None for a whole level, which all cascades share.

    `picture` is its width and height.
    """
    users: dict[Patch, dict[int, tuple[Level, Span | None]]] = {}
    for i, (machine, spans) in enumerate(zip(machines, wanted, strict=True)):
        for level, span in spans:
            users.setdefault(_patch_of(level, span, machine.window), {})[i] = (level, span)
    tilted = any(m.flat.is_tilted for m in machines)
    layouts = layouts_of(list(users), picture, tilted, any(m.is_haar for m in machines))
    return [Sheet(layout, tuple(_parts(layout, users, len(machines)))) for layout in layouts]


def _patch_of(level: Level, span: Span | None, window: tuple[int, int]) -> Patch:
    if span is None:
        return Patch(level.width, level.height, level.step, 0, 0, level.width, level.height, level.number)
    first, step = max(span.column - RUN_UP, 0), level.step
    columns, rows = (span.end_column - 1 - first) * step + window[0], (span.end_row - 1 - span.row) * step + window[1]
    return Patch(level.width, level.height, step, first * step, span.row * step, columns, rows, level.number)


def _parts(layout: Layout, users: dict[Patch, dict[int, tuple[Level, Span | None]]], cascades: int) -> list[Part]:
    parts = []
    for i in range(cascades):
        levels, spans, origins, keep_from = [], [], [], []
        for patch, top in zip(layout.patches, layout.tops.tolist(), strict=True):
            if i not in users[patch]:
                continue
            level, span = users[patch][i]
            column, row = patch.x // patch.step, patch.y // patch.step
            columns = level.columns if span is None else span.end_column - column
            rows = level.rows if span is None else span.end_row - row
            levels.append(level)
            spans.append((top * layout.stride, top * layout.plane, columns, rows))
            origins.append((top, column, row))
            keep_from.append(0 if span is None else span.column)
        if levels:
            parts.append(Part(i, tuple(levels), np.array(spans), np.array(origins), np.array(keep_from)))
    return parts
