"""Timelines made by hand."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from pipeline.core.places import Box
from pipeline.core.records import Episode, Hold, Shot, Track
from pipeline.timeline.records import Followed, Sighting, Timeline, TimelineOptions, sorted_spans
from pipeline.timeline.sightings import extents
from pipeline.timeline.spans import spans_of

BASE = Fraction(1, 1000)
EMOTIONS = ("angry", "happy", "sad")
ID = "e" + "0" * 12


def episode(end_pts: int = 10_000, start_pts: int = 0, base: Fraction = BASE) -> Episode:
    return Episode(
        id=ID, name="s01e01", path="/nowhere/s01e01.mp4", sha256="a" * 64, size_bytes=1, width=64, height=48,
        time_base=base, frames=100, start_pts=start_pts, end_pts=end_pts,
    )  # fmt: skip


def shot(start: int = 0, end: int = 10_000) -> Shot:
    return Shot(id=f"{ID}.s{start}", episode=ID, start_pts=start, end_pts=end, frames=10)


def hold(start: int, end: int, of: Shot) -> Hold:
    return Hold(id=f"{ID}.h{start}", episode=ID, shot=of.id, start_pts=start, end_pts=end, frames=1)


def sighting(pts: int, left: int = 10) -> Sighting:
    return Sighting(pts=pts, box=Box(left=left, top=10, right=left + 20, bottom=30))


def face(
    character: str, times: Sequence[int], said: Sequence[Sequence[float]], of: Shot | None = None, step: int = 250
) -> Followed:
    """A face seen at these times of which that was said; smoothing changed nothing."""
    of = of or shot()
    seen = tuple(sighting(pts) for pts in times)
    track = Track(
        id=f"{ID}.t{times[0]}.{len(character)}.{character[:1]}", episode=ID, shot=of.id, character=character,
        start_pts=times[0], end_pts=times[-1] + 1, detections=len(times), score=1.0,
    )  # fmt: skip
    rows = np.array(said, dtype=np.float64)
    return Followed(
        track=track, sightings=seen, extents=extents(seen, of, [], step), said=rows, smoothed=rows
    )  # fmt: skip


def timeline(*faces: Followed, of: Episode | None = None, options: TimelineOptions | None = None) -> Timeline:
    options = options or TimelineOptions()
    spans = [span for one in faces for span in spans_of(one, EMOTIONS, options)]
    return Timeline(
        episode=of or episode(), run="run-1", emotions=EMOTIONS, tracks=tuple(faces), spans=sorted_spans(spans),
        options=options, provenance={"key": "k", "temperature": 1.0, "calibrated_on": ""},
    )  # fmt: skip
