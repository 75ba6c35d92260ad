"""Held drawings: a hold is a run of frames that show one drawing (animation on twos, threes, or a long hold).

Every frame is compared with the first of its run, so that slow movement adds up. Averages over small blocks let a
codec's noise pass, which is spread out and changes its sign, and keep a blinking eye, which is small and strong.
"""

import cv2
import numpy as np

from pipeline.core.images import RGB, Luma
from pipeline.shots.options import ShotOptions

BLOCK = 5
"""pixels of the small picture, each way"""


class HoldFinder:
    """Takes small frames in order and tells whether each begins a new drawing."""

    def __init__(self, options: ShotOptions) -> None:
        self.options = options
        self._first: Luma | None = None

    def push(self, small_HW3: RGB) -> bool:
        """Takes the next frame; True when it shows another drawing than the frames before it."""
        luma = np.asarray(cv2.cvtColor(small_HW3, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        if self._first is not None and self._first.shape == luma.shape:
            difference = cv2.absdiff(luma, self._first)
            size = max(1, luma.shape[1] // BLOCK), max(1, luma.shape[0] // BLOCK)
            blocks = cv2.resize(difference, size, interpolation=cv2.INTER_AREA)
            if cv2.minMaxLoc(blocks)[1] <= self.options.hold_tolerance:
                return False
        self._first = luma
        return True
