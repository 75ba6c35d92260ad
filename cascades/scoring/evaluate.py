"""How good a detector is: precision and recall over its score threshold, as PASCAL VOC counts (Everingham et al. 2010).

Every image counts, those without a face too. One pass over the pictures (`cascades.scoring.matching`) is counted at any overlap
and for any size of face.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cascades.detect import Detector, loosened
from cascades.scoring.matching import Finder, Found, Outcomes, Search, Searched, match, outcomes_of, search
from cascades.truth.reading import Rejected, Truth
from pipeline.core.images import RGB
from pipeline.core.progress import Progress

MAX_CURVE_POINTS = 200
IOUS = (0.3, 0.4, 0.5, 0.6, 0.7)
"""overlaps at which the average precision is told"""
SIZES = ((0.0, 48.0), (48.0, 96.0), (96.0, 192.0), (192.0, float("inf")))
"""pixels of a face's longer side, from and below: the groups that are told apart"""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """All detections with at least this score."""

    threshold: float
    precision: float
    recall: float
    false_positives_per_image: float


@dataclass(frozen=True, slots=True)
class SizeScore:
    """Faces of one range of sizes; those of other sizes are neither wanted nor wrong."""

    smallest_px: float
    """longer side, from"""
    largest_px: float
    """longer side, below; may be infinite"""
    faces: int
    recall: float
    average_precision: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Precision and so on at the detector's own threshold; `best` is the point of the curve with the highest F1."""

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
    by_iou: tuple[tuple[float, float], ...] = ()
    """(overlap, average precision) at each of IOUS"""
    by_size: tuple[SizeScore, ...] = ()
    """for each of SIZES that has a face"""


def evaluate(
    find: Finder, truth: Truth, character: str | None, iou: float = 0.5, progress: Progress | None = None
) -> Scores:
    """Scores a finder on every picture of `truth`; faces of others than `character` (None: everyone) are no faces.

    Raises:
        TruthError: no such character, or not one picture can be read.
    """
    return scores_of(search(find, truth, character, progress), iou)


def evaluate_detector(
    detector: Detector, truth: Truth, character: str | None, iou: float = 0.5, progress: Progress | None = None
) -> Scores:
    """Scores a detector of one cascade: precision and so on at its own threshold, the curve over everything it finds."""
    loose = Detector([replace(c, min_score=None) for c in detector.cascades], loosened(detector.options))
    return scores_of(search(finder_of(loose), truth, character, progress), iou, detector.least)


def finder_of(detector: Detector) -> Finder:
    """What the first cascade of a detector finds."""
    return lambda image_HW3: find_each(detector, image_HW3)[0]


def find_each(detector: Detector, image_HW3: RGB) -> list[Found]:
    """What each cascade of a detector finds on an image."""
    return [(finds.boxes.astype(np.float64), finds.scores) for finds in detector.detect(image_HW3)]


def scores_of(found: Search, iou: float, least: float = 0.0) -> Scores:
    """Counts a pass at one overlap, and the average precision at others and by size.

    Precision, recall and so on are of the detections with at least the score `least`; curve and average precision of all.
    """
    counted = outcomes_of(found, iou)
    points = curve_of(counted)
    nothing = CurvePoint(float("inf"), 1.0, 0.0 if counted.faces else 1.0, 0.0)
    last = next((point for point in reversed(points) if point.threshold >= least), nothing)
    return Scores(
        precision=last.precision,
        recall=last.recall,
        f1=f1(last),
        false_positives_per_image=last.false_positives_per_image,
        average_precision=average_precision(points),
        best=max(points, key=f1, default=nothing),
        curve=_thinned(points),
        images=counted.images,
        faces=counted.faces,
        detections=len(counted.scores),
        ignored=counted.aside,
        rejected=found.rejected,
        by_iou=tuple((at, average_precision(curve_of(outcomes_of(found, at)))) for at in IOUS),
        by_size=tuple(score for low, high in SIZES if (score := _of_size(found, iou, low, high)).faces),
    )


def curve_of(counted: Outcomes) -> list[CurvePoint]:
    """Every threshold that makes a difference, from the highest score down; detections of equal score come together."""
    scores, total = counted.scores, len(counted.scores)
    hits = np.cumsum(counted.right, dtype=np.int64)
    ends = np.flatnonzero(np.append(scores[1:] < scores[:-1], True)) if total else np.zeros(0, dtype=np.int64)
    return [
        CurvePoint(
            float(scores[i]),
            float(hits[i] / (i + 1)),
            float(hits[i] / max(counted.faces, 1)),
            float((i + 1 - hits[i]) / counted.images),
        )
        for i in ends.tolist()
    ]


def average_precision(points: Sequence[CurvePoint]) -> float:
    """Area under precision over recall, precision made monotone from the right, all points."""
    recall = np.array([0.0] + [p.recall for p in points])
    precision = np.array([p.precision for p in points])
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * best_from_here).sum())


def f1(point: CurvePoint) -> float:
    """Harmonic mean of precision and recall; 0 where both are."""
    total = point.precision + point.recall
    return 2 * point.precision * point.recall / total if total > 0 else 0.0


def as_json(scores: Scores) -> dict[str, Any]:
    """The scores as the command prints them."""
    names = ("precision", "recall", "f1", "false_positives_per_image", "average_precision", "images", "faces")
    result: dict[str, Any] = {name: getattr(scores, name) for name in (*names, "detections", "ignored")}
    result["best"] = _point(scores.best) | {"f1": f1(scores.best)}
    result["curve"] = [_point(p) for p in scores.curve]
    result["average_precision_by_iou"] = [{"iou": at, "average_precision": value} for at, value in scores.by_iou]
    result["by_face_size"] = [
        {
            "smallest_px": size.smallest_px,
            "largest_px": size.largest_px if np.isfinite(size.largest_px) else None,
            "faces": size.faces,
            "recall": size.recall,
            "average_precision": size.average_precision,
        }
        for size in scores.by_size
    ]
    result["rejected"] = [{"row": r.row, "reason": r.reason} for r in scores.rejected]
    return result


def _of_size(found: Search, iou: float, low: float, high: float) -> SizeScore:
    """As COCO counts sizes (Lin et al. 2014): other faces are ignored, and so are wrong finds of other sizes."""
    counted = outcomes_of(replace(found, pictures=tuple(_only(one, iou, low, high) for one in found.pictures)), iou)
    points = curve_of(counted)
    recall = points[-1].recall if points else 0.0
    return SizeScore(low, high, counted.faces, recall, average_precision(points))


def _only(one: Searched, iou: float, low: float, high: float) -> Searched:
    def inside(boxes_N4: Any) -> Any:
        longer = (boxes_N4[:, 2:] - boxes_N4[:, :2]).max(axis=1, initial=0.0)
        return (longer >= low) & (longer < high)

    taken = match(one, iou).faces
    wanted = inside(one.faces)
    right = np.array([bool(wanted[face]) for face in taken.tolist() if face >= 0], dtype=bool)
    keep = np.zeros(len(taken), dtype=bool)
    keep[taken >= 0] = right
    keep[taken < 0] = inside(one.boxes)[taken < 0]
    return replace(one, boxes=one.boxes[keep], scores=one.scores[keep], faces=one.faces[wanted])


def _point(point: CurvePoint) -> dict[str, float | None]:
    threshold = point.threshold if np.isfinite(point.threshold) else None
    return {
        "threshold": threshold,
        "precision": point.precision,
        "recall": point.recall,
        "false_positives_per_image": point.false_positives_per_image,
    }


def _thinned(points: list[CurvePoint]) -> tuple[CurvePoint, ...]:
    if len(points) <= MAX_CURVE_POINTS:
        return tuple(points)
    return tuple(points[i] for i in np.linspace(0, len(points) - 1, MAX_CURVE_POINTS).round().astype(int))
