"""Windows that overlap, taken together by the strongest of them."""

import numpy as np
from numpy.typing import NDArray

from cascades.compiled import compiled


@compiled
def group_by_strongest(boxes_N4: NDArray[np.float64], iou: float, groups_N: NDArray[np.int64]) -> int:
    """Writes the group of each box, 0 and up, and gives their number: the first box left takes all that overlap it by `iou`.

    Args:
        boxes_N4: left, top, right, bottom; the strongest first.
    """
    count = len(boxes_N4)
    for i in range(count):
        groups_N[i] = -1
    found = 0
    for i in range(count):
        if groups_N[i] >= 0:
            continue
        groups_N[i] = found
        left, top, right, bottom = boxes_N4[i, 0], boxes_N4[i, 1], boxes_N4[i, 2], boxes_N4[i, 3]
        area = (right - left) * (bottom - top)
        for j in range(i + 1, count):
            across = min(right, boxes_N4[j, 2]) - max(left, boxes_N4[j, 0])
            down = min(bottom, boxes_N4[j, 3]) - max(top, boxes_N4[j, 1])
            if groups_N[j] >= 0 or across <= 0 or down <= 0:
                continue
            shared = across * down
            other = (boxes_N4[j, 2] - boxes_N4[j, 0]) * (boxes_N4[j, 3] - boxes_N4[j, 1])
            if shared >= iou * (area + other - shared):
                groups_N[j] = found
        found += 1
    return found
