"""Faces drawn otherwise: lines thicker or thinner, another background of the same show behind them.

Both work on the picture's own pixels, before the window is sampled from it, so that what comes out is shrunk as the
detector shrinks.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cascades.sampling.augment import Region, Variation, cut_window
from pipeline.core.images import Luma

AROUND = 0.45
"""of the region's sides, cut on each side of it so that it may be shifted and turned"""
CERTAIN_FACE = 0.95
"""radius of the ellipse that is surely face, in half sides of the box"""
CERTAIN_BACKGROUND = 1.2
"""radius from which on all is background"""
TRIES = 8
"""places that are tried for a piece of background without a face"""


@dataclass(slots=True)
class Backdrops:
    """Pictures that pieces of background are taken from, and where faces are in them."""

    images: list[Luma] = field(default_factory=list)
    faces: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, image_HW: Luma, faces_N4: NDArray[np.float64]) -> None:
        self.images.append(image_HW)
        self.faces.append(faces_N4)

    def piece(self, height: int, width: int, random: np.random.Generator) -> Luma | None:
        """A piece of that size from somewhere without a face; None where there is no picture, or only faces."""
        import cv2

        for _ in range(TRIES if self.images else 0):
            number = int(random.integers(len(self.images)))
            image = self.images[number]
            zoom = float(random.uniform(0.6, 1.6))
            h, w = (min(round(side * zoom), most) for side, most in zip((height, width), image.shape, strict=True))
            y, x = int(random.integers(image.shape[0] - h + 1)), int(random.integers(image.shape[1] - w + 1))
            faces = self.faces[number]
            apart = (x >= faces[:, 2]) | (x + w <= faces[:, 0]) | (y >= faces[:, 3]) | (y + h <= faces[:, 1])
            if min(h, w) > 1 and apart.all():
                piece = cv2.resize(image[y : y + h, x : x + w], (width, height), interpolation=cv2.INTER_LINEAR)
                return np.asarray(piece, dtype=np.uint8)
        return None


def cut_redrawn(
    image_HW: Luma,
    region: Region,
    face: tuple[float, float],
    size: tuple[int, int],
    variation: Variation,
    backdrops: Backdrops,
    random: np.random.Generator,
) -> Luma:
    """As `cut_window`, with the variation's line weight and, where it asks for one, another background.

    Args:
        image_HW: the picture.
        region: where the window is.
        face: width and height of the face's box in it, pixels; its centre is the region's.
        size: width and height of the window, pixels.
        variation: what is varied.
        backdrops: where backgrounds are taken from.
        random: which one is taken.
    """
    width, height = size
    if variation.line == 0.0 and not variation.backdrop:
        return cut_window(image_HW, region, width, height, variation)
    left, top = (
        max(math.floor(c - s * (0.5 + AROUND)), 0) for c, s in ((region.x, region.width), (region.y, region.height))
    )
    right = min(math.ceil(region.x + region.width * (0.5 + AROUND)), image_HW.shape[1])
    bottom = min(math.ceil(region.y + region.height * (0.5 + AROUND)), image_HW.shape[0])
    patch = image_HW[top:bottom, left:right]
    if min(patch.shape) < 2:
        return cut_window(image_HW, region, width, height, variation)
    x, y = region.x - left, region.y - top
    patch = with_line_weight(patch, variation.line * region.width)
    if variation.backdrop:
        behind = backdrops.piece(patch.shape[0], patch.shape[1], random)
        patch = patch if behind is None else _before(patch, behind, x, y, face)
    return cut_window(patch, Region(x=x, y=y, width=region.width, height=region.height), width, height, variation)


def with_line_weight(image_HW: Luma, pixels: float) -> Luma:
    """Dark strokes thicker by `pixels` on each side (thinner where below zero): grey-scale erosion, blended for fractions."""
    import cv2

    if abs(pixels) < 0.05:
        return image_HW
    reach = math.ceil(abs(pixels))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    changed = cv2.erode(image_HW, kernel) if pixels > 0 else cv2.dilate(image_HW, kernel)
    share = abs(pixels) / reach
    return np.asarray(cv2.addWeighted(changed, share, image_HW, 1 - share, 0), dtype=np.uint8)


def _before(patch_HW: Luma, behind_HW: Luma, x: float, y: float, face: tuple[float, float]) -> Luma:
    """The face before another background: an ellipse in its box, its edge soft."""
    rows, columns = (np.arange(n, dtype=np.float32) + 0.5 for n in patch_HW.shape)
    distance = np.hypot((columns[None, :] - x) / (face[0] / 2), (rows[:, None] - y) / (face[1] / 2))
    share = np.clip((CERTAIN_BACKGROUND - distance) / (CERTAIN_BACKGROUND - CERTAIN_FACE), 0, 1)
    mixed = behind_HW + share * (patch_HW.astype(np.float32) - behind_HW)
    return np.asarray(np.rint(mixed), dtype=np.uint8)
