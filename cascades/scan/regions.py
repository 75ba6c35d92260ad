"""Parts of a picture that are searched alone: which windows of a level lie in one, or touch it."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cascades.scan.pyramid import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A rectangle of the picture, pixels, and the sizes of the windows wanted there."""

    left: float
    top: float
    right: float
    bottom: float
    smallest: tuple[int, int] = (0, 0)
    """width and height of the smallest window, pixels of the picture; as well as what the whole search asks for"""
    largest: tuple[int, int] = (0, 0)
    """width and height of the largest window; zeros for no bound"""
    inner: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    """left, top, right, bottom of the part of a window that must lie in the rectangle, as shares of its sides"""
    touch: float | None = None
    """instead of lying in it, that part need only come as close to the rectangle as this share of the window's sides"""


@dataclass(frozen=True, slots=True)
class Span:
    """Windows of a level side by side and below one another."""

    column: int
    """the first"""
    end_column: int
    """one past the last"""
    row: int
    end_row: int


def spans_of(regions: Sequence[Region], level: Level, window: tuple[int, int]) -> list[Span]:
    """The windows (width, height) of a level that some region wants; those that overlap are taken together."""
    width, height = (round(float(np.float32(side) * np.float32(level.scale))) for side in window)
    wanted = [region for region in regions if _is_wanted(region, width, height)]
    if not wanted:
        return []
    spans = []
    for region in wanted:
        begin_x, begin_y, end_x, end_y = region.inner
        within_x, within_y = (begin_x * width, end_x * width), (begin_y * height, end_y * height)
        columns = _between(level, level.columns, within_x, (region.left, region.right), region.touch)
        rows = _between(level, level.rows, within_y, (region.top, region.bottom), region.touch)
        if columns[0] < columns[1] and rows[0] < rows[1]:
            spans.append(Span(*columns, *rows))
    return _merged(spans)


def _is_wanted(region: Region, width: int, height: int) -> bool:
    """Whether windows of this size on the picture are wanted."""
    large_enough = region.smallest[0] <= width and region.smallest[1] <= height
    return large_enough and (0 in region.largest or (width <= region.largest[0] and height <= region.largest[1]))


def _merged(spans: list[Span]) -> list[Span]:
    """Spans that overlap taken together, until none do."""
    apart: list[Span] = []
    for span in spans:
        while (other := next((o for o in apart if _overlap(span, o)), None)) is not None:
            apart.remove(other)
            span = Span(
                min(span.column, other.column), max(span.end_column, other.end_column),
                min(span.row, other.row), max(span.end_row, other.end_row),
            )  # fmt: skip
        apart.append(span)
    return apart


def _overlap(a: Span, b: Span) -> bool:
    across = a.column < b.end_column and b.column < a.end_column
    return across and a.row < b.end_row and b.row < a.end_row


def on_image(pixels_N: NDArray[np.int64], scale: "float | NDArray[np.float64]") -> NDArray[np.int64]:
    """From pixels of a level to pixels of the image; OpenCV multiplies and rounds in float32."""
    rounded: NDArray[np.float32] = np.rint(pixels_N.astype(np.float32) * np.asarray(scale, dtype=np.float32))
    return rounded.astype(np.int64)


def _between(
    level: Level, count: int, within: tuple[float, float], bounds: tuple[float, float], touch: float | None
) -> tuple[int, int]:
    """First and one past the last of a row's windows of which the part from one to the other of `within` lies in `bounds`.

    With `touch`, for which it comes as close to them as that share of its length. All in pixels of the image.
    """
    (begin, end), (low, high) = within, bounds
    if touch is not None:
        near = touch * (end - begin)
        low, high = low - near - (end - begin), high + near + (end - begin)
    return _first_from(level, count, low - begin), _first_from(level, count, math.floor(high - end) + 1)


def _first_from(level: Level, count: int, least: float) -> int:
    """Number of the first of a row's windows that begins at `least` or after it on the image; `count` where none does."""
    return bisect_left(_begins(level.step, level.scale, count), least)


@lru_cache(maxsize=256)
def _begins(step: int, scale: float, count: int) -> list[int]:
    """Where each of a row's windows begins on the image."""
    begins: list[int] = on_image(np.arange(count) * step, scale).tolist()
    return begins
