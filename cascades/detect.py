"""Finds faces on images with `cv2.CascadeClassifier`, and groups and scores what it finds ourselves.

OpenCV gives every window that passes all stages. Each counts by its strength: what its sums exceed the thresholds by,
over all stages, as a share of the most that the cascade can give, 0 to 1. Windows that overlap are one face: its box is
their mean weighted by strength, its score the sum of their strengths, so that many sure windows count for more. Scores
are made even over sizes and scale factors (windows lie less densely on some). A score is no probability.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascades.apply import WindowJudge
from cascades.model import CascadeModel, Stage
from cascades.negatives import FINE_SCALE, shrink
from cascades.xml import read_xml, write_xml
from pipeline.core.errors import CascadeError, MissingToolError, UsageError
from pipeline.core.geometry import iou_matrix
from pipeline.core.images import RGB, Luma, luma_of
from pipeline.core.records import Box

WEAKEST = 0.01
"""strength of a window that just passes"""
USUAL_SCALE_FACTOR = 1.1
"""scores are as if searched with this one"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectOptions:
    """Which faces are looked for, and when windows are one face."""

    scale_factor: float = 1.1
    """between two sizes that are searched"""
    min_face_px: int = 0
    """longer side of the smallest face, pixels; 0 for as small as the window"""
    max_face_px: int = 0
    """longer side of the largest face, pixels; 0 for as large as the image"""
    min_neighbors: int = 3
    """windows that a face needs"""
    min_score: float = 4.0
    """sum of the strengths of the windows that a face needs"""
    group_iou: float = 0.5
    """windows that overlap the best one of a group by this are in it"""
    nms_overlap: float = 0.4
    """of two faces of one cascade the lower is dropped when they share this much of the smaller one"""

    def __post_init__(self) -> None:
        if not 1.01 <= self.scale_factor <= 2.0:
            raise UsageError(f"scale_factor must be 1.01 to 2, got {self.scale_factor:g}")
        if self.min_face_px < 0 or self.max_face_px < 0 or 0 < self.max_face_px < self.min_face_px:
            raise UsageError(
                f"face sizes must be 0 or more and the smallest below the largest, got {self.min_face_px} to {self.max_face_px}"
            )
        if self.min_neighbors < 1:
            raise UsageError(f"min_neighbors must be 1 or more, got {self.min_neighbors}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedCascade:
    """A cascade ready to be sent anywhere: its XML and whose face it finds."""

    character: str
    """whom it finds"""
    digest: str
    """SHA-256 of the XML"""
    content: bytes
    """the XML"""


@dataclass(frozen=True, slots=True)
class Finds:
    """What one cascade found on one image, best first."""

    character: str
    digest: str
    boxes: NDArray[np.int64]
    """left, top, right, bottom of the face, pixels, inside the image"""
    scores: NDArray[np.float64]
    """above zero"""


@dataclass(frozen=True, slots=True)
class RawWindows:
    """Windows that pass all stages, the strongest first, in an order that does not depend on threads."""

    boxes: NDArray[np.float64]
    """left, top, right, bottom of the window, pixels"""
    strengths: NDArray[np.float64]
    """above zero"""


class Detector:
    """Runs cascades over images. It can be pickled; each process builds its own classifiers.

    Raises:
        CascadeError: an XML is broken or OpenCV does not take it.
        MissingToolError: the installed OpenCV has no CascadeClassifier.
    """

    def __init__(self, cascades: Sequence[LoadedCascade], options: DetectOptions = DetectOptions()) -> None:
        self.cascades, self.options = tuple(cascades), options
        self._searches = [_Search(cascade, options) for cascade in self.cascades]

    def __reduce__(self) -> tuple[Any, ...]:
        return Detector, (self.cascades, self.options)

    def detect(self, image_HW3: RGB) -> list[Finds]:
        """What each cascade found, in the order of the cascades."""
        grey = luma_of(image_HW3)
        return [search.run(grey) for search in self._searches]

    def find(self, image_HW3: RGB) -> list[tuple[Box, str, str, float]]:
        """Box, character, digest of the cascade and score of each face; by cascade, best first."""
        return [
            (Box(left=left, top=top, right=right, bottom=bottom), finds.character, finds.digest, score)
            for finds in self.detect(image_HW3)
            for (left, top, right, bottom), score in zip(finds.boxes.tolist(), finds.scores.tolist(), strict=True)
        ]


class _Search:
    """One cascade with its classifier."""

    def __init__(self, cascade: LoadedCascade, options: DetectOptions) -> None:
        self.cascade, self.options = cascade, options
        self.model = read_xml(cascade.content, cascade.character or cascade.digest[:12])
        self.classifier = _classifier(self.model)
        self.judge = WindowJudge(self.model) if self.model.kind == "HAAR" and self.model.is_upright_stumps else None
        self.evenness = math.log(options.scale_factor) / math.log(USUAL_SCALE_FACTOR)

    def run(self, grey_HW: Luma) -> Finds:
        groups = group_windows(self.raw(grey_HW), self.options.group_iou)
        enough = (groups.members >= self.options.min_neighbors) & (groups.scores >= self.options.min_score)
        boxes, scores = self._faces(groups.boxes[enough], grey_HW), groups.scores[enough]
        kept = suppress(boxes, scores, self.options.nms_overlap)
        return Finds(self.cascade.character, self.cascade.digest, np.rint(boxes[kept]).astype(np.int64), scores[kept])

    def raw(self, grey_HW: Luma) -> RawWindows:
        """Every window that passes."""
        windows, _, sums = self.classifier.detectMultiScale3(
            grey_HW,
            scaleFactor=self.options.scale_factor,
            minNeighbors=0,  # ungrouped
            minSize=self._window(self.options.min_face_px),
            maxSize=self._window(self.options.max_face_px),
            outputRejectLevels=True,
        )
        places = np.asarray(windows, dtype=np.int64).reshape(-1, 4)
        strengths, scales = np.full(len(places), WEAKEST), np.ones(len(places))
        for size in np.unique(places[:, 2:], axis=0):
            here = (places[:, 2:] == size).all(axis=1)
            scales[here] = self._scale_of(int(size[0]), int(size[1]))
            strengths[here] = self._strengths(
                grey_HW, places[here], float(scales[here][0]), np.asarray(sums).ravel()[here]
            )
        strengths = np.maximum(strengths, WEAKEST) * np.where(scales < FINE_SCALE, 4.0, 1.0) * self.evenness
        boxes = np.concatenate([places[:, :2], places[:, :2] + places[:, 2:]], axis=1).astype(np.float64)
        order = np.lexsort((boxes[:, 0], boxes[:, 1], boxes[:, 2] - boxes[:, 0], -strengths))
        return RawWindows(boxes[order], strengths[order])

    def _strengths(
        self, grey_HW: Luma, places_N4: NDArray[np.int64], scale: float, sums_N: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Of windows of one size. OpenCV tells the last stage's sum only, so all stages are run once more on these few."""
        if self.judge is None:
            last = self.model.stages[-1]
            return np.asarray((sums_N - last.threshold) / _most(last))
        level = shrink(grey_HW, round(grey_HW.shape[1] / scale), round(grey_HW.shape[0] / scale))
        most_x, most_y = level.shape[1] - self.model.width, level.shape[0] - self.model.height
        xs = np.clip(np.rint(places_N4[:, 0] / scale), 0, most_x).astype(np.int64)
        ys = np.clip(np.rint(places_N4[:, 1] / scale), 0, most_y).astype(np.int64)
        windows = np.stack(
            [level[y : y + self.model.height, x : x + self.model.width] for x, y in zip(xs, ys, strict=True)]
        )
        return np.asarray(self.judge.windows(windows).totals / sum(_most(stage) for stage in self.model.stages))

    def _scale_of(self, width: int, height: int) -> float:
        """OpenCV's scale for windows of that size: the first that is as large, as it clips windows to the image."""
        scale = 1.0
        while round(self.model.width * scale) < width or round(self.model.height * scale) < height:
            scale *= self.options.scale_factor
        return scale

    def _window(self, face_px: int) -> tuple[int, int]:
        """Size of the window around a face whose longer side is `face_px`; (0, 0) for no bound."""
        if face_px == 0:
            return (0, 0)
        left, top, right, bottom = self.model.face
        scale = face_px / max((right - left) * self.model.width, (bottom - top) * self.model.height)
        return max(round(self.model.width * scale), 1), max(round(self.model.height * scale), 1)

    def _faces(self, boxes_N4: NDArray[np.float64], grey_HW: Luma) -> NDArray[np.float64]:
        """From windows to the faces in them, inside the image."""
        sides = boxes_N4[:, 2:] - boxes_N4[:, :2]
        face = np.array(self.model.face)
        corners = boxes_N4[:, [0, 1, 0, 1]] + sides[:, [0, 1, 0, 1]] * face
        height, width = grey_HW.shape
        return np.asarray(np.clip(corners, 0, np.array([width, height, width, height])))


@dataclass(frozen=True, slots=True)
class Groups:
    """Windows taken together, best score first."""

    boxes: NDArray[np.float64]
    """(G, 4): mean of the windows, weighted by strength"""
    scores: NDArray[np.float64]
    """(G,): sum of the strengths"""
    members: NDArray[np.int64]
    """(G,): how many windows"""


def group_windows(raw: RawWindows, group_iou: float) -> Groups:
    """Windows into faces: the strongest one left takes all that overlap it by `group_iou`, and so on."""
    boxes, scores, members = [], [], []
    left = np.arange(len(raw.boxes))
    while len(left):
        near = iou_matrix(raw.boxes[left[:1]], raw.boxes[left])[0] >= group_iou
        near[0] = True
        group = left[near]
        weights = raw.strengths[group]
        boxes.append((raw.boxes[group] * weights[:, None]).sum(axis=0) / weights.sum())
        scores.append(weights.sum())
        members.append(len(group))
        left = left[~near]
    order = np.argsort(-np.array(scores), kind="stable")
    return Groups(
        np.array(boxes).reshape(-1, 4)[order], np.array(scores)[order], np.array(members, dtype=np.int64)[order]
    )


def suppress(boxes_N4: NDArray[np.float64], scores_N: NDArray[np.float64], overlap: float) -> NDArray[np.int64]:
    """Indices of the boxes to keep, best first: none shares more than `overlap` of its area, or of the better one's."""
    kept: list[int] = []
    for i in np.argsort(-scores_N, kind="stable"):
        if not kept or (_shared_fraction(boxes_N4[i], boxes_N4[kept]) <= overlap).all():
            kept.append(int(i))
    return np.array(kept, dtype=np.int64)


def _shared_fraction(box_4: NDArray[np.float64], others_M4: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of the smaller of two boxes the other covers."""
    left_top, right_bottom = np.maximum(box_4[:2], others_M4[:, :2]), np.minimum(box_4[2:], others_M4[:, 2:])
    shared = np.clip(right_bottom - left_top, 0, None).prod(axis=1)
    area, others = (box_4[2:] - box_4[:2]).prod(), (others_M4[:, 2:] - others_M4[:, :2]).prod(axis=1)
    return np.asarray(shared / np.maximum(np.minimum(area, others), 1e-9))


def _most(stage: Stage) -> float:
    """The largest margin that a window can have at a stage."""
    return max(sum(max(tree.leaves) for tree in stage.trees) - stage.threshold, 1e-6)


def _classifier(model: CascadeModel) -> Any:
    import cv2

    if not hasattr(cv2, "CascadeClassifier"):
        raise MissingToolError(
            f"OpenCV {cv2.__version__} as installed has no CascadeClassifier; run "
            "`pip uninstall -y opencv-python opencv-python-headless && pip install --force-reinstall opencv-contrib-python-headless`"
        )
    if len(model.stages) == 1:
        # With a single stage OpenCV reports windows it never looked at as found; the same stage twice decides the same.
        model = replace(model, stages=model.stages * 2)
    try:
        # From our own writing of it: OpenCV's parser never sees what others wrote.
        storage = cv2.FileStorage(write_xml(model).decode(), cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        classifier = cv2.CascadeClassifier()
        read = classifier.read(storage.getFirstTopLevelNode())
    except cv2.error as error:
        raise CascadeError(f"OpenCV does not take this cascade: {error}; fit or copy it again") from error
    if not read or classifier.empty():
        raise CascadeError("OpenCV does not take this cascade; fit or copy it again")
    return classifier
