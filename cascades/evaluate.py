"""How good a detector is: precision and recall over its score threshold, as PASCAL VOC counts (Everingham et al. 2010).

Detections that hit a region to be ignored count for nothing. Every image counts, those without a face too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cascades.detect import Detector
from cascades.truth import Rejected, Truth, TruthBox, open_pictures
from pipeline.core.errors import TruthError
from pipeline.core.geometry import iou_matrix, match_greedily
from pipeline.core.images import RGB
from pipeline.core.progress import Progress, Silent

IGNORED_SHARE = 0.5
"""a detection that lies in ignored regions by this share of its area counts for nothing"""
MAX_CURVE_POINTS = 200


class Finder(Protocol):
    """What is scored: `Detector.detect` of one cascade, or anything that finds boxes."""

    def __call__(self, image_HW3: RGB) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Boxes (N, 4) of left, top, right, bottom, and scores (N,)."""
        ...


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """All detections with at least this score."""

    threshold: float
    precision: float
    recall: float
    false_positives_per_image: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Precision and so on of all detections as they come; `best` is the point of the curve with the highest F1."""

    precision: float
    """1 where nothing was detected"""
    recall: float
    f1: float
    false_positives_per_image: float
    average_precision: float
    """area under the precision-recall curve, precision made monotone, all points"""
    best: CurvePoint
    curve: tuple[CurvePoint, ...]
    """from the highest score down; at most MAX_CURVE_POINTS"""
    images: int
    faces: int
    detections: int
    ignored: int
    """detections that count for nothing"""
    rejected: tuple[Rejected, ...]
    """rows and images that were left out"""


def evaluate(
    find: Finder, truth: Truth, character: str | None, iou: float = 0.5, progress: Progress | None = None
) -> Scores:
    """Scores a finder on every picture of `truth`; faces of others than `character` (None: everyone) are no faces.

    Raises:
        TruthError: no such character, or not one picture can be read.
    """
    if truth.patches is not None:
        raise TruthError(f"{truth.name}: patches without their pictures cannot be searched; give COCO JSON or info.dat")
    if character is not None and any(truth.characters) and character not in truth.characters:
        raise TruthError(f"{truth.name}: nobody is called {character!r} in it; there are {', '.join(truth.characters)}")
    tally = _Tally(iou)
    rejected = list(truth.rejected)
    with (progress or Silent()).step("evaluating", len(truth.pictures), "images") as step:
        for picture, image in open_pictures(truth.pictures, rejected):
            wanted = [b for b in picture.boxes if not b.ignored and character in (None, b.character)]
            boxes, scores = find(image)
            tally.add(boxes, scores, _array(wanted), _array([b for b in picture.boxes if b.ignored]))
            step.advance()
    if not tally.images:
        raise TruthError(
            f"{truth.name}: not one of its pictures can be read ({rejected[0].reason if rejected else 'there are none'})"
        )
    return tally.scores(tuple(rejected))


def evaluate_detector(
    detector: Detector, truth: Truth, character: str | None, iou: float = 0.5, progress: Progress | None = None
) -> Scores:
    """Scores a detector of one cascade. As `evaluate`."""

    def find(image_HW3: RGB) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        finds = detector.detect(image_HW3)[0]
        return finds.boxes.astype(np.float64), finds.scores

    return evaluate(find, truth, character, iou, progress)


class _Tally:
    """Hits and misses, image by image."""

    def __init__(self, iou: float) -> None:
        self.iou = iou
        self.images = self.faces = self.ignored = 0
        self.found: list[tuple[float, bool]] = []

    def add(
        self,
        boxes_N4: NDArray[np.float64],
        scores_N: NDArray[np.float64],
        truth_M4: NDArray[np.float64],
        ignored_K4: NDArray[np.float64],
    ) -> None:
        self.images += 1
        self.faces += len(truth_M4)
        taken = match_greedily(iou_matrix(boxes_N4, truth_M4), scores_N, self.iou)
        aside = _share_inside(boxes_N4, ignored_K4) >= IGNORED_SHARE
        for score, match, ignored in zip(scores_N.tolist(), taken.tolist(), aside.tolist(), strict=True):
            if match < 0 and ignored:
                self.ignored += 1
            else:
                self.found.append((score, match >= 0))

    def scores(self, rejected: tuple[Rejected, ...]) -> Scores:
        found = sorted(self.found, key=lambda f: -f[0])
        hits = np.cumsum([hit for _, hit in found], dtype=np.int64)
        counts = np.arange(1, len(found) + 1)
        # detections of equal score come and go together
        ends = [i for i in range(len(found)) if i + 1 == len(found) or found[i + 1][0] < found[i][0]]
        points = [
            CurvePoint(
                found[i][0],
                float(hits[i] / counts[i]),
                float(hits[i] / max(self.faces, 1)),
                float((counts[i] - hits[i]) / self.images),
            )
            for i in ends
        ]
        nothing = CurvePoint(float("inf"), 1.0, 0.0 if self.faces else 1.0, 0.0)
        last = points[-1] if points else nothing
        return Scores(
            precision=last.precision,
            recall=last.recall,
            f1=_f1(last),
            false_positives_per_image=last.false_positives_per_image,
            average_precision=_average_precision(points),
            best=max(points, key=_f1, default=nothing),
            curve=_thinned(points),
            images=self.images,
            faces=self.faces,
            detections=len(found),
            ignored=self.ignored,
            rejected=rejected,
        )


def as_json(scores: Scores) -> dict[str, Any]:
    """The scores as the command prints them."""
    names = (
        "precision",
        "recall",
        "f1",
        "false_positives_per_image",
        "average_precision",
        "images",
        "faces",
        "detections",
        "ignored",
    )
    result: dict[str, Any] = {name: getattr(scores, name) for name in names}
    result["best"] = _point(scores.best) | {"f1": _f1(scores.best)}
    result["curve"] = [_point(p) for p in scores.curve]
    result["rejected"] = [{"row": r.row, "reason": r.reason} for r in scores.rejected]
    return result


def _point(point: CurvePoint) -> dict[str, float | None]:
    threshold = point.threshold if np.isfinite(point.threshold) else None
    return {
        "threshold": threshold,
        "precision": point.precision,
        "recall": point.recall,
        "false_positives_per_image": point.false_positives_per_image,
    }


def _f1(point: CurvePoint) -> float:
    total = point.precision + point.recall
    return 2 * point.precision * point.recall / total if total > 0 else 0.0


def _average_precision(points: Sequence[CurvePoint]) -> float:
    recall = np.array([0.0] + [p.recall for p in points])
    precision = np.array([p.precision for p in points])
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * best_from_here).sum())


def _thinned(points: list[CurvePoint]) -> tuple[CurvePoint, ...]:
    if len(points) <= MAX_CURVE_POINTS:
        return tuple(points)
    return tuple(points[i] for i in np.linspace(0, len(points) - 1, MAX_CURVE_POINTS).round().astype(int))


def _share_inside(boxes_N4: NDArray[np.float64], regions_K4: NDArray[np.float64]) -> NDArray[np.float64]:
    """Largest share of each box's own area that one region covers: (N,)."""
    if not len(regions_K4):
        return np.zeros(len(boxes_N4))
    left_top = np.maximum(boxes_N4[:, None, :2], regions_K4[None, :, :2])
    right_bottom = np.minimum(boxes_N4[:, None, 2:], regions_K4[None, :, 2:])
    shared = np.clip(right_bottom - left_top, 0, None).prod(axis=2)
    area = (boxes_N4[:, 2:] - boxes_N4[:, :2]).prod(axis=1)
    return np.asarray((shared / np.maximum(area, 1e-9)[:, None]).max(axis=1))


def _array(boxes: list[TruthBox]) -> NDArray[np.float64]:
    return np.array([(b.left, b.top, b.right, b.bottom) for b in boxes], dtype=np.float64).reshape(-1, 4)
