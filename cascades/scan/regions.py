"""Parts of a picture that are searched alone: which windows of a level lie in one."""

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Span:
    """Windows of a level side by side and below one another."""

    column: int
    """the first"""
    end_column: int
    """one past the last"""
    row: int
    end_row: int


def span_of(region: Region, level: Level, window: tuple[int, int]) -> Span | None:
    """The windows (width, height) of a level that a region wants; None where there is none."""
    width, height = (round(float(np.float32(side) * np.float32(level.scale))) for side in window)
    within = region.smallest[0] <= width and region.smallest[1] <= height
    if 0 not in region.largest:
        within = within and width <= region.largest[0] and height <= region.largest[1]
    begin_x, begin_y, end_x, end_y = region.inner
    columns = _between(
        on_image(np.arange(level.columns) * level.step, level.scale),
        begin_x * width,
        end_x * width,
        region.left,
        region.right,
    )
    rows = _between(
        on_image(np.arange(level.rows) * level.step, level.scale),
        begin_y * height,
        end_y * height,
        region.top,
        region.bottom,
    )
    return Span(*columns, *rows) if within and columns[0] < columns[1] and rows[0] < rows[1] else None


def on_image(pixels_N: NDArray[np.int64], scale: "float | NDArray[np.float64]") -> NDArray[np.int64]:
    """From pixels of a level to pixels of the image; OpenCV multiplies and rounds in float32."""
    rounded: NDArray[np.float32] = np.rint(pixels_N.astype(np.float32) * np.asarray(scale, dtype=np.float32))
    return rounded.astype(np.int64)


def _between(starts_N: NDArray[np.int64], begin: float, end: float, low: float, high: float) -> tuple[int, int]:
    """First and one past the last of ascending starts for which start + begin to start + end lies in low to high."""
    return int(np.searchsorted(starts_N, low - begin, "left")), int(np.searchsorted(starts_N, high - end, "right"))
