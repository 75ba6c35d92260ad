"""Frames -> cuts and held drawings, while they stream by.

Cuts come from PySceneDetect's detectors, fed with small pictures from the one decode: AdaptiveDetector for hard cuts
(content change against its neighbours, HSV) and ThresholdDetector for fades through black. A hold is a run of frames
that show one drawing: every frame is compared with the first of its run.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pipeline.core.errors import UsageError
from pipeline.core.images import RGB, Luma

if TYPE_CHECKING:
    from scenedetect.detector import SceneDetector

DETECTORS = ("adaptive", "content", "histogram", "threshold")
NOMINAL_FPS = 24.0
"""PySceneDetect counts frames in a time code; only the count is used, so that variable frame rates stay exact"""
BLACK = 12.0
"""grey levels; mean below which a frame counts as black, as PySceneDetect's ThresholdDetector has it"""
LOOKAHEAD = 4
"""drawings that a detector of hard cuts looks ahead at most"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotOptions:
    """How cuts and holds are found."""

    detectors: tuple[str, ...] = ("adaptive", "threshold")
    """of DETECTORS, their cuts united"""
    min_shot_frames: int = 10
    """a cut closer to the one before is passed over"""
    small_width: int = 160
    """pixels; the picture that cuts and holds are judged on"""
    hold_tolerance: float = 4.0
    """grey levels; largest mean difference of a 1/16 block that still is the same drawing"""

    def __post_init__(self) -> None:
        unknown = set(self.detectors) - set(DETECTORS)
        if unknown or not self.detectors:
            raise UsageError(
                f"shot detectors must be of {', '.join(DETECTORS)}; got {', '.join(self.detectors) or 'none'}"
            )
        if self.min_shot_frames < 1 or self.small_width < 32 or self.hold_tolerance < 0:
            raise UsageError("min_shot_frames must be >= 1, small_width >= 32 and hold_tolerance >= 0")


class CutFinder:
    """Takes small frames in order and tells cuts: a cut is the index of a new shot's first frame.

    The detectors see drawings, not frames: between two drawings held on threes lie frames without any change, beside
    which each step of a pan looks like a cut. A cut always brings a new drawing, so none is lost.

    Black belongs to the shot before it: a cut into black (the end of a fade) is none, the one out of it is.
    Of two cuts closer than `min_shot_frames` the hard one is kept before the fade, else the earlier.
    """

    def __init__(self, options: ShotOptions) -> None:
        self.options = options
        self._detectors = [(name, _detector(name)) for name in options.detectors]
        self._index = -1
        self._starts: list[int] = []
        self._last: RGB | None = None
        self._black: set[int] = set()
        self._last_cut = 0
        self._waiting: tuple[int, bool] | None = None

    def push(self, small_HW3: RGB, new_drawing: bool) -> list[int]:
        """Takes the next frame and whether it shows another drawing; returns cuts known now, ascending.

        They lie some drawings back: the detectors look ahead.
        """
        self._index += 1
        if not new_drawing:
            return []
        return self._accept(self._show(small_HW3), self._index)

    def finish(self) -> list[int]:
        """Cuts that were still held back when the frames ended."""
        if self._last is None:
            return []
        found = [cut for _ in range(LOOKAHEAD) for cut in self._show(self._last)]  # the last drawing, held for ever
        return self._accept(found, self._index + 2 * self.options.min_shot_frames)

    def _show(self, small_HW3: RGB) -> list[tuple[int, bool]]:
        """Shows a drawing to the detectors; their cuts as (first frame, whether it is hard)."""
        from scenedetect.common import FrameTimecode

        self._last = small_HW3
        drawing = len(self._starts)
        self._starts.append(self._index)
        picture_bgr = np.ascontiguousarray(small_HW3[..., ::-1])
        if picture_bgr.mean() < BLACK:
            self._black.add(self._index)
        when = FrameTimecode(drawing, fps=NOMINAL_FPS)
        return [
            (self._starts[cut.frame_num], name != "threshold")
            for name, detector in self._detectors
            for cut in detector.process_frame(when, picture_bgr)
        ]

    def _accept(self, found: list[tuple[int, bool]], known_until: int) -> list[int]:
        """Cuts that nothing found later can replace."""
        accepted = []
        for cut, hard in sorted(found):
            if cut in self._black:
                continue
            if self._waiting and cut - self._waiting[0] >= self.options.min_shot_frames:
                accepted.append(self._take())
            if self._waiting:
                self._waiting = (cut, True) if hard and not self._waiting[1] else self._waiting
            elif cut - self._last_cut >= self.options.min_shot_frames:
                self._waiting = (cut, hard)
        settled = self._starts[-LOOKAHEAD - 1] if len(self._starts) > LOOKAHEAD else 0
        if self._waiting and min(known_until, settled) - self._waiting[0] >= self.options.min_shot_frames:
            accepted.append(self._take())
        return accepted

    def _take(self) -> int:
        assert self._waiting is not None
        self._last_cut, self._waiting = self._waiting[0], None
        return self._last_cut


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
            blocks = cv2.resize(difference, (16, 16), interpolation=cv2.INTER_AREA)
            if float(blocks.max()) <= self.options.hold_tolerance:
                return False
        self._first = luma
        return True


def _detector(name: str) -> "SceneDetector":
    from scenedetect.detectors import AdaptiveDetector, ContentDetector, HistogramDetector, ThresholdDetector

    if name == "adaptive":
        return AdaptiveDetector(min_scene_len=1)  # its cuts are thinned out here, where all detectors' are known
    if name == "content":
        return ContentDetector(min_scene_len=1)
    if name == "histogram":
        return HistogramDetector(min_scene_len=1)
    # fade_bias 1: the black belongs to the shot before, the new shot begins where its picture appears
    return ThresholdDetector(min_scene_len=1, fade_bias=1.0)
