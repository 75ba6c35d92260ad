"""A mined episode and a way to classify pictures -> its timeline. Reads the catalogue's records, writes nothing."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from pipeline.core.images import RGB
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Detection, Episode, Hold, Shot, Track
from pipeline.crops import CropOptions
from pipeline.timeline.records import Followed, Probabilities, Sighting, Timeline, TimelineOptions, sorted_spans
from pipeline.timeline.sightings import extents, pictures, sightings_of
from pipeline.timeline.smoothing import smoothed
from pipeline.timeline.spans import spans_of

Classify = Callable[[Sequence[RGB], Sequence[str]], Probabilities]
"""pictures (H, W, 3) and whose faces they are -> (N, C) calibrated probabilities of the emotions"""
AT_ONCE = 128
"""pictures held in memory between decoder and model"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedFaces:
    """What the catalogue holds of one episode."""

    episode: Episode
    shots: Sequence[Shot]
    holds: Sequence[Hold]
    tracks: Sequence[Track]
    detections: Sequence[Detection]
    fps: float
    """frames searched per second when it was mined"""
    crops: CropOptions
    """how crops were cut"""


def build_timeline(
    mined: MinedFaces,
    path: Path,
    emotions: tuple[str, ...],
    classify: Classify,
    options: TimelineOptions,
    run: str,
    provenance: Mapping[str, object],
    progress: Progress | None = None,
) -> Timeline:
    """Decodes the episode once, classifies every sampled face of every track, and smooths over each track.

    Raises:
        VideoError: nothing decodes.
    """
    tracks = {track.id: track for track in mined.tracks}
    faces = {track: seen for track, seen in sightings_of(mined.detections).items() if track in tracks}
    said = {track: np.full((len(seen), len(emotions)), np.nan) for track, seen in faces.items()}
    total = sum(len(seen) for seen in faces.values())
    with (progress or Silent()).step("classify faces", total, "faces") as step:
        for batch in _batches(pictures(path, mined.fps, faces, mined.crops)):
            characters = [tracks[track].character for track, _, _ in batch]
            found = classify([picture for _, _, picture in batch], characters)
            for (track, place, _), row in zip(batch, found, strict=True):
                said[track][place] = row
            step.advance(len(batch))
    followed = _followed(mined, tracks, faces, said, options)
    return Timeline(
        episode=mined.episode,
        run=run,
        emotions=emotions,
        tracks=tuple(followed),
        spans=sorted_spans([span for face in followed for span in spans_of(face, emotions, options)]),
        options=options,
        provenance=provenance,
    )


def smoothed_anew(timeline: Timeline, mined: MinedFaces, options: TimelineOptions) -> Timeline:
    """The same answers of the model with other options; nothing is decoded."""
    tracks = {face.track.id: face.track for face in timeline.tracks}
    faces = {face.track.id: face.sightings for face in timeline.tracks}
    said = {face.track.id: face.said for face in timeline.tracks}
    followed = _followed(mined, tracks, faces, said, options)
    spans = sorted_spans([span for face in followed for span in spans_of(face, timeline.emotions, options)])
    return replace(timeline, tracks=tuple(followed), spans=spans, options=options)


def _followed(
    mined: MinedFaces,
    tracks: Mapping[str, Track],
    faces: Mapping[str, tuple[Sighting, ...]],
    said: Mapping[str, Probabilities],
    options: TimelineOptions,
) -> list[Followed]:
    shots = {shot.id: shot for shot in mined.shots}
    holds: dict[str, list[Hold]] = defaultdict(list)
    for hold in sorted(mined.holds, key=lambda h: h.start_pts):
        holds[hold.shot].append(hold)
    seconds = float(mined.episode.time_base)
    step_ticks = max(1, round(1 / (mined.fps * seconds)))
    found = []
    for id, seen in faces.items():
        track, rows = tracks[id], np.asarray(~np.isnan(said[id]).any(axis=1))
        seen = tuple(one for one, good in zip(seen, rows, strict=True) if good)
        if not seen or track.shot not in shots:
            continue  # a damaged file may end before the frame that was searched once
        starts = [hold.start_pts for hold in holds[track.shot]]
        answers = said[id][rows]
        drawings = [bisect_right(starts, one.pts) for one in seen]
        found.append(
            Followed(
                track=track,
                sightings=seen,
                extents=extents(seen, shots[track.shot], holds[track.shot], step_ticks),
                said=answers,
                smoothed=smoothed(answers, [one.pts * seconds for one in seen], drawings, options),
            )
        )
    return sorted(found, key=lambda face: (face.sightings[0].pts, face.track.id))


def _batches(found: Iterator[tuple[str, int, RGB]]) -> Iterator[list[tuple[str, int, RGB]]]:
    while batch := list(islice(found, AT_ONCE)):
        yield batch
