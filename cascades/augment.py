"""Variations of a face: what a detector's grid, a moving head and another light do to it. Few boxes become enough."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.images import Luma


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentOptions:
    """How far a variation may go; each is drawn evenly between minus and plus this."""

    shift_fraction: float = 0.04
    """of the window's width and height"""
    scale_fraction: float = 0.08
    """larger or smaller by this"""
    rotation_degrees: float = 8.0
    """in the picture's plane"""
    mirror: bool = True
    """half of the variations are mirrored left to right"""
    contrast_fraction: float = 0.2
    """around the window's mean"""
    brightness_levels: float = 20.0
    """grey levels"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """One draw; the default changes nothing."""

    right: float = 0.0
    """shift, as a fraction of the window's width"""
    down: float = 0.0
    """shift, as a fraction of the window's height"""
    scale: float = 1.0
    """of the region that is cut; above 1 the face becomes smaller"""
    degrees: float = 0.0
    """anticlockwise"""
    mirrored: bool = False
    contrast: float = 1.0
    brightness: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Where a window lies in an image, in pixels; it may reach outside."""

    x: float
    """of the centre"""
    y: float
    """of the centre"""
    width: float
    height: float


def vary(random: np.random.Generator, options: AugmentOptions) -> Variation:
    """Draws a variation within the options' bounds."""
    right, down, scale, degrees, contrast, brightness = random.uniform(-1.0, 1.0, size=6)
    return Variation(
        right=right * options.shift_fraction,
        down=down * options.shift_fraction,
        scale=1.0 + scale * options.scale_fraction,
        degrees=degrees * options.rotation_degrees,
        mirrored=options.mirror and bool(random.random() < 0.5),
        contrast=1.0 + contrast * options.contrast_fraction,
        brightness=brightness * options.brightness_levels,
    )


def region_around(
    left: float, top: float, right: float, bottom: float, aspect: float, margin_fraction: float
) -> Region:
    """The smallest region of `aspect` (width over height) around a box, with `margin_fraction` of it more on each side."""
    width, height = right - left, bottom - top
    width, height = max(width, height * aspect), max(height, width / aspect)
    grown = 1.0 + 2.0 * margin_fraction
    return Region(x=(left + right) / 2, y=(top + bottom) / 2, width=width * grown, height=height * grown)


def cut_window(image_HW: Luma, region: Region, width: int, height: int, variation: Variation = Variation()) -> Luma:
    """The region as a (height, width) window, seen through `variation`; outside the image its edge goes on.

    It samples as the detector does: the image is halved while the region stays at least as large as the window, then
    interpolated linearly.
    """
    import cv2

    across = region.width * variation.scale / width
    down = region.height * variation.scale / height
    angle = math.radians(variation.degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    mirror = -1.0 if variation.mirrored else 1.0
    x = region.x + variation.right * region.width
    y = region.y + variation.down * region.height
    matrix = np.array([[cos * across * mirror, sin * down, 0.0], [-sin * across * mirror, cos * down, 0.0]])
    # pixel i of an image covers i to i + 1, so its centre is at i + 0.5
    matrix[:, 2] = np.array([x - 0.5, y - 0.5]) - matrix[:, :2] @ np.array([(width - 1) / 2, (height - 1) / 2])
    window = cv2.warpAffine(
        image_HW,
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return _relight(np.asarray(window, dtype=np.uint8), variation)


def _relight(window_HW: Luma, variation: Variation) -> Luma:
    if variation.contrast == 1.0 and variation.brightness == 0.0:
        return window_HW
    grey: NDArray[np.float64] = window_HW.astype(np.float64)
    mean = grey.mean()
    lit = (grey - mean) * variation.contrast + mean + variation.brightness
    return np.asarray(np.clip(np.rint(lit), 0, 255), dtype=np.uint8)
