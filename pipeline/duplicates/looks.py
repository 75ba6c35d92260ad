"""The second check: a tiny colour picture of each crop, because pHash, blind to colour, collides on small flat ones.

On a drawn series 88 of 100 pairs within 6 bits show one drawing, at most turned a little, and 99 of 100 whose looks differ
by 9 grey levels or less as well; a second hash gives 91 (`python -m benchmarks.near_duplicates` prints the table).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cascades.compiled import compiled
from pipeline.core.images import RGB, Luma

LOOK_KIND = "look8x8x3-v2"
"""name and version kept with each stored value"""
SIDE = 8
LOOK_SIZE = SIDE * SIDE * 3
"""bytes"""

Looks = NDArray[np.uint8]
"""(N, LOOK_SIZE)"""


def looks_of(images: Sequence[RGB | Luma]) -> Looks:
    """Each picture's mean colour on an 8x8 grid, rounded: row by row, red green blue."""
    looks = np.empty((len(images), LOOK_SIZE), np.uint8)
    for image, look in zip(images, looks, strict=True):
        colour = image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)
        _average(np.ascontiguousarray(colour), np.empty(3 * colour.shape[1], np.int64), look)
    return looks


def look(image: RGB | Luma) -> str:
    """The look of one picture, as it is stored."""
    return as_text(looks_of([image]))[0]


def as_text(looks_NL: Looks) -> list[str]:
    """Each look as hex digits."""
    digits, size = looks_NL.tobytes().hex(), 2 * LOOK_SIZE
    return [digits[at : at + size] for at in range(0, len(digits), size)]


def as_numbers(texts: Sequence[str]) -> Looks:
    """The looks of `as_text`."""
    return np.frombuffer(bytes.fromhex("".join(texts)), np.uint8).reshape(-1, LOOK_SIZE)


@compiled
def _average(image_HW3: NDArray[np.uint8], sums: NDArray[np.int64], look: NDArray[np.uint8]) -> None:
    height, width = image_HW3.shape[:2]
    pixels = image_HW3.reshape(-1)
    for row in range(SIDE):
        top = row * height // SIDE
        bottom = max((row + 1) * height // SIDE, top + 1)
        sums[:] = 0
        for y in range(top, bottom):
            line = pixels[3 * width * y : 3 * width * (y + 1)]
            for x in range(len(line)):
                sums[x] += line[x]
        for column in range(SIDE):
            left = column * width // SIDE
            right = max((column + 1) * width // SIDE, left + 1)
            count = (bottom - top) * (right - left)
            for channel in range(3):
                total = 0
                for x in range(left, right):
                    total += sums[3 * x + channel]
                look[(row * SIDE + column) * 3 + channel] = (2 * total + count) // (2 * count)
