"""The faces of an episode's tracks on every frame that was searched, and their pictures in one decode."""

import contextlib
import itertools
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pipeline.core.errors import VideoError
from pipeline.core.images import RGB
from pipeline.core.records import Detection, Hold, Shot
from pipeline.crops import CropOptions, candidate
from pipeline.frames import watch
from pipeline.timeline.records import Sighting

SMALL = 16
"""width of the pictures of frames that nobody looks at"""


def sightings_of(detections: Iterable[Detection]) -> dict[str, tuple[Sighting, ...]]:
    """Track id -> its faces in time order; of several detections on one frame the best one, as mining takes it."""
    best: dict[tuple[str, int], Detection] = {}
    for found in detections:
        if not found.track:
            continue
        key = found.track, found.pts
        if key not in best or (-found.score, found.id) < (-best[key].score, best[key].id):
            best[key] = found
    faces: dict[str, list[Sighting]] = defaultdict(list)
    for (track, pts), found in sorted(best.items()):
        faces[track].append(Sighting(pts=pts, box=found.box))
    return {track: tuple(seen) for track, seen in faces.items()}


def pictures(
    path: Path, fps: float, faces: dict[str, tuple[Sighting, ...]], crops: CropOptions
) -> Iterator[tuple[str, int, RGB]]:
    """(track, place of the sighting in it, picture (H, W, 3)) in one decode of the file, cut as mining cuts crops.

    Args:
        fps: what the episode was mined with: the same frames are whole then.

    Raises:
        VideoError: nothing decodes.
    """
    wanted: dict[int, list[tuple[str, int, Sighting]]] = defaultdict(list)
    for track, seen in faces.items():
        for place, one in enumerate(seen):
            wanted[one.pts].append((track, place, one))
    if not wanted:
        return
    last, got = max(wanted), False
    with contextlib.closing(watch(path, fps, SMALL)) as frames:
        try:
            for frame in frames:
                got = True
                for track, place, one in wanted.get(frame.pts, []) if frame.image is not None else []:
                    picture = candidate(frame.image, one.box, crops)  # type: ignore[arg-type]
                    if picture is not None:
                        yield track, place, picture.image
                if frame.pts >= last:
                    return
        except VideoError:
            if not got:  # a damaged end was told when the episode was mined
                raise


def extents(
    seen: Sequence[Sighting], shot: Shot, holds: Sequence[Hold], step_ticks: int
) -> tuple[tuple[int, int], ...]:
    """The time each sighting of a track stands for.

    Between two sightings the change lies where a drawing changes (the one nearest to the middle), or in the middle where
    the drawing is held. Before the first and after the last a face is taken to stay up to the next change of drawing
    within half a step, or half a step, but never out of its shot.
    """
    starts = sorted(hold.start_pts for hold in holds)
    half = max(1, step_ticks // 2)
    first, last = seen[0].pts, seen[-1].pts
    begin = _reach(first - half, first, starts, shot.start_pts, back=True)
    end = _reach(last + 1, last + half, starts, shot.end_pts, back=False)
    inner = [_between(a.pts, b.pts, starts) for a, b in itertools.pairwise(seen)]
    edges = [max(begin, shot.start_pts), *inner, max(min(end, shot.end_pts), last + 1)]
    return tuple(itertools.pairwise(edges))


def _between(a: int, b: int, starts: Sequence[int]) -> int:
    """Where between two sightings, after a and not after b."""
    middle = (a + b + 1) // 2
    within = starts[bisect_right(starts, a) : bisect_right(starts, b)]
    return min(within, key=lambda at: (abs(at - middle), at), default=middle)


def _reach(low: int, high: int, starts: Sequence[int], edge: int, *, back: bool) -> int:
    """The shot's edge where it is within a step, else the change of drawing nearest to the face, else half a step."""
    if back:
        if edge >= 2 * low - high:
            return edge
        within = starts[bisect_left(starts, low) : bisect_right(starts, high)]
        return within[-1] if within else low
    if edge <= 2 * high - low + 2:
        return edge
    within = starts[bisect_left(starts, low) : bisect_right(starts, high)]
    return within[0] if within else high
