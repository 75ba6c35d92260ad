"""What can be chosen about cuts and holds, and the small picture that both are judged on."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.core.errors import UsageError
from pipeline.core.images import RGB

HARD_DETECTORS = ("adaptive", "content", "histogram", "threshold")
"""PySceneDetect's; all but the last find hard cuts, the last finds fades through black"""
DETECTORS = (*HARD_DETECTORS, "blend")
"""`blend` is our own: dissolves, and fades through any one colour"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotOptions:
    """How cuts and holds are found."""

    detectors: tuple[str, ...] = ("adaptive", "content", "threshold", "blend")
    """of DETECTORS, their cuts united"""
    confirm: bool = True
    """whether a hard cut counts only where the scene really is another one: pans, bursts of movement and flashes are
    passed over"""
    min_shot_frames: int = 10
    """a cut closer to the one before is passed over"""
    small_width: int = 160
    """pixels; the picture that cuts and holds are judged on"""
    hold_tolerance: float = 5.0
    """grey levels; largest difference of the mean of 7x7 small pixels that still is the same drawing"""

    def __post_init__(self) -> None:
        unknown = set(self.detectors) - set(DETECTORS)
        if unknown or not self.detectors:
            raise UsageError(
                f"shot detectors must be of {', '.join(DETECTORS)}; got {', '.join(self.detectors) or 'none'}"
            )
        if self.min_shot_frames < 1 or self.small_width < 32 or self.hold_tolerance < 0:
            raise UsageError("min_shot_frames must be >= 1, small_width >= 32 and hold_tolerance >= 0")


def shrink(image_HW3: RGB, width: int) -> RGB:
    """The picture at `width` pixels (never enlarged), aspect kept, area-averaged."""
    if image_HW3.shape[1] <= width:
        return image_HW3
    height = max(8, round(image_HW3.shape[0] * width / image_HW3.shape[1]))
    return np.asarray(cv2.resize(image_HW3, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
