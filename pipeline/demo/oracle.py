"""Labels from a drawn series' own truth. They are called what they are: the oracle's, not a person's."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.cartoon import EpisodeTruth, FaceTruth, Series
from pipeline.core.geometry import as_array, grow, iou_matrix
from pipeline.core.records import NOT_A_FACE, Crop, Episode
from pipeline.core.workspace import Workspace
from pipeline.crops import CropOptions

ANNOTATOR = "oracle"
SAME_FACE_IOU = 0.4
"""least overlap of a crop with a drawn face (both with the crop's margin) to show it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A crop and the drawn face that it shows."""

    crop: Crop
    """as mined"""
    face: FaceTruth | None
    """None when it shows no face"""


def frame_of(episode: Episode, truth: EpisodeTruth, pts: int) -> int:
    """The 0-based frame of a drawn episode that has this pts (its frame rate is constant)."""
    return round((pts - episode.start_pts) * episode.time_base * truth.fps)


def shown(workspace: Workspace, series: Series) -> Iterator[Shown]:
    """Every crop of the drawn episodes with the face it shows, by id."""
    margin = CropOptions().margin_fraction
    drawn = {episode.name: episode for episode in series.episodes}
    episodes = {e.id: (e, drawn[e.name]) for e in workspace.catalogue.all(Episode) if e.name in drawn}
    for crop in workspace.catalogue.all(Crop):
        if crop.episode not in episodes:
            continue
        episode, truth = episodes[crop.episode]
        faces = truth.faces_at(min(frame_of(episode, truth, crop.pts), truth.frames - 1))
        best = None
        if faces:
            overlap = iou_matrix(as_array([crop.box]), as_array([grow(f.box, margin) for f in faces]))[0]
            best = faces[int(overlap.argmax())] if overlap.max() >= SAME_FACE_IOU else None
        yield Shown(crop=crop, face=best)


def labels_csv(items: list[Shown]) -> str:
    """A file for `import labels` with the truth about every crop."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["crop", "emotion", "character", "annotator", "created"])
    for item in items:
        emotion = item.face.emotion if item.face else NOT_A_FACE
        character = item.face.character if item.face else ""
        writer.writerow([item.crop.id, emotion, character, ANNOTATOR, "1970-01-01T00:00:00+00:00"])
    return text.getvalue()
