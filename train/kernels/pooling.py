"""Max-pooling with ReLU, and gradients that go back through it: a window passes its gradient to one place alone.

All arrays are channels last in memory. Where a window's largest value lies is one byte: 16 times the row and the column
inside the window, or `NOWHERE` when that value is not positive, so that the ReLU lets nothing pass.
"""

import numpy as np
from numpy.typing import NDArray

from cascades.compiled import contracted

Floats = NDArray[np.float32]
Places = NDArray[np.uint8]

NOWHERE = 255
WIDEST = 15
"""the largest window whose places fit into a byte"""
Index = np.uintp
"""unsigned: Numba then leaves out the check for places counted from the end, which no loop here may spend time on"""


@contracted
def pool_pairs(made_NHWC: Floats, pooled_NhwC: Floats, places_NhwC: Places) -> None:
    """`pool_windows` of side 2, several channels at once."""
    count, high, wide, channels = pooled_NhwC.shape
    for n in range(count):
        for y in range(high):
            for x in range(wide):
                for c in range(channels):
                    best, place = made_NHWC[n, 2 * y, 2 * x, c], np.uint8(0)
                    value = made_NHWC[n, 2 * y, 2 * x + 1, c]
                    better = (value > best) | (value != value)
                    best, place = value if better else best, np.uint8(1) if better else place
                    value = made_NHWC[n, 2 * y + 1, 2 * x, c]
                    better = (value > best) | (value != value)
                    best, place = value if better else best, np.uint8(16) if better else place
                    value = made_NHWC[n, 2 * y + 1, 2 * x + 1, c]
                    better = (value > best) | (value != value)
                    best, place = value if better else best, np.uint8(17) if better else place
                    pooled_NhwC[n, y, x, c] = np.float32(0) if best <= 0 else best
                    places_NhwC[n, y, x, c] = np.uint8(255) if best <= 0 else place


@contracted
def pool_windows(made_NHWC: Floats, side: int, pooled_NhwC: Floats, places_NhwC: Places) -> None:
    """The largest positive value of each window, or 0, and its place; of equal ones the first; NaN is larger than all."""
    count, high, wide, channels = pooled_NhwC.shape
    for n in range(count):
        for y in range(high):
            for x in range(wide):
                for c in range(channels):
                    best, place = np.float32(0), NOWHERE
                    for row in range(side):
                        for column in range(side):
                            value = made_NHWC[n, y * side + row, x * side + column, c]
                            if value > best or value != value:
                                best, place = value, row * 16 + column
                    pooled_NhwC[n, y, x, c] = best
                    places_NhwC[n, y, x, c] = place


@contracted
def spread(gradient_NhwC: Floats, places_NhwC: Places, side: int, spread_NHWC: Floats, biases_C: Floats) -> None:
    """The gradient of what was pooled: each window's at its place, 0 elsewhere; adds each channel's sum to `biases_C`.

    What no window covers is left as it is.
    """
    count, high, wide, channels = gradient_NhwC.shape
    for n in range(count):
        for y in range(high):
            for x in range(wide):
                for row in range(side):
                    for column in range(side):
                        here = np.uint8(row * 16 + column)
                        for c in range(channels):
                            passes = places_NhwC[n, y, x, c] == here
                            value = gradient_NhwC[n, y, x, c] if passes else np.float32(0)
                            spread_NHWC[n, y * side + row, x * side + column, c] = value
                            biases_C[c] += value


@contracted
def back_through(
    images_NHX: Floats,
    weights_OKX: Floats,
    gradient_NhwO: Floats,
    places_NhwO: Places,
    side: int,
    first: int,
    end: int,
    weight_sums_OKX: Floats,
    bias_sums_O: Floats,
    image_gradient_NHX: Floats,
) -> None:
    """Adds what the images from `first` to `end` give to the gradients of a 3x3 convolution without border.

    X is place and channel together: a window's row of weights lies beside a row of the picture. Only the places that
    were pooled are visited, one in side x side at most.
    """
    outputs, _, reach = weights_OKX.shape
    _, high, wide, _ = gradient_NhwO.shape
    channels = Index(reach // 3)
    for n in range(Index(first), Index(end)):
        for y in range(Index(high)):
            for o in range(Index(outputs)):
                for x in range(Index(wide)):
                    place = Index(places_NhwO[n, y, x, o])
                    if place == NOWHERE:
                        continue
                    value = gradient_NhwO[n, y, x, o]
                    bias_sums_O[o] += value
                    top = y * Index(side) + (place >> Index(4))
                    left = (x * Index(side) + (place & Index(15))) * channels
                    for k in range(Index(3)):
                        for i in range(Index(reach)):
                            weight_sums_OKX[o, k, i] += value * images_NHX[n, top + k, left + i]
                        for i in range(Index(reach)):
                            image_gradient_NHX[n, top + k, left + i] += value * weights_OKX[o, k, i]
