"""Finds faces on images: every window that passes all stages of a cascade, grouped and scored.

Windows come from `cascades.scan`, the same as `cv2.CascadeClassifier` finds; no CascadeClassifier is needed. Each counts
by its strength: what its sums exceed the thresholds by, over all stages, as a share of the most that the cascade can
give, 0 to 1. Windows that overlap are one face: its box is their mean weighted by strength, its score the sum of their
strengths, so that many sure windows count for more. Scores are made even over sizes and scale factors (windows lie less
densely on some). Where a cascade has a verifier (`cascades.verifier.model`), every face is looked at once more, in colour, and
scored by that; on both scales a face is likelier than not from about `USUAL_MIN_SCORE` on. A score is no probability.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cascades.looked_for import USUAL_MIN_SCORE, DetectOptions, LoadedCascade, Region
from cascades.model import CascadeModel, Stage
from cascades.scan.fast import FastScanner
from cascades.scan.grouping import group_like_opencv
from cascades.scan.overlaps import group_by_strongest
from cascades.scan.pyramid import FINE_SCALE
from cascades.scan.regions import Region as WindowRegion
from cascades.scan.search import Hits, Scanner, ScanOptions
from cascades.verifier.model import read_verifier
from cascades.xml import read_xml
from pipeline.core.images import RGB, Luma, luma_of
from pipeline.core.places import Box

if TYPE_CHECKING:
    from cascades.on_torch.scanner import TorchScanner

WEAKEST = 0.01
"""strength of a window that just passes"""
USUAL_SCALE_FACTOR = 1.1
"""scores are as if searched with this one"""
TOUCH_MARGIN = 0.2
"""of a face's size; how far from the face the windows lie that find it"""
MOST_VERIFIED = 200
"""faces of an image, the best by the cascade, that its verifier looks at"""
USUAL = DetectOptions()
STRENGTH_WEIGHT = 0.5
"""of the logarithm of the cascade's own score, beside the verifier's evidence"""


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
    """Runs cascades over images. It can be pickled; each process makes the cascades ready anew.

    Raises:
        CascadeError: an XML is broken.
    """

    def __init__(self, cascades: Sequence[LoadedCascade], options: DetectOptions = USUAL) -> None:
        self.cascades, self.options = tuple(cascades), options
        self._searches = [_Search(cascade, options) for cascade in self.cascades]
        self._scanner = _scanner([search.model for search in self._searches], options)

    def __reduce__(self) -> tuple[Any, ...]:
        return Detector, (self.cascades, self.options)

    @property
    def least(self) -> float:
        """The score that a face of the first cascade needs."""
        return self._searches[0].least if self._searches else self.options.min_score

    def detect(self, image_HW3: RGB) -> list[Finds]:
        """What each cascade found, in the order of the cascades."""
        return self.detect_batch([image_HW3])[0]

    def detect_batch(self, images: Sequence[RGB]) -> list[list[Finds]]:
        """The same for several images, which need not be of one size; all cores share their work."""
        greys = [luma_of(image) for image in images]
        found = self._scanner.scan_batch(greys, [search.scanning for search in self._searches])
        return [
            [search.finds(hits, image) for search, hits in zip(self._searches, of, strict=True)]
            for image, of in zip(images, found, strict=True)
        ]

    def raw(self, grey_HW: Luma) -> list[RawWindows]:
        """Every window that passes, by cascade."""
        found = self._scanner.scan(grey_HW, [search.scanning for search in self._searches])
        return [search.raw(hits) for search, hits in zip(self._searches, found, strict=True)]

    def detect_in(self, image_HW3: RGB, regions: Sequence[Region]) -> list[Finds]:
        """As `detect`, in some regions alone: the windows of the whole search whose face lies in one of them.

        It costs what the regions' area costs at their sizes. A face at the edge of a region is found by fewer windows
        than in the whole search and so scores lower: leave a margin of about a fifth of a face around, and in size.
        """
        grey = luma_of(image_HW3)
        wanted = [search.regions(regions) for search in self._searches]
        found = self._scanner.scan_regions(grey, wanted, [search.scanning for search in self._searches])
        return [search.finds(hits, image_HW3) for search, hits in zip(self._searches, found, strict=True)]

    def find(self, image_HW3: RGB, regions: Sequence[Region] | None = None) -> list[tuple[Box, str, str, float]]:
        """Box, character, digest of the cascade and score of each face; by cascade, best first.

        Where several cascades look for one character, a face that more than one finds comes once, with its best score.
        With `regions` only there, as `detect_in` does it.
        """
        by_cascade = self.detect(image_HW3) if regions is None else self.detect_in(image_HW3, regions)
        if self.options.grouping != "opencv":
            by_cascade = each_face_once(by_cascade, self.options.nms_overlap)
        return [
            (Box(left=left, top=top, right=right, bottom=bottom), finds.character, finds.digest, score)
            for finds in by_cascade
            for (left, top, right, bottom), score in zip(finds.boxes.tolist(), finds.scores.tolist(), strict=True)
        ]


def _scanner(models: list[CascadeModel], options: DetectOptions) -> "Scanner | FastScanner | TorchScanner":
    if options.device == "cpu":
        return FastScanner(models) if options.mode == "fast" else Scanner(models)
    from cascades.on_torch.scanner import TorchScanner

    return TorchScanner(models, options.device)


class _Search:
    """One cascade: which windows it wants, and what becomes of those that pass."""

    def __init__(self, cascade: LoadedCascade, options: DetectOptions) -> None:
        self.cascade, self.options = cascade, options
        self.model = read_xml(cascade.content, cascade.character or cascade.digest[:12])
        self.verifier = read_verifier(cascade.verifier) if cascade.verifier else None
        self.least = options.min_score if cascade.min_score is None else cascade.min_score
        self.evenness = math.log(options.scale_factor) / math.log(USUAL_SCALE_FACTOR)
        self.sums_all = self.model.kind == "HAAR" and self.model.is_upright_stumps
        self.most = sum(_most(stage) for stage in self.model.stages[0 if self.sums_all else -1 :])
        self.scanning = ScanOptions(
            scale_factor=options.scale_factor,
            smallest=self._window(options.min_face_px),
            largest=self._window(options.max_face_px),
        )

    def regions(self, regions: Sequence[Region]) -> list[WindowRegion]:
        """The same in terms of windows."""
        return [
            WindowRegion(
                left=region.box.left,
                top=region.box.top,
                right=region.box.right,
                bottom=region.box.bottom,
                smallest=self._window(region.min_face_px),
                largest=self._window(region.max_face_px),
                inner=self.model.face,
                touch=TOUCH_MARGIN if region.touching else None,
            )
            for region in regions
        ]

    def finds(self, hits: Hits, image_HW3: RGB) -> Finds:
        """Faces from windows."""
        size = (image_HW3.shape[1], image_HW3.shape[0])
        if self.options.grouping == "opencv":
            boxes, scores = self._as_opencv(hits)
            boxes, kept = self._faces(boxes, size), np.argsort(-scores, kind="stable")
        else:
            boxes, scores = self._by_score(hits) if self.verifier is None else self._verified(hits, image_HW3)
            boxes = self._faces(boxes, size)
            kept = suppress(boxes, scores, self.options.nms_overlap)
        return Finds(self.cascade.character, self.cascade.digest, np.rint(boxes[kept]).astype(np.int64), scores[kept])

    def raw(self, hits: Hits) -> RawWindows:
        """Windows with their strengths."""
        strengths = self._strengths(hits)
        boxes = np.concatenate([hits.boxes[:, :2], hits.boxes[:, :2] + hits.boxes[:, 2:]], axis=1).astype(np.float64)
        order = np.lexsort((boxes[:, 0], boxes[:, 1], boxes[:, 2] - boxes[:, 0], -strengths))
        return RawWindows(boxes[order], strengths[order])

    def _by_score(self, hits: Hits) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        groups = group_windows(self.raw(hits), self.options.group_iou)
        enough = (groups.members >= self.options.min_neighbors) & (groups.scores >= self.least)
        return groups.boxes[enough], groups.scores[enough]

    def _verified(self, hits: Hits, image_HW3: RGB) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """By what the verifier makes of them: `USUAL_MIN_SCORE` where a face is as likely as not, growing with the evidence."""
        assert self.verifier is not None
        groups = group_windows(self.raw(hits), self.options.group_iou)
        boxes, own = groups.boxes[:MOST_VERIFIED], groups.scores[:MOST_VERIFIED]
        faces = self._faces(boxes, (image_HW3.shape[1], image_HW3.shape[0]))
        evidence = self.verifier.evidence(image_HW3, faces) + STRENGTH_WEIGHT * np.log(np.maximum(own, WEAKEST))
        scores = USUAL_MIN_SCORE * np.logaddexp2(0.0, np.maximum(evidence, -30.0) / math.log(2.0))
        enough = scores >= self.least
        return boxes[enough], scores[enough]

    def _as_opencv(self, hits: Hits) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """OpenCV groups windows before it cuts them at the image's edge."""
        sides = np.rint(
            hits.scales.astype(np.float32)[:, None] * np.array([self.model.width, self.model.height], np.float32)
        )
        whole = np.concatenate([hits.boxes[:, :2], sides.astype(np.int64)], axis=1)
        groups = group_like_opencv(whole, self.options.min_neighbors)
        inside = groups.labels >= 0
        scores = np.bincount(groups.labels[inside], self._strengths(hits)[inside], minlength=len(groups.boxes))
        corners = np.concatenate([groups.boxes[:, :2], groups.boxes[:, :2] + groups.boxes[:, 2:]], axis=1)
        return corners.astype(np.float64), scores.astype(np.float64)

    def _strengths(self, hits: Hits) -> NDArray[np.float64]:
        """Upright Haar stumps by all their stages; others by the last one alone."""
        if not self.model.stages:
            shares = np.ones(len(hits.totals))
        elif self.sums_all:
            shares = hits.totals / self.most
        else:
            shares = (hits.lasts - self.model.stages[-1].threshold) / self.most
        return np.asarray(np.maximum(shares, WEAKEST) * np.where(hits.scales < FINE_SCALE, 4.0, 1.0) * self.evenness)

    def _window(self, face_px: int) -> tuple[int, int]:
        """Size of the window around a face whose longer side is `face_px`; (0, 0) for no bound."""
        if face_px == 0:
            return (0, 0)
        left, top, right, bottom = self.model.face
        scale = face_px / max((right - left) * self.model.width, (bottom - top) * self.model.height)
        return max(round(self.model.width * scale), 1), max(round(self.model.height * scale), 1)

    def _faces(self, boxes_N4: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
        """From windows to the faces in them, inside the image."""
        sides = boxes_N4[:, 2:] - boxes_N4[:, :2]
        face = np.array(self.model.face)
        corners = boxes_N4[:, [0, 1, 0, 1]] + sides[:, [0, 1, 0, 1]] * face
        return np.asarray(np.clip(corners, 0, np.array([*size, *size])))


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
    labels = np.empty(len(raw.boxes), dtype=np.int64)
    count = group_by_strongest(np.ascontiguousarray(raw.boxes, dtype=np.float64), group_iou, labels)
    scores = np.bincount(labels, raw.strengths, minlength=count)
    sums = [np.bincount(labels, raw.strengths * side, minlength=count) for side in raw.boxes.T]
    order = np.argsort(-scores, kind="stable")
    members = np.bincount(labels, minlength=count).astype(np.int64)
    boxes = np.stack(sums, axis=1) / scores[:, None]
    return Groups(np.asarray(boxes[order]), np.asarray(scores[order], dtype=np.float64), members[order])


def suppress(boxes_N4: NDArray[np.float64], scores_N: NDArray[np.float64], overlap: float) -> NDArray[np.int64]:
    """Indices of the boxes to keep, best first: none shares more than `overlap` of its area, or of the better one's."""
    kept: list[int] = []
    for i in np.argsort(-scores_N, kind="stable"):
        if not kept or (_shared_fraction(boxes_N4[i], boxes_N4[kept]) <= overlap).all():
            kept.append(int(i))
    return np.array(kept, dtype=np.int64)


def each_face_once(by_cascade: Sequence[Finds], overlap: float) -> list[Finds]:
    """Of faces that several cascades of one character find, by `suppress`, the best; nameless cascades are left alone."""
    once = list(by_cascade)
    for character in {finds.character for finds in by_cascade} - {""}:
        of = [number for number, finds in enumerate(by_cascade) if finds.character == character]
        if len(of) < 2:
            continue
        boxes = np.concatenate([by_cascade[number].boxes for number in of]).astype(np.float64)
        best = np.zeros(len(boxes), dtype=np.bool_)
        best[suppress(boxes, np.concatenate([by_cascade[number].scores for number in of]), overlap)] = True
        ends = np.cumsum([len(by_cascade[number].boxes) for number in of])
        for number, stays in zip(of, np.split(best, ends[:-1]), strict=True):
            finds = by_cascade[number]
            once[number] = replace(finds, boxes=finds.boxes[stays], scores=finds.scores[stays])
    return once


def _shared_fraction(box_4: NDArray[np.float64], others_M4: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of the smaller of two boxes the other covers."""
    left_top, right_bottom = np.maximum(box_4[:2], others_M4[:, :2]), np.minimum(box_4[2:], others_M4[:, 2:])
    shared = np.clip(right_bottom - left_top, 0, None).prod(axis=1)
    area, others = (box_4[2:] - box_4[:2]).prod(), (others_M4[:, 2:] - others_M4[:, :2]).prod(axis=1)
    return np.asarray(shared / np.maximum(np.minimum(area, others), 1e-9))


def loosened(options: DetectOptions) -> DetectOptions:
    """The same search, everything that was found kept: for curves over the score."""
    return replace(options, min_neighbors=1, min_score=0.0)


def _most(stage: Stage) -> float:
    """The largest margin that a window can have at a stage."""
    return max(sum(max(tree.leaves) for tree in stage.trees) - stage.threshold, 1e-6)
