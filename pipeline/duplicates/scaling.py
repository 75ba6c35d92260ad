"""Pillow's own way to scale 8-bit pictures, to the bit, compiled: weights in fixed point, one pass along each side.

Pillow rounds every weight to 22 bits, and every value between the two passes to 8, so the outcome is a matter of whole
numbers and of which pass comes first. Up to version 12 that was always the one across; from 13 on the one down is first
where it takes away more than twice as many lines. That newer rule is the one here, whichever Pillow is installed.

The first pass adds whole lines of pixels, weighted, to one another, four at a time: lines are what the pass goes over.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cascades.compiled import compiled
from pipeline.core.images import RGB, Luma

LANCZOS = 3.0
"""reach of the windowed sinc, in pixels of the scaled picture"""
WEIGHT_BITS = 22
"""of the fixed point: 32 less 8 for the pixel and 2 for sums that leave its range"""
LINES_AT_ONCE = 4

Weights = tuple[NDArray[np.int32], NDArray[np.int32]]
"""first input line of each output line; its weights (out, taps), taps a multiple of LINES_AT_ONCE, zeros at the end"""


class Scaler:
    """Scales pictures one after the other in the same memory. Use from one thread."""

    def __init__(self) -> None:
        self._lines = np.zeros(0, np.uint8)
        self._turned = np.zeros(0, np.uint8)
        self._sums = np.zeros(0, np.int32)
        self._half = np.zeros(0, np.uint8)

    def luma(self, image: RGB | Luma, small: Luma) -> None:
        """Writes the luma of an RGB (H, W, 3) or luma (H, W) image, scaled with LANCZOS, to `small` (height, width).

        Equal to what Pillow 13 gives for `convert("L").resize((width, height), LANCZOS)`.
        """
        height, width = image.shape[:2]
        out_height, out_width = small.shape
        across, down = weights_of(width, out_width), weights_of(height, out_height)
        self._make_room(height, width, out_height, out_width, across[1].shape[1] + down[1].shape[1])
        lines = self._lines
        if image.ndim == 3:
            luma_of_rows(np.ascontiguousarray(image), lines)
        else:
            lines[: height * width] = image.reshape(-1)
        if height - out_height > max(0, 2 * (width - out_width)):
            scale(lines, width, *down, *across, self._sums, self._half, small.T)
        else:
            turn(lines, width, height, self._turned)
            scale(self._turned, height, *across, *down, self._sums, self._half, small)

    def _make_room(self, height: int, width: int, out_height: int, out_width: int, taps: int) -> None:
        """Grows the memory to what this picture needs, with room behind it for weights that are zero."""
        pixels = (height + taps) * (width + taps)
        if len(self._lines) < pixels:
            self._lines, self._turned = np.zeros(pixels, np.uint8), np.zeros(pixels, np.uint8)
        longest = max(height, width, out_height, out_width)
        if len(self._sums) < longest:
            self._sums = np.zeros(longest, np.int32)
        if len(self._half) < (longest + taps) * max(out_height, out_width):
            self._half = np.zeros((longest + taps) * max(out_height, out_width), np.uint8)


@lru_cache(maxsize=4096)
def weights_of(size: int, out: int) -> Weights:
    """The weights that scale `size` lines to `out`."""
    most = min(2 * math.ceil(LANCZOS * max(size / out, 1.0)) + 1, size)
    taps = -(-most // LINES_AT_ONCE) * LINES_AT_ONCE
    first, weights = np.zeros(out, np.int32), np.zeros((out, taps), np.int32)
    _fill_weights(size, first, weights)
    return first, weights


@compiled
def _windowed_sinc(distance: float) -> float:
    if not -LANCZOS <= distance < LANCZOS:
        return 0.0
    if distance == 0.0:
        return 1.0
    angle, slow = distance * math.pi, distance / LANCZOS * math.pi
    return math.sin(angle) / angle * (math.sin(slow) / slow)


@compiled
def _fill_weights(size: int, first: NDArray[np.int32], weights: NDArray[np.int32]) -> None:
    scale = size / len(first)
    stretch = max(scale, 1.0)
    reach, step = LANCZOS * stretch, 1.0 / stretch
    exact = np.empty(weights.shape[1])
    for n in range(len(first)):
        centre = (n + 0.5) * scale
        low, high = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), size)
        total = 0.0
        for x in range(low, high):
            exact[x - low] = _windowed_sinc((x - centre + 0.5) * step)
            total += exact[x - low]
        first[n] = low
        for x in range(high - low):
            value = (exact[x] / total if total != 0.0 else exact[x]) * (1 << WEIGHT_BITS)
            weights[n, x] = int(value - 0.5) if value < 0 else int(value + 0.5)


@compiled
def luma_of_rows(image_HW3: NDArray[np.uint8], rows: NDArray[np.uint8]) -> None:
    """Writes the picture's luma row by row, by the weights and the rounding of Pillow's `convert("L")`."""
    pixels = image_HW3.reshape(-1)
    for n in range(image_HW3.shape[0] * image_HW3.shape[1]):
        red_green = np.uint32(pixels[3 * n]) * np.uint32(19595) + np.uint32(pixels[3 * n + 1]) * np.uint32(38470)
        whole = red_green + np.uint32(pixels[3 * n + 2]) * np.uint32(7471) + np.uint32(0x8000)
        rows[n] = np.uint8(whole >> np.uint32(16))


@compiled
def turn(rows: NDArray[np.uint8], width: int, height: int, columns: NDArray[np.uint8]) -> None:
    """Rows of pixels -> columns of pixels."""
    for x in range(width):
        for y in range(height):
            columns[x * height + y] = rows[y * width + x]


@compiled
def _add_four(
    sums: NDArray[np.int32], lines: NDArray[np.uint8], a: np.int32, b: np.int32, c: np.int32, d: np.int32
) -> None:
    """Adds four lines, one behind the other in memory, to the sums, each with its weight."""
    length = len(sums)
    first, second = lines[:length], lines[length : 2 * length]
    third, fourth = lines[2 * length : 3 * length], lines[3 * length : 4 * length]
    for n in range(length):
        pair = np.int32(np.int32(a * np.int32(first[n])) + np.int32(b * np.int32(second[n])))
        other = np.int32(np.int32(c * np.int32(third[n])) + np.int32(d * np.int32(fourth[n])))
        sums[n] += np.int32(pair + other)


@compiled
def scale(
    lines: NDArray[np.uint8],
    length: int,
    first_line: NDArray[np.int32],
    line_weights: NDArray[np.int32],
    first_pixel: NDArray[np.int32],
    pixel_weights: NDArray[np.int32],
    room: NDArray[np.int32],
    half: NDArray[np.uint8],
    small: NDArray[np.uint8],
) -> None:
    """Scales a picture kept as lines of `length` pixels: the first pass goes over the lines, the second along them.

    `small[p, l]` is pixel p of line l of the scaled picture; `half` is the memory between the passes.
    """
    out = len(first_line)
    sums = room[:length]
    for n in range(out):
        sums[:] = 1 << (WEIGHT_BITS - 1)
        for tap in range(0, line_weights.shape[1], 4):
            four = line_weights[n, tap : tap + 4]
            _add_four(sums, lines[(first_line[n] + tap) * length :], four[0], four[1], four[2], four[3])
        for p in range(length):
            half[p * out + n] = min(max(sums[p] >> WEIGHT_BITS, 0), 255)
    sums = room[:out]
    for n in range(len(first_pixel)):
        sums[:] = 1 << (WEIGHT_BITS - 1)
        for tap in range(0, pixel_weights.shape[1], 4):
            four = pixel_weights[n, tap : tap + 4]
            _add_four(sums, half[(first_pixel[n] + tap) * out :], four[0], four[1], four[2], four[3])
        for p in range(out):
            small[n, p] = min(max(sums[p] >> WEIGHT_BITS, 0), 255)
