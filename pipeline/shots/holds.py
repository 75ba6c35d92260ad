"""Held drawings: a hold is a run of frames that show one drawing (animation on twos, threes, or a long hold).

Every frame is compared with the first of its run, so that slow movement adds up. Both are averaged over small squares
before, signs and all: a codec's noise around the lines cancels out there, and a blinking eye, which is small but of one
sign, does not.
"""

import cv2
import numpy as np

from pipeline.core.images import RGB, Luma
from pipeline.shots.options import ShotOptions

SQUARE = 7
"""pixels of the small picture, each way"""


class HoldFinder:
    """Takes small frames in order and tells whether each begins a new drawing."""

    def __init__(self, options: ShotOptions) -> None:
        self.options = options
        self._first: Luma | None = None

    def push(self, small_HW3: RGB) -> bool:
        """Takes the next frame; True when it shows another drawing than the frames before it."""
        luma = cv2.blur(cv2.cvtColor(small_HW3, cv2.COLOR_RGB2GRAY), (SQUARE, SQUARE))
        if (
            self._first is not None
            and self._first.shape == luma.shape
            and cv2.norm(luma, self._first, cv2.NORM_INF) <= self.options.hold_tolerance
        ):
            return False
        self._first = np.asarray(luma, dtype=np.uint8)
        return True
