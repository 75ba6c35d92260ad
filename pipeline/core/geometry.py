"""Boxes as arrays: overlap, suppression, margins. Shapes: `boxes_N4` is (N, 4) of left, top, right, bottom."""

import numpy as np
from numpy.typing import NDArray

from pipeline.core.places import Box


def as_array(boxes: list[Box]) -> NDArray[np.float64]:
    """Returns (N, 4) float64 of left, top, right, bottom, in the order given."""
    return np.array([(b.left, b.top, b.right, b.bottom) for b in boxes], dtype=np.float64).reshape(-1, 4)


def iou_matrix(boxes_N4: NDArray[np.float64], others_M4: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of every box with every other: (N, M), 0 to 1."""
    left_top = np.maximum(boxes_N4[:, None, :2], others_M4[None, :, :2])
    right_bottom = np.minimum(boxes_N4[:, None, 2:], others_M4[None, :, 2:])
    shared = np.clip(right_bottom - left_top, 0, None).prod(axis=2)
    area = (boxes_N4[:, 2:] - boxes_N4[:, :2]).prod(axis=1)
    other_area = (others_M4[:, 2:] - others_M4[:, :2]).prod(axis=1)
    union = area[:, None] + other_area[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    return float(iou_matrix(as_array([a]), as_array([b]))[0, 0])


def clip(box: Box, width: int, height: int) -> Box | None:
    """The part of `box` inside a `width` x `height` frame; None where nothing is left."""
    left, top = max(box.left, 0), max(box.top, 0)
    right, bottom = min(box.right, width), min(box.bottom, height)
    if right <= left or bottom <= top:
        return None
    return Box(left=left, top=top, right=right, bottom=bottom)


def overlap(a: Box, b: Box) -> bool:
    """Whether two boxes share a pixel."""
    return a.left < b.right and b.left < a.right and a.top < b.bottom and b.top < a.bottom


def grow(box: Box, margin_fraction: float) -> Box:
    """`box` with `margin_fraction` of its width (height) added on each side; not clipped."""
    dx, dy = round(box.width * margin_fraction), round(box.height * margin_fraction)
    return Box(left=box.left - dx, top=box.top - dy, right=box.right + dx, bottom=box.bottom + dy)


def match_greedily(iou_NM: NDArray[np.float64], scores_N: NDArray[np.float64], threshold: float) -> NDArray[np.int64]:
    """For each of N detections the index of the truth it takes, or -1: best score first, each truth taken once.

    The rule of PASCAL VOC (Everingham et al. 2010), with the best *free* truth instead of the best one.
    """
    taken = np.full(iou_NM.shape[0], -1, dtype=np.int64)
    free = iou_NM.copy()
    for i in np.argsort(-scores_N, kind="stable"):
        if free.shape[1] == 0:
            break
        j = int(free[i].argmax())
        if free[i, j] >= threshold:
            taken[i] = j
            free[:, j] = -1.0
    return taken
