"""A timeline against the exact truth of a drawn episode: is the right emotion said in each frame?"""

from dataclasses import dataclass

import numpy as np

from pipeline.cartoon import EpisodeTruth
from pipeline.core.geometry import as_array, iou_matrix
from pipeline.core.places import Box
from pipeline.core.records import UNSURE
from pipeline.timeline.drawing import box_at
from pipeline.timeline.records import Probabilities, Timeline

SAME_FACE_IOU = 0.3
"""a box that overlaps a true face so much is about that face"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineScores:
    """How often the right emotion is said, over all frames and faces that were followed."""

    faces: int
    """pairs of a frame and a face followed in it that is a true one"""
    not_faces: int
    """pairs of a frame and a box followed in it that is no true face"""
    alone: float
    """share right, each sample by itself"""
    smoothed: float
    """share right after smoothing, the likeliest emotion"""
    said: float
    """share of those not called unsure that are right"""
    unsure: float
    """share called unsure"""
    log_loss_alone: float
    """mean negative log probability of the truth, each sample by itself"""
    log_loss_smoothed: float
    """likewise after smoothing"""


def score_timeline(timeline: Timeline, truth: EpisodeTruth) -> TimelineScores:
    """Compares every frame of a drawn episode (constant frame rate) with its truth.

    Raises:
        ValueError: no face that was followed is a true one.
    """
    emotions, least = timeline.emotions, timeline.options.min_confidence
    base, start = float(timeline.episode.time_base), timeline.episode.start_pts
    rows: list[tuple[int, int, int, bool, float, float]] = []
    not_faces = 0
    for face in timeline.tracks:
        for place, (begin, end) in enumerate(face.extents):
            first = max(0, int(np.ceil((begin - start) * base * truth.fps - 1e-6)))
            after = min(truth.frames, int(np.ceil((end - start) * base * truth.fps - 1e-6)))
            for frame in range(first, after):
                emotion = _true_emotion(truth, frame, box_at(face, start + round(frame / truth.fps / base)))
                if emotion not in emotions:
                    not_faces += 1
                    continue
                t = emotions.index(emotion)
                rows.append((t, *_said(face.said, face.smoothed, place, t, least)))
    if not rows:
        raise ValueError(f"{timeline.episode.name}: no face that was followed is a true one")
    true_N, alone_N, smoothed_N, sure_N, loss_alone_N, loss_smoothed_N = (
        np.array(column) for column in zip(*rows, strict=True)
    )
    right_N = smoothed_N == true_N
    return TimelineScores(
        faces=len(rows),
        not_faces=not_faces,
        alone=float((alone_N == true_N).mean()),
        smoothed=float(right_N.mean()),
        said=float(right_N[sure_N].mean()) if sure_N.any() else 0.0,
        unsure=float((~sure_N).mean()),
        log_loss_alone=float(loss_alone_N.mean()),
        log_loss_smoothed=float(loss_smoothed_N.mean()),
    )


def _said(
    alone: Probabilities, smoothed: Probabilities, place: int, truth: int, least: float
) -> tuple[int, int, bool, float, float]:
    a, s = alone[place], smoothed[place]
    loss_a, loss_s = (float(-np.log(max(float(row[truth]), 1e-6))) for row in (a, s))
    return int(a.argmax()), int(s.argmax()), bool(s.max() >= least), loss_a, loss_s


def _true_emotion(truth: EpisodeTruth, frame: int, box: Box) -> str:
    """Of the true face there that overlaps the box most; `unsure` where there is none."""
    faces = truth.faces_at(frame)
    if not faces:
        return UNSURE
    overlaps = iou_matrix(as_array([box]), as_array([face.box for face in faces]))[0]
    best = int(overlaps.argmax())
    return faces[best].emotion if overlaps[best] >= SAME_FACE_IOU else UNSURE
