"""Integral images, their order in memory, and the contrast of windows: what is shared by all cascades on a level."""

import numpy as np
from numpy.typing import NDArray

from cascades.scan.lean import lean

_U, _F, _I = np.uint64, np.float32, np.int32


@lean
def fill_integrals(
    pixels: NDArray[np.uint8], width: int, height: int, sums: NDArray[np.int32], squares: NDArray[np.int32]
) -> None:
    """Flat integral images, rows of `width + 1` numbers, of the pixels and of their squares; both wrap round."""
    stride = _U(width + 1)
    for x in range(stride):
        sums[x] = squares[x] = _I(0)
    for y in range(_U(height)):
        at, above, from_ = (y + _U(1)) * stride, y * stride, y * _U(width)
        sums[at] = squares[at] = _I(0)
        total = square = _I(0)
        for x in range(_U(width)):
            value = _I(pixels[from_ + x])
            total = _I(total + value)
            square = _I(square + _I(value * value))
            k = x + _U(1)
            sums[at + k] = _I(sums[above + k] + total)
            squares[at + k] = _I(squares[above + k] + square)


@lean
def fill_sums(pixels: NDArray[np.uint8], width: int, height: int, sums: NDArray[np.int32]) -> None:
    """As `fill_integrals`, without squares."""
    stride = _U(width + 1)
    for k in range(stride):
        sums[k] = _I(0)
    for y in range(_U(height)):
        at, above, from_ = (y + _U(1)) * stride, y * stride, y * _U(width)
        sums[at] = total = _I(0)
        for x in range(_U(width)):
            total = _I(total + _I(pixels[from_ + x]))
            sums[at + x + _U(1)] = _I(sums[above + x + _U(1)] + total)


@lean
def sort_by_remainder(
    integral: NDArray[np.int32], width: int, height: int, step: int, ordered: NDArray[np.int32]
) -> None:
    """Rows and columns by their remainder: (step, step, rows, columns), flat, so that every `step`th lies side by side."""
    across, by = _U((width + step - 1) // step), _U(step)
    plane = across * _U((height + step - 1) // step)
    for y in range(_U(height)):
        for x in range(by):
            count = (_U(width) - x + by - _U(1)) // by
            from_, to = y * _U(width) + x, ((y % by) * by + x) * plane + (y // by) * across
            if step == 2:  # a constant, which the compiler turns into shuffles
                for i in range(count):
                    ordered[to + i] = integral[from_ + _U(2) * i]
            else:
                for i in range(count):
                    ordered[to + i] = integral[from_ + by * i]


@lean
def fill_norms(
    sums: NDArray[np.int32],
    squares: NDArray[np.int32],
    corners_4: NDArray[np.uint64],
    area: float,
    least: float,
    count: int,
    norms: NDArray[np.float32],
) -> None:
    """1 / sqrt(nf) of the windows at the first `count` places, 0 where nf is below `least`: too little contrast."""
    a, b, c, d = corners_4[0], corners_4[1], corners_4[2], corners_4[3]
    for p in range(_U(count)):
        total = float(_I(_I(sums[p + a] - sums[p + b]) - _I(sums[p + c] - sums[p + d])))
        # the integral image of squares wraps round; their sum over a window of 256x256 fits into 32 bits without a sign
        square = float(np.uint32(_I(_I(squares[p + a] - squares[p + b]) - _I(squares[p + c] - squares[p + d]))))
        nf = area * square - total * total
        norm = _F(1.0 / np.sqrt(max(nf, 1.0)))
        norms[p] = norm if nf >= least else _F(0.0)
