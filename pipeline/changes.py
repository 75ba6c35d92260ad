"""What of a picture is not as it was when it was last searched.

Cartoons move in parts: a mouth, an arm, a figure before a still background. What did not change need not be searched
again, and its faces are where they were.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import UsageError
from pipeline.core.images import RGB
from pipeline.core.places import Box


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOptions:
    """What counts as a change."""

    tolerance: float = 8.0
    """grey levels of the most different channel, averaged over 3x3 small pixels; noise of the encoding stays below"""
    whole_fraction: float = 0.5
    """of the picture; where more than this changed, all of it counts as changed"""

    def __post_init__(self) -> None:
        if self.tolerance < 0 or not 0 <= self.whole_fraction <= 1:
            raise UsageError("change tolerance must be >= 0 and whole_fraction in [0, 1]")


class ChangeFinder:
    """Compares small pictures with what was seen of each of their pixels when it was last searched."""

    def __init__(self, options: ChangeOptions) -> None:
        self.options = options
        self._searched: RGB | None = None

    def changed(self, small_HW3: RGB, width: int, height: int) -> list[Box] | None:
        """Boxes that cover every change, in pixels of the whole picture of `width` x `height`; None for all of it.

        Call `searched` with the same picture once these boxes are searched.
        """
        if self._searched is None or self._searched.shape != small_HW3.shape:
            return None
        mask = self._mask(small_HW3)
        if not mask.any():
            return []
        _, _, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(mask, np.ones((5, 5), np.uint8)))
        left, top, wide, high = (stats[1:, n].astype(np.int64) for n in range(4))
        if (wide * high).sum() > self.options.whole_fraction * mask.size:
            return None
        across, down = width / mask.shape[1], height / mask.shape[0]
        return [
            Box(left=int(x * across), top=int(y * down), right=int(np.ceil((x + w) * across)), bottom=int(np.ceil((y + h) * down)))
            for x, y, w, h in zip(left.tolist(), top.tolist(), wide.tolist(), high.tolist(), strict=True)
        ]  # fmt: skip

    def searched(self, small_HW3: RGB) -> None:
        """Remembers the pixels that changed as they are now; the others keep what was seen then, so that a slow drift adds up."""
        if self._searched is None or self._searched.shape != small_HW3.shape:
            self._searched = small_HW3.copy()
            return
        changed = cv2.dilate(self._mask(small_HW3), np.ones((5, 5), np.uint8)).astype(bool)
        self._searched[changed] = small_HW3[changed]

    def forget(self) -> None:
        """Takes the next picture for one that was never seen."""
        self._searched = None

    def _mask(self, small_HW3: RGB) -> NDArray[np.uint8]:
        assert self._searched is not None
        red, green, blue = cv2.split(cv2.absdiff(small_HW3, self._searched))
        smooth = cv2.blur(cv2.max(cv2.max(red, green), blue).astype(np.float32), (3, 3))
        return np.asarray(smooth > self.options.tolerance, dtype=np.uint8)
