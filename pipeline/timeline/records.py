"""The nouns of a timeline. Times are `pts` in units of the episode's time base, spans half-open, as everywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import UsageError
from pipeline.core.places import Box
from pipeline.core.records import Episode, Track

Probabilities = NDArray[np.float64]
"""(T, C), rows sum to 1: a row per sighting of a track, a column per emotion"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineOptions:
    """How a model's answers about single pictures become what is said about a face over time."""

    stay_seconds: float = 0.5
    """how long an emotion lasts on average before another begins"""
    independent_seconds: float = 1.0
    """samples closer than this count as one piece of evidence together: neighbouring pictures err together"""
    min_confidence: float = 0.5
    """below this probability a face is `unsure`"""
    smooth: bool = True
    """off: every sample speaks for itself"""

    def __post_init__(self) -> None:
        if not self.stay_seconds > 0 or self.independent_seconds < 0 or not 0 <= self.min_confidence < 1:
            raise UsageError(
                "stay_seconds must be > 0, independent_seconds >= 0 and min_confidence from 0 up to but not including "
                f"1, got {self.stay_seconds:g}, {self.independent_seconds:g}, {self.min_confidence:g}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A face of a track on one sampled frame."""

    pts: int
    """of the frame"""
    box: Box
    """the best detection's, pixels of the source frame"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A track with what the model said about each of its faces."""

    track: Track
    """as mined"""
    sightings: tuple[Sighting, ...]
    """in time order, at least one"""
    extents: tuple[tuple[int, int], ...]
    """from and to, per sighting: the time it stands for; without gaps, within the shot"""
    said: Probabilities
    """(T, C) of each picture by itself"""
    smoothed: Probabilities
    """(T, C) given all pictures of the track"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Somebody feels something for a while."""

    character: str
    """whose face it is; empty when unknown"""
    track: str
    """id of the track"""
    shot: str
    """id of the shot"""
    start_pts: int
    """first tick"""
    end_pts: int
    """first tick after"""
    emotion: str
    """the class, or `unsure`"""
    probability: float
    """of the emotion, mean over the time; of an unsure face that of its likeliest emotion"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """All that is said about one episode."""

    episode: Episode
    """as mined"""
    run: str
    """id of the training run"""
    emotions: tuple[str, ...]
    """columns of the probabilities"""
    tracks: tuple[Followed, ...]
    """by start, then id"""
    spans: tuple[Span, ...]
    """by start, then character, then track"""
    options: TimelineOptions
    """how it was made"""
    provenance: Mapping[str, object]
    """plain values: the model's digest, its temperature, how the episode was mined"""

    @property
    def characters(self) -> tuple[str, ...]:
        """Everybody who is seen, sorted."""
        return tuple(sorted({span.character for span in self.spans}))


def sorted_spans(spans: Sequence[Span]) -> tuple[Span, ...]:
    """By start, then character, then track: an order that does not depend on how they were found."""
    return tuple(sorted(spans, key=lambda s: (s.start_pts, s.character, s.track, s.end_pts)))
