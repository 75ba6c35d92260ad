"""Parts of a picture at another size, pixel for pixel as `cv2.resize` with INTER_LINEAR_EXACT gives the whole of it.

OpenCV weighs with 8 bits across, 8 bits down, and rounds once at the end, so the order of the two does not show. Taken are
only the rows and columns that are asked for: a part costs what its area costs, and its pixels are those of the whole.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cascades.scan.sums import fill_shrunk
from pipeline.core.images import Luma

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
