"""Windows into objects as OpenCV's `groupRectangles` does it, for who wants detectMultiScale's own answer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OPENCV_EPS = 0.2
"""how alike detectMultiScale wants windows of one object, as a share of their sides"""


@dataclass(frozen=True, slots=True)
class OpenCVGroups:
    """Objects in the order in which their first window comes."""

    boxes: NDArray[np.int64]
    """(G, 4): left, top, width, height; the mean of the windows, rounded"""
    labels: NDArray[np.int64]
    """(N,): the object of each window, -1 where it is in none"""
    members: NDArray[np.int64]
    """(G,): how many windows"""


def group_like_opencv(boxes_N4: NDArray[np.int64], threshold: int, eps: float = OPENCV_EPS) -> OpenCVGroups:
    """Objects of more than `threshold` windows (left, top, width, height) that are alike, directly or over others.

    One that lies within another of more windows is dropped, as there. A `threshold` of 0 leaves every window alone.
    """
    n = len(boxes_N4)
    if threshold <= 0 or n == 0:
        return OpenCVGroups(boxes_N4.copy(), np.arange(n), np.ones(n, dtype=np.int64))
    classes = _classes(boxes_N4, eps)
    members = np.bincount(classes)
    sums = np.zeros((len(members), 4), dtype=np.int64)
    np.add.at(sums, classes, boxes_N4)
    shares = np.float32(1.0) / members.astype(np.float32)
    means = np.rint(sums.astype(np.float32) * shares[:, None]).astype(np.int64)
    kept = [
        i for i in np.flatnonzero(members > threshold).tolist() if not _is_inside(i, means, members, threshold, eps)
    ]
    number = np.full(len(members), -1, dtype=np.int64)
    number[kept] = np.arange(len(kept))
    return OpenCVGroups(means[kept].reshape(-1, 4), number[classes], members[kept])


def _classes(boxes_N4: NDArray[np.int64], eps: float) -> NDArray[np.int64]:
    """A number for each window: the same where a chain of alike windows connects them; 0.. by first appearance."""
    left, top, width, height = boxes_N4.T
    right, bottom = left + width, top + height
    result = np.full(len(boxes_N4), -1, dtype=np.int64)
    count = 0
    for start in range(len(boxes_N4)):
        if result[start] >= 0:
            continue
        result[start], open_ends = count, [start]
        while open_ends:
            i = open_ends.pop()
            near = eps * (np.minimum(width[i], width) + np.minimum(height[i], height)) * 0.5
            alike = (np.abs(left - left[i]) <= near) & (np.abs(top - top[i]) <= near)
            alike &= (np.abs(right - right[i]) <= near) & (np.abs(bottom - bottom[i]) <= near) & (result < 0)
            result[alike] = count
            open_ends += np.flatnonzero(alike).tolist()
        count += 1
    return result


def _is_inside(i: int, means_G4: NDArray[np.int64], members_G: NDArray[np.int64], threshold: int, eps: float) -> bool:
    """Whether an object lies within another that has more windows, and more than three."""
    left, top, width, height = means_G4.T
    across, down = np.rint(width * eps).astype(np.int64), np.rint(height * eps).astype(np.int64)
    inside = (left[i] >= left - across) & (top[i] >= top - down)
    inside &= left[i] + width[i] <= left + width + across
    inside &= top[i] + height[i] <= top + height + down
    inside &= (members_G > threshold) & ((members_G > max(3, members_G[i])) | (members_G[i] < 3))
    inside[i] = False
    return bool(inside.any())
