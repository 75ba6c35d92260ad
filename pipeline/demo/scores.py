"""How well mining and deduplication did on a drawn series, against its exact truth."""

from collections import defaultdict
from itertools import combinations
from typing import Any

import numpy as np

from pipeline.cartoon import EpisodeTruth, Series
from pipeline.core.geometry import as_array, iou_matrix, match_greedily
from pipeline.core.records import Detection, DuplicateGroup, Episode, Hold, Shot
from pipeline.core.workspace import Workspace
from pipeline.demo.oracle import Shown, frame_of
from pipeline.flow.repeats import repeated_shots

IOU = 0.4
"""a found face counts when it overlaps the drawn one by this much: the usual rule for faces wider than high"""
VISIBLE = 0.6
"""drawn faces of which less is seen are neither wanted nor wrong"""
CUT_TOLERANCE_FRAMES = 1
"""a found cut may lie this far outside the frames that the transition touches"""


def detection_scores(
    workspace: Workspace, series: Series, names: list[str], characters: set[str], min_face: int, every_frames: int
) -> dict[str, Any]:
    """Faces followed in tracks against the drawn ones, on every searched frame of the named episodes.

    Wanted are faces of `characters`, at least `min_face` wide and `VISIBLE`; other drawn faces are neither.
    """
    found = wanted = right = named = 0
    for episode, truth in _episodes(workspace, series, names):
        at_frame: dict[int, list[Detection]] = defaultdict(list)
        for detection in workspace.catalogue.all(Detection, episode=episode.id):
            if detection.track:
                at_frame[frame_of(episode, truth, detection.pts)].append(detection)
        for frame in range(0, truth.frames, every_frames):
            score = _score_frame(_one_per_place(at_frame[frame]), truth, frame, characters, min_face)
            found, wanted, right, named = found + score[0], wanted + score[1], right + score[2], named + score[3]
    return {
        "precision": _share(right, found),
        "recall": _share(right, wanted),
        "character_accuracy": _share(named, right),
        "faces": wanted,
        "found": found,
        "episodes": names,
    }


def shot_scores(workspace: Workspace, series: Series, names: list[str]) -> dict[str, Any]:
    """Cuts found against those drawn, by kind, and beginnings of held drawings."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    false = found_cuts = 0
    holds_right = holds_found = holds_drawn = 0
    for episode, truth in _episodes(workspace, series, names):
        cuts = sorted(frame_of(episode, truth, s.start_pts) for s in workspace.catalogue.all(Shot, episode=episode.id))[
            1:
        ]
        left = list(cuts)
        for shot in truth.shots[1:]:
            first, after = shot.mixed[0] - CUT_TOLERANCE_FRAMES, shot.mixed[1] + CUT_TOLERANCE_FRAMES
            hit = next((cut for cut in left if first <= cut <= after), None)
            counts[shot.transition][0] += hit is not None
            counts[shot.transition][1] += 1
            if hit is not None:
                left.remove(hit)
        false, found_cuts = false + len(left), found_cuts + len(cuts)
        starts = {frame_of(episode, truth, h.start_pts) for h in workspace.catalogue.all(Hold, episode=episode.id)}
        drawn = {hold.start for hold in truth.holds}
        holds_right, holds_found = holds_right + len(starts & drawn), holds_found + len(starts)
        holds_drawn += len(drawn)
    return {
        "precision": _share(found_cuts - false, found_cuts),
        "recall": _share(sum(c[0] for c in counts.values()), sum(c[1] for c in counts.values())),
        **{f"{kind}_recall": _share(hit, drawn) for kind, (hit, drawn) in sorted(counts.items())},
        "hold_precision": _share(holds_right, holds_found),
        "hold_recall": _share(holds_right, holds_drawn),
    }


def repeat_scores(workspace: Workspace, series: Series) -> dict[str, Any]:
    """Shots of the opening, drawn the same in every episode: how many of them are marked, and marks that are right."""
    marked = repeated_shots(workspace.catalogue)
    wanted = found = right = 0
    for episode, truth in _episodes(workspace, series, [e.name for e in series.episodes]):
        shots = [
            (shot, frame_of(episode, truth, shot.start_pts))
            for shot in workspace.catalogue.all(Shot, episode=episode.id)
        ]
        middles = {shot.id: start + shot.frames // 2 for shot, start in shots}
        again = [drawn for drawn in truth.shots if drawn.opening]
        wanted += len(again)
        found += sum(any(d.start <= middles[id] < d.end for id in middles if id in marked) for d in again)
        right += sum(
            any(d.start <= middles[id] < d.end for d in truth.shots if d.opening or d.reuses)
            for id in middles
            if id in marked
        )
    return {"precision": _share(right, len(marked)), "recall": _share(found, wanted), "opening_shots": wanted}


def duplicate_scores(workspace: Workspace, items: list[Shown]) -> dict[str, Any]:
    """Pairs of crops in one group against pairs that show the same drawing, over all crops that show a face.

    A marked pair is right when both show the same drawing at any size; a drawn pair is one at about the same size.
    """
    shown = {item.crop.id: item.face for item in items if item.face}
    by_drawing: dict[str, list[str]] = defaultdict(list)
    for crop, face in shown.items():
        by_drawing[face.drawing].append(crop)
    drawn = {pair for crops in by_drawing.values() for pair in combinations(sorted(crops), 2)}
    marked = {
        pair
        for group in workspace.catalogue.all(DuplicateGroup)
        for pair in combinations(sorted(m for m in group.members if m in shown), 2)
    }
    right = sum(shown[a].pose == shown[b].pose for a, b in marked)
    return {
        "pair_precision": _share(right, len(marked)),
        "pair_recall": _share(len(drawn & marked), len(drawn)),
        "pairs_marked": len(marked),
        "pairs_drawn": len(drawn),
    }


def _episodes(workspace: Workspace, series: Series, names: list[str]) -> list[tuple[Episode, EpisodeTruth]]:
    return [(workspace.catalogue.all(Episode, name=name)[0], series.episode(name)) for name in names]


def _one_per_place(detections: list[Detection]) -> list[Detection]:
    """Several cascades may find one face: the best detection of each track stands for it."""
    best: dict[str, Detection] = {}
    for detection in sorted(detections, key=lambda d: -d.score):
        best.setdefault(detection.track, detection)
    return list(best.values())


def _score_frame(
    detections: list[Detection], truth: EpisodeTruth, frame: int, characters: set[str], min_face: int
) -> tuple[int, int, int, int]:
    """(found, wanted, right, right with the right character) on one frame."""
    faces = truth.faces_at(frame)
    wanted = [f.character in characters and f.visible >= VISIBLE and f.box.width >= min_face for f in faces]
    if not detections:
        return 0, sum(wanted), 0, 0
    scores = np.array([d.score for d in detections])
    if not faces:
        return len(detections), 0, 0, 0
    overlap = iou_matrix(as_array([d.box for d in detections]), as_array([f.box for f in faces]))
    preferred = overlap * np.where(wanted, 1.0, 0.999)  # of equals the wanted face is taken
    taken = match_greedily(preferred, scores, IOU * 0.999)
    found = right = named = 0
    for detection, face in zip(detections, taken, strict=True):
        if face < 0:
            found += 1
        elif wanted[face]:
            found, right = found + 1, right + 1
            named += detection.character == faces[face].character
    return found, sum(wanted), right, named


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
