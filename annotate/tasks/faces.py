"""Frames -> tasks: where the faces are, and whose. What the cascades found is drawn already, to be corrected."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from annotate.options import AnnotateOptions
from annotate.tasks.drafts import Draft, Suggestion, local_url
from annotate.tasks.interface import SOMEONE
from annotate.tasks.pictures import draw_frames, frame_path
from pipeline.core.errors import NotFoundError
from pipeline.core.geometry import as_array, iou_matrix
from pipeline.core.places import Box, Place, Timestamp
from pipeline.core.progress import Progress
from pipeline.core.records import Detection, Episode, Shot
from pipeline.core.workspace import Workspace

SAME_FACE_IOU = 0.4
"""from here on two boxes are about one face"""


def chosen_frames(workspace: Workspace, options: AnnotateOptions, limit: int = 0) -> list[tuple[Episode, int]]:
    """(episode, pts) of the frames to ask about: some of every shot, spread over the moments where faces were found.

    The first frames of all shots come before their second ones.

    Raises:
        NotFoundError: nothing was found on any frame yet.
    """
    found: list[tuple[int, str, int, Episode]] = []
    for episode in workspace.catalogue.all(Episode):
        moments: dict[str, set[int]] = defaultdict(set)
        for detection in workspace.catalogue.all(Detection, episode=episode.id):
            moments[detection.shot].add(detection.pts)
        for shot in workspace.catalogue.all(Shot, episode=episode.id):
            for rank, pts in enumerate(_spread(sorted(moments[shot.id]), options.frames_per_shot)):
                found.append((rank, episode.id, pts, episode))
    if not found:
        raise NotFoundError("no faces were found on any frame yet: `toonsift mine EPISODES` first")
    ordered = [(episode, pts) for *_, pts, episode in sorted(found, key=lambda row: row[:3])]
    return ordered[:limit] if limit else ordered


def face_drafts(
    workspace: Workspace, frames: Sequence[tuple[Episode, int]], options: AnnotateOptions, characters: Sequence[str],
    *, suggest: bool = True, progress: Progress | None = None,
) -> list[Draft]:  # fmt: skip
    """A task for each frame that can be decoded, in their order. Draws the frames."""
    del options
    wanted: dict[str, set[int]] = defaultdict(set)
    for episode, pts in frames:
        wanted[episode.id].add(pts)
    draw_frames(workspace, wanted, {episode.id: episode for episode, _ in frames}, progress)
    here: dict[tuple[str, int], list[Detection]] = defaultdict(list)
    for id, times in wanted.items():
        for detection in workspace.catalogue.all(Detection, episode=id):
            if detection.pts in times:
                here[id, detection.pts].append(detection)
    drafts = []
    for episode, pts in frames:
        path = frame_path(episode.id, pts)
        if (workspace.root / path).is_file():
            drafts.append(_draft(episode, pts, path, here[episode.id, pts] if suggest else [], characters))
    return drafts


def _draft(episode: Episode, pts: int, path: str, detections: Sequence[Detection], characters: Sequence[str]) -> Draft:
    kept = _once(detections)
    shown = [Place(episode=episode.id, pts=pts, box=d.box).id for d in kept]
    time = Timestamp(pts=pts, time_base=episode.time_base).timecode
    return Draft(
        ref=f"{episode.id}.f{pts}",
        item=f"{episode.id}.f{pts}",
        data={
            "image": local_url(path), "where": f"{episode.name} {time}", "episode": episode.id, "pts": pts, "shown": shown,
        },
        suggestion=Suggestion(by="cascades", result=tuple(_rectangle(d, episode, characters) for d in kept)) if kept else None,
    )  # fmt: skip


def _rectangle(detection: Detection, episode: Episode, characters: Sequence[str]) -> dict[str, Any]:
    """A box in Label Studio's units: percent of the picture."""
    width, height, box = episode.width, episode.height, detection.box
    left, top = max(box.left, 0), max(box.top, 0)
    right, bottom = min(box.right, width), min(box.bottom, height)
    label = detection.character if detection.character in characters else SOMEONE
    return {
        "id": f"d{box.left}-{box.top}-{box.right}-{box.bottom}", "from_name": "face", "to_name": "frame",
        "type": "rectanglelabels", "original_width": width, "original_height": height, "image_rotation": 0,
        "value": {
            "x": 100 * left / width, "y": 100 * top / height, "width": 100 * (right - left) / width,
            "height": 100 * (bottom - top) / height, "rotation": 0, "rectanglelabels": [label],
        },
    }  # fmt: skip


def _once(detections: Sequence[Detection]) -> list[Detection]:
    """The detections with each face once: the one that is in a track and scored highest."""
    kept: list[Detection] = []
    for one in sorted(detections, key=lambda d: (not d.track, -d.score, d.id)):
        if not kept or iou_matrix(as_array([one.box]), as_array([k.box for k in kept])).max() < SAME_FACE_IOU:
            kept.append(one)
    return kept


def overlap(box: Box, others: Sequence[Box]) -> float:
    """The largest intersection over union of a box with some others; 0 where there are none."""
    return float(iou_matrix(as_array([box]), as_array(list(others))).max(initial=0.0))


def _spread(moments: Sequence[int], at_most: int) -> list[int]:
    """At most so many, evenly spread, none at the ends where shots dissolve into one another."""
    n = min(at_most, len(moments))
    return [moments[(2 * i + 1) * len(moments) // (2 * n)] for i in range(n)]
