"""PySceneDetect's detectors, fed with drawings instead of files.

Between two drawings held on threes lie frames without any change, beside which each step of a pan looks like a cut: so
the detectors see drawings, not frames. A cut always brings a new drawing, so none is lost.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from pipeline.core.images import RGB

if TYPE_CHECKING:
    from scenedetect.common import FrameTimecode
    from scenedetect.detector import SceneDetector

NOMINAL_FPS = 24.0
"""PySceneDetect counts frames in a time code; only the count is used, so that variable frame rates stay exact"""
LOOKAHEAD = 4
"""drawings that a detector looks ahead at most"""


class Detectors:
    """Takes drawings in order; tells cuts by the number of the drawing that begins the new shot."""

    def __init__(self, names: tuple[str, ...]) -> None:
        scores = _ContentScores()
        self._detectors = [(name, _detector(name, scores)) for name in names]
        self._count = 0

    def push(self, small_HW3: RGB) -> list[tuple[int, str]]:
        """Takes the next drawing; (drawing, name of the detector) of the cuts known now, at most LOOKAHEAD back."""
        if not self._detectors:
            return []
        picture_bgr = np.asarray(cv2.cvtColor(small_HW3, cv2.COLOR_RGB2BGR))
        found = []
        for name, detector in self._detectors:
            if name == "threshold":  # it makes time codes of its own; of a picture it asks the mean alone
                mean = np.array(cv2.mean(picture_bgr)[:3])
                found += [(cut.frame_num, name) for cut in detector.process_frame(self._time_code(), mean)]
            else:  # the others subtract and compare: counting does
                found += [(int(cut), name) for cut in detector.process_frame(self._count, picture_bgr)]
        self._count += 1
        return found

    def _time_code(self) -> "FrameTimecode":
        from scenedetect.common import FrameTimecode

        return FrameTimecode(self._count, fps=NOMINAL_FPS)


class _ContentScores:
    """What ContentDetector computes per frame, once for all detectors, and without its wide integers."""

    def __init__(self) -> None:
        self._seen: Any = None
        self._planes: Any = None
        self._score = 0.0

    def score(self, picture_bgr: RGB) -> float:
        if picture_bgr is not self._seen:
            hsv = cv2.cvtColor(picture_bgr, cv2.COLOR_BGR2HSV)
            if self._planes is not None and self._planes.shape == hsv.shape:
                self._score = cv2.norm(hsv, self._planes, cv2.NORM_L1) / hsv.size
            self._seen, self._planes = picture_bgr, hsv
        return self._score


@cache
def _content_classes() -> tuple[type[Any], type[Any]]:
    """AdaptiveDetector and ContentDetector whose frame score comes from a shared _ContentScores; the same numbers."""
    from scenedetect.detectors import AdaptiveDetector, ContentDetector

    class Adaptive(AdaptiveDetector):  # type: ignore[misc]
        def __init__(self, scores: _ContentScores) -> None:
            super().__init__(min_scene_len=1)  # its cuts are thinned out where all detectors' are known
            self._scores = scores

        def _calculate_frame_score(self, timecode: Any, frame_img: RGB) -> float:
            return self._scores.score(frame_img)

    class Content(ContentDetector):  # type: ignore[misc]
        def __init__(self, scores: _ContentScores) -> None:
            super().__init__(min_scene_len=0)
            self._scores = scores

        def _calculate_frame_score(self, timecode: Any, frame_img: RGB) -> float:
            return self._scores.score(frame_img)

    return Adaptive, Content


def _detector(name: str, scores: _ContentScores) -> "SceneDetector":
    from scenedetect.detectors import HistogramDetector, ThresholdDetector

    if name == "histogram":
        return HistogramDetector(min_scene_len=1)
    if name == "threshold":  # fade_bias 1: the black belongs to the shot before, the new one begins with its picture
        return ThresholdDetector(min_scene_len=1, fade_bias=1.0)
    adaptive, content = _content_classes()
    return adaptive(scores) if name == "adaptive" else content(scores)
