"""Detections of one shot -> faces followed through it.

Detections of several cascades on one face are first taken together; then faces of consecutive sampled frames are
linked by optimal assignment (Hungarian method, Kuhn 1955) over the distance and size change of their boxes, with short
gaps bridged. A track's character is a vote of its detections, weighted by score.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import UsageError
from pipeline.core.geometry import as_array, iou_matrix
from pipeline.core.records import Detection, Track

IMPOSSIBLE = 1e6
"""cost of a link that must not be made"""
TRIED = 4
"""tracks and faces at most that compete for one another and are paired in every way there is: 24 of them"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackOptions:
    """How detections are linked."""

    same_face_iou: float = 0.4
    """detections of different cascades that overlap this much are one face"""
    reach: float = 0.8
    """largest way of the centre between two samples, in widths of the face, per sample passed"""
    size_change: float = 1.6
    """largest ratio of widths between two linked detections"""
    gap_samples: int = 2
    """samples a face may be missed in between"""
    min_detections: int = 2
    """fewer make no track, unless the shot was sampled fewer times"""

    def __post_init__(self) -> None:
        if not 0 < self.same_face_iou <= 1 or self.reach <= 0 or self.size_change < 1:
            raise UsageError("same_face_iou must be in (0, 1], reach > 0 and size_change >= 1")
        if self.gap_samples < 0 or self.min_detections < 1:
            raise UsageError("gap_samples must be >= 0 and min_detections >= 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """What one or several cascades found at one place of one frame."""

    best: Detection
    """the highest-scoring one"""
    all: tuple[Detection, ...]
    """every detection there, the best among them"""


def link(detections: list[Detection], sampled_pts: list[int], options: TrackOptions) -> list[tuple[Track, list[Face]]]:
    """Tracks of one shot with their faces in time order; tracks are sorted by start, then place.

    Args:
        detections: of one shot, any order.
        sampled_pts: every frame of the shot that was searched, ascending; it tells how long a gap is.
    """
    at_pts: dict[int, list[Detection]] = defaultdict(list)
    for detection in detections:
        at_pts[detection.pts].append(detection)
    open_tracks: list[tuple[int, list[Face]]] = []
    finished: list[list[Face]] = []
    for sample, pts in enumerate(sampled_pts):
        faces = faces_of(at_pts.get(pts, []), options)
        finished += [faces_ for seen, faces_ in open_tracks if sample - seen > options.gap_samples + 1]
        open_tracks = [(seen, faces_) for seen, faces_ in open_tracks if sample - seen <= options.gap_samples + 1]
        taken = _assign(open_tracks, faces, sample, options)
        for row, column in taken.items():
            open_tracks[row][1].append(faces[column])
            open_tracks[row] = (sample, open_tracks[row][1])
        open_tracks += [(sample, [face]) for i, face in enumerate(faces) if i not in taken.values()]
    finished += [faces_ for _, faces_ in open_tracks]
    needed = min(options.min_detections, max(1, len(sampled_pts)))
    tracks = [(_track_of(faces_), faces_) for faces_ in finished if len(faces_) >= needed]
    return sorted(tracks, key=lambda t: (t[0].start_pts, t[0].id))


def faces_of(detections: list[Detection], options: TrackOptions) -> list[Face]:
    """Detections of one frame taken together where they overlap; best score first."""
    left = sorted(detections, key=lambda d: (-d.score, d.id))
    faces = []
    while left:
        best = left[0]
        overlap = iou_matrix(as_array([best.box]), as_array([d.box for d in left]))[0]
        members = [d for d, share in zip(left, overlap, strict=True) if share >= options.same_face_iou]
        faces.append(Face(best=best, all=tuple(members)))
        left = [d for d, share in zip(left, overlap, strict=True) if share < options.same_face_iou]
    return faces


def _assign(
    open_tracks: list[tuple[int, list[Face]]], faces: list[Face], sample: int, options: TrackOptions
) -> dict[int, int]:
    """Open track -> face of this sample, at the least total cost."""
    if not open_tracks or not faces:
        return {}
    cost = np.full((len(open_tracks), len(faces)), IMPOSSIBLE)
    for row, (seen, track) in enumerate(open_tracks):
        cost[row] = _costs(track[-1], faces, sample - seen, options)
    return matched(cost)


def matched(cost_RC: NDArray[np.float64]) -> dict[int, int]:
    """Row -> column, as many as are not IMPOSSIBLE, at the least total cost (Kuhn 1955)."""
    found: dict[int, int] = {}
    for rows, columns in _competing(cost_RC < IMPOSSIBLE):
        cost = cost_RC[np.ix_(rows, columns)]
        if max(cost.shape) <= TRIED:
            chosen = _best_of_all(cost)
        else:
            from scipy.optimize import linear_sum_assignment  # loading it costs most of a second

            chosen = linear_sum_assignment(cost)
        found |= {rows[r]: columns[c] for r, c in zip(*chosen, strict=True) if cost[r, c] < IMPOSSIBLE}
    return found


def _competing(possible_RC: NDArray[np.bool_]) -> Iterator[tuple[list[int], list[int]]]:
    """Rows and columns that are joined, directly or through others; those of different groups have nothing in common."""
    left = set(range(len(possible_RC)))
    while left:
        rows, columns = {left.pop()}, set[int]()
        while more := set(np.flatnonzero(possible_RC[sorted(rows)].any(axis=0)).tolist()) - columns:
            columns |= more
            rows |= set(np.flatnonzero(possible_RC[:, sorted(columns)].any(axis=1)).tolist())
        left -= rows
        if columns:
            yield sorted(rows), sorted(columns)


def _best_of_all(cost_RC: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows and columns of the cheapest of all ways to pair the shorter side."""
    if cost_RC.shape[0] > cost_RC.shape[1]:
        columns, rows = _best_of_all(cost_RC.T)
        return rows, columns
    rows = np.arange(cost_RC.shape[0])
    ways = np.array(list(permutations(range(cost_RC.shape[1]), len(rows))))
    return rows, ways[cost_RC[rows, ways].sum(axis=1).argmin()]


def _costs(last: Face, faces: list[Face], samples: int, options: TrackOptions) -> NDArray[np.float64]:
    boxes = as_array([face.best.box for face in faces])
    here = as_array([last.best.box])[0]
    width = here[2] - here[0]
    way = (
        np.hypot(boxes[:, [0, 2]].mean(1) - here[[0, 2]].mean(), boxes[:, [1, 3]].mean(1) - here[[1, 3]].mean()) / width
    )
    ratio = (boxes[:, 2] - boxes[:, 0]) / width
    ratio = np.maximum(ratio, 1 / ratio)
    costs: NDArray[np.float64] = way + np.log(ratio)
    costs[(way > options.reach * samples) | (ratio > options.size_change)] = IMPOSSIBLE
    return costs


def _track_of(faces: list[Face]) -> Track:
    votes: dict[str, float] = defaultdict(float)
    for face in faces:
        for detection in face.all:
            votes[detection.character] += max(detection.score, 1e-9)
    first = faces[0].best
    return Track(
        id=f"{first.episode}.t{first.pts}.{first.box.left}.{first.box.top}",
        episode=first.episode,
        shot=first.shot,
        character=min(votes, key=lambda name: (-votes[name], name)),
        start_pts=first.pts,
        end_pts=faces[-1].best.pts + 1,
        detections=len(faces),
        score=float(np.mean([face.best.score for face in faces])),
    )
