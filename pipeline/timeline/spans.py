"""Followed faces -> spans of time in which somebody feels something."""

import numpy as np

from pipeline.core.records import UNSURE
from pipeline.timeline.records import Followed, Probabilities, Span, TimelineOptions


def said_emotions(probabilities_TC: Probabilities, emotions: tuple[str, ...], min_confidence: float) -> list[str]:
    """Per row the likeliest emotion, or `unsure`."""
    best = probabilities_TC.argmax(axis=1)
    sure = probabilities_TC[np.arange(len(best)), best] >= min_confidence
    return [emotions[c] if s else UNSURE for c, s in zip(best, sure, strict=True)]


def spans_of(face: Followed, emotions: tuple[str, ...], options: TimelineOptions) -> list[Span]:
    """A track's spans in time order, without gaps: neighbours of one emotion are one span."""
    names = said_emotions(face.smoothed, emotions, options.min_confidence)
    spans: list[Span] = []
    begin = 0
    for place in range(1, len(names) + 1):
        if place < len(names) and names[place] == names[begin]:
            continue
        spans.append(_span(face, begin, place, names[begin], emotions))
        begin = place
    return spans


def _span(face: Followed, begin: int, end: int, emotion: str, emotions: tuple[str, ...]) -> Span:
    rows = face.smoothed[begin:end]
    values = rows.max(axis=1) if emotion == UNSURE else rows[:, emotions.index(emotion)]
    lengths = np.array([b - a for a, b in face.extents[begin:end]], dtype=np.float64)
    return Span(
        character=face.track.character,
        track=face.track.id,
        shot=face.track.shot,
        start_pts=face.extents[begin][0],
        end_pts=face.extents[end - 1][1],
        emotion=emotion,
        probability=float(np.average(values, weights=lengths)),
    )
