"""Variations of a face: what a detector's grid, a moving head, another light and another pen do to it: few boxes become enough."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import UsageError
from pipeline.core.images import Luma

THINNER_SHARE = 0.25
"""how much less lines become thinner than thicker: thin ones are soon gone, and the face with them"""
_HIGHEST = {
    "shift_fraction": 0.5, "scale_fraction": 0.5, "rotation_degrees": 180.0, "contrast_fraction": 0.9,
    "brightness_levels": 255.0, "gamma_fraction": 2.0, "line_fraction": 0.2, "background_share": 1.0,
}  # fmt: skip
"""of each option"""


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
    gamma_fraction: float = 0.25
    """darker or lighter in the middle tones: the exponent is e to this"""
    line_fraction: float = 0.02
    """of the face's width: dark lines thicker by this on each side, or thinner by THINNER_SHARE of it"""
    background_share: float = 0.25
    """of the variations show the face before another piece of the same pictures"""

    def __post_init__(self) -> None:
        for name, highest in _HIGHEST.items():
            value = getattr(self, name)
            if not 0 <= value <= highest:
                raise UsageError(f"augment {name} must be 0 to {highest:g}, got {value:g}")

    @property
    def mild(self) -> "AugmentOptions":
        """Without what is invented: only what a detector's grid and a moving head do."""
        return replace(
            self, contrast_fraction=0, brightness_levels=0, gamma_fraction=0, line_fraction=0, background_share=0
        )


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
    gamma: float = 1.0
    line: float = 0.0
    """by how much dark lines are thicker on each side, as a fraction of the region's width; below zero thinner"""
    backdrop: bool = False
    """whether another background is behind the face"""


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
    right, down, scale, degrees, contrast, brightness, gamma, line = random.uniform(-1.0, 1.0, size=8).tolist()
    return Variation(
        right=right * options.shift_fraction,
        down=down * options.shift_fraction,
        scale=1.0 + scale * options.scale_fraction,
        degrees=degrees * options.rotation_degrees,
        mirrored=options.mirror and bool(random.random() < 0.5),
        contrast=1.0 + contrast * options.contrast_fraction,
        brightness=brightness * options.brightness_levels,
        gamma=math.exp(gamma * options.gamma_fraction),
        line=line * options.line_fraction * (1.0 if line > 0 else THINNER_SHARE),
        backdrop=bool(random.random() < options.background_share),
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

    It samples as the detector does, which shrinks its images by linear interpolation without smoothing them first: a
    window pixel is what lies at its centre in the image, however large the region is. `variation.line` and
    `variation.backdrop` are not applied here, see `cascades.sampling.redraw`.
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
    if variation.contrast == 1.0 and variation.brightness == 0.0 and variation.gamma == 1.0:
        return window_HW
    levels = np.arange(256, dtype=np.float64)
    bent: NDArray[np.float64] = 255.0 * (levels / 255.0) ** variation.gamma
    mean = bent[window_HW].mean()
    lit = (bent - mean) * variation.contrast + mean + variation.brightness
    return np.asarray(np.clip(np.rint(lit), 0, 255).astype(np.uint8)[window_HW])
