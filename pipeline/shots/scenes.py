"""Whether two pictures show two scenes, or one that moved.

What a pan or a burst of movement leaves is the palette (Bhattacharyya distance of colour histograms), or the pieces: each
block of the second picture is found again near its place in the first. A cut leaves neither.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.core.images import RGB

BINS = 6
"""of each colour"""
OTHER_PALETTE = 0.25
"""Bhattacharyya distance; drawn cuts are above 0.55, steps of pans below 0.15"""
BLOCK, REACH = 5, 8
"""pixels: a block, and how far it may have moved"""
LOST_PIECES = 22.0
"""grey levels (root mean square, mean over blocks) left after moving; drawn cuts are above 31, pans below 17.5"""


def is_another_scene(before_HW3: RGB, after_HW3: RGB) -> bool:
    """Whether the second small picture shows another scene than the first."""
    if before_HW3.shape != after_HW3.shape:
        return True
    distance = cv2.compareHist(_palette(before_HW3), _palette(after_HW3), cv2.HISTCMP_BHATTACHARYYA)
    return distance >= OTHER_PALETTE or _lost_pieces(before_HW3, after_HW3) >= LOST_PIECES


def _palette(image_HW3: RGB) -> NDArray[np.float32]:
    histogram = cv2.calcHist([image_HW3], [0, 1, 2], None, [BINS] * 3, [0, 256] * 3)
    return np.asarray(cv2.normalize(histogram, histogram, 1, 0, cv2.NORM_L1), dtype=np.float32)


def _lost_pieces(before_HW3: RGB, after_HW3: RGB) -> float:
    """Mean over every third block, each way, of what differs where it fits best."""
    height, width = after_HW3.shape[:2]
    if min(height, width) < BLOCK:
        return 0.0
    around = cv2.copyMakeBorder(before_HW3, REACH, REACH, REACH, REACH, cv2.BORDER_REPLICATE)
    left = []
    for y in range(0, height - BLOCK + 1, 3 * BLOCK):
        for x in range(0, width - BLOCK + 1, 3 * BLOCK):
            block = after_HW3[y : y + BLOCK, x : x + BLOCK]
            fits = cv2.matchTemplate(around[y : y + BLOCK + 2 * REACH, x : x + BLOCK + 2 * REACH], block, cv2.TM_SQDIFF)
            left.append(max(cv2.minMaxLoc(fits)[0], 0.0) / block.size)
    return float(np.mean(np.sqrt(left)))
