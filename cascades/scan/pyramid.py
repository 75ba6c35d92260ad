"""The sizes at which an image is searched, as `cv2.CascadeClassifier.detectMultiScale` has them.

OpenCV shrinks the image and keeps the window. It steps two pixels below half size and one from there on.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

FINE_SCALE = 2.0
"""from here on every pixel of the shrunk image, below every second one in each direction"""
STRIPE_COLUMNS = 32
"""OpenCV makes as many stripes of rows as the largest size has times this many columns"""


@dataclass(frozen=True, slots=True)
class Level:
    """One size of the image."""

    number: int
    """how often the scale factor was applied; levels of one number are one size, whatever the cascade"""
    scale: float
    """float32: pixels of the image per pixel of the level"""
    width: int
    """of the shrunk image, pixels"""
    height: int
    """of the shrunk image, pixels"""
    step: int
    """pixels of the shrunk image from one window to the next, 1 or 2"""
    columns: int
    """windows in a row"""
    rows: int
    """rows of windows that OpenCV visits"""


@lru_cache(maxsize=64)
def levels_of(
    image_size: tuple[int, int],
    window: tuple[int, int],
    scale_factor: float,
    smallest: tuple[int, int] = (0, 0),
    largest: tuple[int, int] = (0, 0),
    closest: bool = False,
) -> tuple[Level, ...]:
    """OpenCV's levels for a window (width, height) on an image (width, height), the largest picture first.

    `smallest` and `largest` bound the window's size on the image in pixels, each side by itself; a zero in `largest` means
    no bound. With `closest`, where no size lies within the bounds the one closest to `smallest` is taken.
    """
    scales = _scales(image_size, window, scale_factor)
    largest = image_size if 0 in largest else largest
    fitting = [(n, s) for n, s in scales if _is_within(_window_at(window, s), smallest, largest)]
    if closest and not fitting and scales:
        fitting = [min(scales, key=lambda ns: _distance(_window_at(window, ns[1]), smallest))]
    levels: list[Level] = []
    stripes = 0
    for number, scale in fitting:
        width, height = _shrunk(image_size[0], scale), _shrunk(image_size[1], scale)
        across, down = max(width + 1 - window[0], 0), max(height + 1 - window[1], 0)
        stripes = stripes or math.ceil(across / STRIPE_COLUMNS)
        step = 1 if scale >= FINE_SCALE else 2
        if across and down and stripes:
            levels.append(
                Level(number, scale, width, height, step, -(-across // step), _rows_visited(down, step, stripes))
            )
    return tuple(levels)


def _scales(image_size: tuple[int, int], window: tuple[int, int], scale_factor: float) -> list[tuple[int, float]]:
    """Number and float32 scale of every size at which the window fits into the image."""
    scales: list[tuple[int, float]] = []
    factor = 1.0
    while round(window[0] * factor) <= image_size[0] and round(window[1] * factor) <= image_size[1]:
        scales.append((len(scales), float(np.float32(factor))))
        factor *= scale_factor
    return scales


def _window_at(window: tuple[int, int], scale: float) -> tuple[int, int]:
    width, height = (round(float(np.float32(side) * np.float32(scale))) for side in window)
    return width, height


def _is_within(size: tuple[int, int], smallest: tuple[int, int], largest: tuple[int, int]) -> bool:
    return smallest[0] <= size[0] <= largest[0] and smallest[1] <= size[1] <= largest[1]


def _distance(size: tuple[int, int], wanted: tuple[int, int]) -> int:
    return (size[0] - wanted[0]) ** 2 + (size[1] - wanted[1]) ** 2


def _shrunk(pixels: int, scale: float) -> int:
    return round(float(np.float32(pixels) / np.float32(scale)))


def _rows_visited(down: int, step: int, stripes: int) -> int:
    """All rows but, with a step of two, sometimes the last: stripes are cut by the number of whole steps."""
    stripe = max((down // step + stripes - 1) // stripes, 1)
    return min(-(-down // step), stripe * stripes)
