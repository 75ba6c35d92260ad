"""Integral images and the contrast of windows, straight from the picture: what all cascades on a sheet share.

A patch is a rectangle of a shrunk picture. Its integral images are written row by row as its pixels are made, sorted by the
remainder of row and column by the step, so that every `step`th number lies side by side. They wrap round.
"""

import numpy as np
from numpy.typing import NDArray

from cascades.scan.lean import inlined, lean

_U, _F, _I = np.uint64, np.float32, np.int32
_ONE = 256
"""a whole weight of `cascades.scan.shrink`"""


@lean
def _blend_rows(
    pixels: NDArray[np.uint8],
    above: np.uint64,
    below: np.uint64,
    weight: np.int32,
    begin: np.uint64,
    end: np.uint64,
    line: NDArray[np.int32],
) -> None:
    """Two rows of a picture as one, in 256ths."""
    for x in range(begin, end):
        one = _I(pixels[above + x])
        line[x] = _I(_I(one * _I(_ONE)) + _I(_I(_I(pixels[below + x]) - one) * weight))


@inlined
def _pixel(line: NDArray[np.int32], k: np.uint64, weight: np.int32) -> np.int32:
    """A pixel of a row in 256ths, between the `k`th and the one after it."""
    one = line[k]
    whole = _I(_I(one * _I(_ONE)) + _I(_I(line[k + _U(1)] - one) * weight))
    return _I(_I(whole + _I(1 << 15)) >> _I(16))


@lean
def fill_shrunk(
    pixels: NDArray[np.uint8],
    width: int,
    height: int,
    across: NDArray[np.int32],
    down: NDArray[np.int32],
    line: NDArray[np.int32],
    shrunk: NDArray[np.uint8],
) -> None:
    """Fills rows of pixels; `across` and `down` are taps, `line` is room for a row of the picture and one pixel more."""
    begin, end = _U(across[0, 0]), _U(min(across[0, -1] + 2, width))
    line[width] = _I(0)
    for y in range(down.shape[1]):
        above, below = down[0, y] * width, min(down[0, y] + 1, height - 1) * width
        _blend_rows(pixels, _U(above), _U(below), _I(down[1, y]), begin, end, line)
        at = _U(y * across.shape[1])
        for x in range(_U(across.shape[1])):
            shrunk[at + x] = _pixel(line, _U(across[0, x]), across[1, x])


@lean
def _store(
    row: NDArray[np.int32], count: np.uint64, step: np.uint64, plane: np.uint64, sums: NDArray[np.int32], at: np.uint64
) -> None:
    """A row of numbers, every `step`th side by side."""
    if step == _U(1):
        for x in range(count):
            sums[at + x] = row[x]
    elif step == _U(2):  # a constant, which the compiler turns into shuffles
        half = count // _U(2)
        for x in range(half):
            sums[at + x] = row[_U(2) * x]
            sums[at + plane + x] = row[_U(2) * x + _U(1)]
        if count % _U(2) != _U(0):
            sums[at + half] = row[count - _U(1)]
    else:
        for r in range(step):
            for x in range((count - r + step - _U(1)) // step):
                sums[at + r * plane + x] = row[step * x + r]


@lean
def fill_integrals(
    pixels: NDArray[np.uint8],
    width: int,
    height: int,
    across: NDArray[np.int32],
    down: NDArray[np.int32],
    patches_P6: NDArray[np.int64],
    step: int,
    plane: int,
    planes: int,
    rows_3: NDArray[np.int32],
    sums: NDArray[np.int32],
    squares: NDArray[np.int32],
) -> None:
    """Integral images of the pixels and, where there is room for them, of their squares.

    patches_P6: first of its taps across, how many, first down, how many, its place among the sums and among the squares.
    `plane` is the width of a sorted row, `planes` how many a row of windows has among the sums; rows_3 is room for rows.
    """
    line, row, square_row = rows_3[0], rows_3[1], rows_3[2]
    line[width] = _I(0)
    by, wide = _U(step), _U(plane)
    squared = squares.size > 0
    for p in range(patches_P6.shape[0]):
        first, count, top = _U(patches_P6[p, 0]), _U(patches_P6[p, 1]), patches_P6[p, 2]
        begin, stop = _U(across[0, first]), _U(min(across[0, first + count - _U(1)] + 2, width))
        for x in range(count + _U(1)):
            row[x] = square_row[x] = _I(0)
        for y in range(patches_P6[p, 3] + 1):
            if y > 0:
                tap = down[0, top + y - 1]
                below = min(tap + 1, height - 1)
                _blend_rows(pixels, _U(tap * width), _U(below * width), down[1, top + y - 1], begin, stop, line)
                total = square = _I(0)
                for x in range(count):
                    value = _pixel(line, _U(across[0, first + x]), across[1, first + x])
                    total = _I(total + value)
                    row[x + _U(1)] = _I(row[x + _U(1)] + total)
                    if squared:
                        square = _I(square + _I(value * value))
                        square_row[x + _U(1)] = _I(square_row[x + _U(1)] + square)
            group, part = _U(y) // by, _U(y) % by * by
            _store(row, count + _U(1), by, wide, sums, _U(patches_P6[p, 4]) + (group * _U(planes) + part) * wide)
            if squared:
                _store(
                    square_row, count + _U(1), by, wide, squares, _U(patches_P6[p, 5]) + (group * by * by + part) * wide
                )


@lean
def fill_norms(
    sums: NDArray[np.int32],
    squares: NDArray[np.int32],
    strides: tuple[int, int, int],
    inner_4: NDArray[np.uint64],
    square_inner_4: NDArray[np.uint64],
    area: float,
    least: float,
    windows_P5: NDArray[np.int64],
    norms: NDArray[np.float32],
) -> None:
    """1 / sqrt(nf) of windows, 0 where nf is below `least`: too little contrast.

    windows_P5: place of a patch's first window among the sums, the squares and the norms, columns, rows; strides: from
    one row of windows to the next in each.
    """
    a, b, c, d = inner_4[0], inner_4[1], inner_4[2], inner_4[3]
    e, f, g, h = square_inner_4[0], square_inner_4[1], square_inner_4[2], square_inner_4[3]
    for p in range(windows_P5.shape[0]):
        for y in range(windows_P5[p, 4]):
            at, square_at = _U(windows_P5[p, 0] + y * strides[0]), _U(windows_P5[p, 1] + y * strides[1])
            norm_at = _U(windows_P5[p, 2] + y * strides[2])
            for x in range(_U(windows_P5[p, 3])):
                i, k = at + x, square_at + x
                total = float(_I(_I(sums[i + a] - sums[i + b]) - _I(sums[i + c] - sums[i + d])))
                # squares wrap round; their sum over a window of 256x256 fits into 32 bits without a sign
                square = float(np.uint32(_I(_I(squares[k + e] - squares[k + f]) - _I(squares[k + g] - squares[k + h]))))
                nf = area * square - total * total
                norm = _F(1.0 / np.sqrt(max(nf, 1.0)))
                norms[norm_at + x] = norm if nf >= least else _F(0.0)
