"""Photographs made to look drawn, before a net is trained on them. The one module of train/ that talks to OpenCV.

All methods are deterministic. RGB goes in and comes out.
"""

from collections.abc import Callable
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import UsageError
from pipeline.core.images import RGB

Method = Literal["edges", "stylization", "smooth", "colours"]
METHODS: tuple[Method, ...] = get_args(Method)
DESCRIPTIONS: dict[Method, str] = {
    "edges": "bilateral filter, then black lines where an adaptive threshold finds edges",
    "stylization": "OpenCV's stylization",
    "smooth": "OpenCV's edge-preserving filter",
    "colours": "few flat colours, by k-means",
}
SIDE = 256
"""pictures are worked on at this length of their longer side at most: the filters' sizes are in pixels"""
DARKENED = 0.3
"""lines never take more of a picture's light; where they seem to, OpenCV has divided by nothing"""
Picture = NDArray[np.uint8]


def cartoonified(image_HW3: RGB, method: Method, strength: float = 0.5) -> RGB:
    """The picture as if drawn, (H, W, 3) uint8, at most SIDE pixels long.

    Args:
        image_HW3: RGB.
        method: of METHODS.
        strength: 0 leaves the picture as it is, 1 is the most.

    Raises:
        UsageError: no such method, or a strength outside 0 to 1.
    """
    if method not in METHODS:
        raise UsageError(f"there is no method {method!r} to cartoonify with; known are {', '.join(METHODS)}")
    if not 0.0 <= strength <= 1.0:
        raise UsageError(f"strength must be from 0 to 1, got {strength!r}")
    picture = _at_most(image_HW3, SIDE)
    if strength <= 0:
        return picture
    return np.ascontiguousarray(_METHODS[method](picture, strength))


def _at_most(image_HW3: RGB, side: int) -> RGB:
    height, width = image_HW3.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image_HW3
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image_HW3, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _edges(picture: Picture, strength: float) -> Picture:
    """Flat colours under lines: the bilateral filter (Tomasi & Manduchi 1998) and a threshold against the neighbourhood."""
    flat = picture
    for _ in range(1 + round(4 * strength)):
        flat = np.asarray(cv2.bilateralFilter(flat, d=5, sigmaColor=15 + 45 * strength, sigmaSpace=5), dtype=np.uint8)
    grey = cv2.medianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 3)
    block = max(3, min(picture.shape[:2]) // 12 | 1)
    lines = cv2.adaptiveThreshold(
        grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, block, 12 - 7 * strength
    )
    ink = (lines > 0)[..., None] * min(1.0, 0.4 + strength)
    return np.asarray(flat * (1 - ink), dtype=np.uint8)


def _stylization(picture: Picture, strength: float) -> Picture:
    """Gastal & Oliveira 2011, Domain transform for edge-aware image and video processing; mixed with the picture itself.

    OpenCV scales the lines by the strongest gradient that its filter leaves, so a picture without any comes out black: it
    is left as it is.
    """
    drawn = cv2.stylization(picture, sigma_s=60, sigma_r=0.45)
    if drawn.mean() < DARKENED * picture.mean():
        return picture
    return np.asarray(cv2.addWeighted(picture, 1 - strength, drawn, strength, 0), dtype=np.uint8)


def _smooth(picture: Picture, strength: float) -> Picture:
    """The same domain transform, without lines."""
    flat = cv2.edgePreservingFilter(
        picture, flags=cv2.RECURS_FILTER, sigma_s=10 + 50 * strength, sigma_r=0.1 + 0.3 * strength
    )
    return np.asarray(flat, dtype=np.uint8)


def _colours(picture: Picture, strength: float) -> Picture:
    """As few as 4 colours, as many as 24, found by k-means (Lloyd 1982) from centres spread over the sorted lightness."""
    count = round(24 - 20 * strength)
    pixels_P3 = cv2.bilateralFilter(picture, d=5, sigmaColor=40, sigmaSpace=5).reshape(-1, 3).astype(np.float32)
    order = np.argsort(pixels_P3.sum(axis=1), kind="stable")
    centres_K3 = pixels_P3[order[((np.arange(count) + 0.5) * len(order) / count).astype(np.int64)]]
    for _ in range(8):
        nearest_P = _distances(pixels_P3, centres_K3).argmin(axis=1)
        sizes_K = np.bincount(nearest_P, minlength=count)
        sums_K3 = np.stack([np.bincount(nearest_P, pixels_P3[:, c], count) for c in range(3)], axis=1)
        centres_K3 = np.where(sizes_K[:, None] > 0, sums_K3 / np.maximum(sizes_K, 1)[:, None], centres_K3)
        centres_K3 = centres_K3.astype(np.float32)
    return np.asarray(np.rint(centres_K3[nearest_P]), dtype=np.uint8).reshape(picture.shape)


def _distances(pixels_P3: NDArray[np.float32], centres_K3: NDArray[np.float32]) -> NDArray[np.float32]:
    """(P, K) squared distances, without a matrix product, whose last bits depend on the number of threads."""
    parts = [np.subtract.outer(pixels_P3[:, c], centres_K3[:, c]) ** 2 for c in range(3)]
    return np.asarray(parts[0] + parts[1] + parts[2], dtype=np.float32)


_METHODS: dict[Method, Callable[[Picture, float], Picture]] = {
    "edges": _edges, "stylization": _stylization, "smooth": _smooth, "colours": _colours,
}  # fmt: skip
