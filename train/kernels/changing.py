"""Pictures moved and recoloured on the CPU: all of a picture's changes while it lies in the cache.

The arithmetic is that of `grid_sample` (bilinear, beyond the border its colour, corners not aligned) and of the
recolouring in `train.augment`, in single precision: the results agree to 1e-4, most of them to 1e-6.
"""

import numpy as np
from numpy.typing import NDArray

from cascades.compiled import contracted

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Index = np.uintp
"""unsigned: Numba then leaves out the check for places counted from the end, which no loop here may spend time on"""


@contracted
def _within(place: np.float32, last: np.float32) -> np.float32:
    """The place held within 0..last; what is no number becomes 0, for it must not lead out of the picture."""
    place = place if place > 0 else np.float32(0)
    return last if place > last else place


@contracted
def _moved(
    image_P: Floats, high: int, wide: int, placement_23: Floats, scale: np.float32, grey_3: Floats, moved_SS3: Floats
) -> float:
    """Samples the picture where the placement leads, times `scale`; the sum of all new pixels' grey comes back."""
    one, half = np.float32(1), np.float32(0.5)
    half_wide, half_high = half * np.float32(wide), half * np.float32(high)
    step, begin = np.float32(2 / moved_SS3.shape[0]), np.float32(1 / moved_SS3.shape[0] - 1)
    right, bottom, size = np.float32(wide - 1), np.float32(high - 1), Index(moved_SS3.shape[0])
    row_x, row_y = placement_23[0, 1], placement_23[1, 1]
    step_x, step_y = placement_23[0, 0] * half_wide, placement_23[1, 0] * half_high
    total = np.float64(0)
    for y in range(size):
        v = step * np.float32(y) + begin
        start_x = (row_x * v + placement_23[0, 2] + one) * half_wide - half
        start_y = (row_y * v + placement_23[1, 2] + one) * half_high - half
        row_grey = np.float32(0)
        for x in range(size):
            u = step * np.float32(x) + begin
            from_x, from_y = _within(step_x * u + start_x, right), _within(step_y * u + start_y, bottom)
            left, top = Index(np.int32(from_x)), Index(np.int32(from_y))
            share_x, share_y = scale * (from_x - np.float32(left)), from_y - np.float32(top)
            lower_right = share_x * share_y
            lower_left, upper_right = scale * share_y - lower_right, share_x - lower_right
            upper_left = scale - share_x - lower_left
            at = (top * Index(wide) + left) * Index(3)
            to = at + Index(3) * Index(left + Index(1) < Index(wide))
            below = Index(3 * wide) * Index(top + Index(1) < Index(high))
            for c in range(Index(3)):
                value = (
                    upper_left * image_P[at + c]
                    + upper_right * image_P[to + c]
                    + lower_left * image_P[at + below + c]
                    + lower_right * image_P[to + below + c]
                )
                moved_SS3[y, x, c] = value
                row_grey += grey_3[c] * value
        total += row_grey
    return total


@contracted
def _recoloured(image_SS3: Floats, own: np.float32, others: np.float32, level: np.float32, grey_3: Floats) -> None:
    """Each colour becomes its `own` share, the `others` share of the pixel's grey, and `level`, held within 0..1."""
    for y in range(Index(image_SS3.shape[0])):
        for x in range(Index(image_SS3.shape[1])):
            red, green, blue = image_SS3[y, x, Index(0)], image_SS3[y, x, Index(1)], image_SS3[y, x, Index(2)]
            rest = others * (grey_3[0] * red + grey_3[1] * green + grey_3[2] * blue) + level
            image_SS3[y, x, Index(0)] = _within(own * red + rest, np.float32(1))
            image_SS3[y, x, Index(1)] = _within(own * green + rest, np.float32(1))
            image_SS3[y, x, Index(2)] = _within(own * blue + rest, np.float32(1))


@contracted
def change(
    images_NHW3: Bytes,
    placements_N23: Floats,
    factors_N3: Floats,
    grey_3: Floats,
    first: int,
    end: int,
    changed_NSS3: Floats,
) -> None:
    """Fills `changed` from `first` to `end` with those images, moved and recoloured, in 0..1.

    A placement leads from a place in the new picture to one in the old, both in -1..1. The factors are brightness,
    contrast (about the mean of the picture's grey) and colour (about each pixel's grey, weighed by `grey_3`).
    """
    count, high, wide, _ = images_NHW3.shape
    bytes_NP = images_NHW3.reshape(count, high * wide * 3)
    pixels = changed_NSS3.shape[1] * changed_NSS3.shape[2]
    one, floats = np.float32(1), np.empty(high * wide * 3, dtype=np.float32)
    for n in range(first, end):
        brightness, contrast, colour = factors_N3[n, 0], factors_N3[n, 1], factors_N3[n, 2]
        for p in range(len(floats)):
            floats[p] = bytes_NP[n, p]
        grey = _moved(floats, high, wide, placements_N23[n], brightness / np.float32(255), grey_3, changed_NSS3[n])
        level = (one - contrast) * np.float32(grey / pixels)
        _recoloured(changed_NSS3[n], contrast * colour, contrast * (one - colour), level, grey_3)
