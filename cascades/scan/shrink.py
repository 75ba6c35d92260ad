"""Parts of a picture at another size, pixel for pixel as `cv2.resize` with INTER_LINEAR_EXACT gives the whole of it.

OpenCV weighs with 8 bits across, 8 bits down, and rounds once at the end, so the order of the two does not show. Taken are
only the rows and columns that are asked for: a part costs what its area costs, and its pixels are those of the whole.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cascades.scan.lean import lean
from pipeline.core.images import Luma

_U, _I = np.uint64, np.int32
_ONE = 256
"""fixed point: this is a whole weight"""


@lru_cache(maxsize=512)
def taps(source: int, target: int) -> NDArray[np.int32]:
    """(2, target): the pixel left of (above) each new one, and the weight in 256ths of the one after it.

    The last one is taken twice rather than one beyond it, with weight 0.
    """
    scale = 1.0 / (target / source)
    places = scale * (np.arange(target) + 0.5) - 0.5
    firsts = np.floor(places)
    weights = np.rint((places - firsts) * _ONE)
    outside = (firsts < 0) | (firsts >= source - 1)
    weights[outside] = 0
    result = np.stack([np.clip(firsts, 0, source - 1), weights]).astype(np.int32)
    result.flags.writeable = False
    return result


def shrink(
    image_HW: Luma, size: tuple[int, int], columns: tuple[int, int] | None = None, rows: tuple[int, int] | None = None
) -> Luma:
    """Columns and rows (first, end) of the image at a `size` of width and height; all of them where not said."""
    (x, x_end), (y, y_end) = columns or (0, size[0]), rows or (0, size[1])
    if image_HW.shape == (size[1], size[0]):
        return image_HW[y:y_end, x:x_end]
    height, width = image_HW.shape
    across, down = taps(width, size[0])[:, x:x_end], taps(height, size[1])[:, y:y_end]
    result = np.empty((y_end - y, x_end - x), dtype=np.uint8)
    line = np.empty(width + 1, dtype=np.int32)
    fill_shrunk(np.ascontiguousarray(image_HW).ravel(), width, height, across, down, line, result.ravel())
    return result


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
    """Fills rows of pixels; `across` and `down` are `taps`, `line` is room for a row of the picture and one pixel more."""
    begin, end = _U(across[0, 0]), _U(min(across[0, -1] + 2, width))
    line[width] = _I(0)
    for y in range(down.shape[1]):
        above, below = down[0, y] * width, min(down[0, y] + 1, height - 1) * width
        blend_rows(pixels, _U(above), _U(below), _I(down[1, y]), begin, end, line)
        at = _U(y * across.shape[1])
        for x in range(_U(across.shape[1])):
            k = _U(across[0, x])
            one = line[k]
            shrunk[at + x] = (one * _I(_ONE) + (line[k + _U(1)] - one) * across[1, x] + _I(32768)) >> _I(16)


@lean
def blend_rows(
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
        line[x] = _I(one * _I(_ONE) + _I(_I(_I(pixels[below + x]) - one) * weight))
