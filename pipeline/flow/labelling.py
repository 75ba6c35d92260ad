"""Files of labels -> Label records, each tied to the crop it is about."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotate.labels import Answer, Rejected, read_labels
from pipeline.core.errors import VideoError
from pipeline.core.files import digest_of, sha256_of
from pipeline.core.geometry import as_array, grow, iou_matrix
from pipeline.core.images import encode_png
from pipeline.core.places import Box, Place
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Crop, Detection, Episode, Label
from pipeline.core.workspace import Workspace, now
from pipeline.crops import CropOptions, candidate
from pipeline.frames import Frame, frames_at

SAME_FACE_IOU = 0.4
"""least overlap of a labelled box with a mined face for the label to be about it"""


@dataclass(slots=True)
class _Batch:
    """What an import adds."""

    labels: dict[str, Label]
    crops: list[Crop]
    rejected: list[Rejected]


def import_labels(workspace: Workspace, path: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Adds every usable row of a file of labels; the same row twice makes one label.

    A label by place (video, frame, box) goes to the crop mined there; where a face was found there but not kept as a
    crop, the crop is cut now from the episode's file; where nothing was mined it stays a label about that place, which
    `cascade fit` learns from. A place's id in the column `crop` does the same without looking at the episode's file.

    Returns the fields that `import labels --json` prints: imported, already, crops_added, places (labels about places,
    of those imported or there already), rejected[{row, reason}].

    Raises:
        LabelError: the file as a whole is unusable.
    """
    answers, rejected = read_labels(path)
    batch = _Batch({}, [], rejected)
    source = f"{path.name}@{sha256_of(path)[:12]}"
    crops = {crop.id: crop for crop in workspace.catalogue.all(Crop)}
    by_place = [answer for answer in answers if not answer.crop]
    places = _Places(workspace, crops.values())
    for answer in answers:
        if answer.crop in crops:
            _add(batch, answer, answer.crop, source)
        elif answer.crop and (item := places.item(answer.crop)):
            _add(batch, answer, item, source)
        elif answer.crop:
            batch.rejected.append(Rejected(row=answer.row, reason=f"no crop {answer.crop!r} in this workspace"))
    with (progress or Silent()).step("labels", len(by_place) or None, "boxes") as step:
        for video, of_video in _grouped(by_place).items():
            _add_by_place(workspace, video, of_video, crops.values(), batch, source)
            step.advance(len(of_video))
    catalogue = workspace.catalogue
    with catalogue.transaction():
        new = {id: label for id, label in batch.labels.items() if catalogue.get(Label, id) is None}
        catalogue.put(batch.crops)
        catalogue.put(new.values())
    return {
        "imported": len(new),
        "already": len(batch.labels) - len(new),
        "crops_added": len(batch.crops),
        "places": sum(Place.read(label.crop) is not None for label in batch.labels.values()),
        "rejected": [{"row": r.row, "reason": r.reason} for r in sorted(batch.rejected, key=lambda r: r.row)],
    }


def _add(batch: _Batch, answer: Answer, crop: str, source: str) -> None:
    key = digest_of([crop, answer.annotator, source, answer.emotion, answer.character])[:12]
    batch.labels[f"l{key}"] = Label(
        id=f"l{key}", crop=crop, emotion=answer.emotion, character=answer.character, annotator=answer.annotator,
        source=source, created=answer.created or now(),
    )  # fmt: skip


class _Places:
    """Answers to ids of places: about the crop that shows the same face, or about the place itself."""

    def __init__(self, workspace: Workspace, crops: Iterable[Crop]) -> None:
        self.episodes = {episode.id: episode for episode in workspace.catalogue.all(Episode)}
        self.at: dict[tuple[str, int], list[Crop]] = defaultdict(list)
        for crop in crops:
            self.at[crop.episode, crop.pts].append(crop)

    def item(self, id: str) -> str:
        """Id of the crop or place to keep the answer with; empty where `id` is no place of an episode here."""
        place = Place.read(id)
        if (
            place is None
            or place.episode not in self.episodes
            or not _reaches_in(place.box, self.episodes[place.episode])
        ):
            return ""
        here = self.at[place.episode, place.pts]
        best = _most_overlapping(grow(place.box, CropOptions().margin_fraction), [crop.box for crop in here])
        return place.id if best is None else here[best].id


def _reaches_in(box: Box, episode: Episode) -> bool:
    """Whether any of the box lies inside the frame."""
    return box.left < episode.width and box.top < episode.height and box.right > 0 and box.bottom > 0


def _add_by_place(
    workspace: Workspace, video: str, answers: list[Answer], crops: Iterable[Crop], batch: _Batch, source: str
) -> None:
    def reject_all(reason: str) -> None:
        batch.rejected.extend(Rejected(row=answer.row, reason=reason) for answer in answers)

    known = [e for e in workspace.catalogue.all(Episode) if video in (Path(e.path).name, e.name)]
    if len(known) != 1:
        reject_all(f"no episode {video!r} was mined" if not known else f"{len(known)} episodes are called {video!r}")
        return
    episode = known[0]
    try:
        frames = {frame.index: frame for frame in frames_at(Path(episode.path), {a.frame for a in answers})}
    except VideoError as error:
        reject_all(str(error))
        return
    at_pts: dict[int, list[Crop]] = defaultdict(list)
    for crop in crops:
        if crop.episode == episode.id:
            at_pts[crop.pts].append(crop)
    for answer in answers:
        frame = frames.get(answer.frame)
        if frame is None:
            batch.rejected.append(Rejected(row=answer.row, reason=f"{video} has no frame {answer.frame}"))
            continue
        assert answer.box is not None
        if not _reaches_in(answer.box, episode):
            size = f"{episode.width}x{episode.height}"
            batch.rejected.append(Rejected(row=answer.row, reason=f"the box lies outside the {size} frames of {video}"))
            continue
        shown = _crop_at(workspace, episode, frame, answer.box, at_pts[frame.pts], batch)
        missed = Place(episode=episode.id, pts=frame.pts, box=answer.box)
        _add(batch, answer, shown.id if shown else missed.id, source)


def _crop_at(
    workspace: Workspace, episode: Episode, frame: Frame, box: Box | None, here: list[Crop], batch: _Batch
) -> Crop | None:
    """The crop that shows the labelled face, cut now if the face was tracked there but not kept."""
    assert box is not None
    options = CropOptions()
    best = _most_overlapping(grow(box, options.margin_fraction), [crop.box for crop in here])
    if best is not None:
        return here[best]
    tracked = [d for d in workspace.catalogue.all(Detection, episode=episode.id, pts=frame.pts) if d.track]
    best = _most_overlapping(box, [d.box for d in tracked])
    picture = candidate(frame.image, tracked[best].box, options) if best is not None else None
    if best is None or picture is None:
        return None
    found = tracked[best]
    place = f"{picture.box.left}.{picture.box.top}.{picture.box.right}.{picture.box.bottom}"
    crop = Crop(
        id=f"{episode.id}.c{frame.pts}.{place}", episode=episode.id, shot=found.shot, track=found.track, pts=frame.pts,
        box=picture.box, character=found.character, cascade=found.cascade, score=found.score,
        sharpness=picture.sharpness, sha256=workspace.objects.put(encode_png(picture.image), ".png"),
    )  # fmt: skip
    batch.crops.append(crop)
    here.append(crop)
    return crop


def _most_overlapping(box: Box, others: list[Box]) -> int | None:
    if not others:
        return None
    overlap = iou_matrix(as_array([box]), as_array(others))[0]
    best = int(overlap.argmax())
    return best if overlap[best] >= SAME_FACE_IOU else None


def _grouped(answers: list[Answer]) -> dict[str, list[Answer]]:
    by_video: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_video[answer.video].append(answer)
    return dict(sorted(by_video.items()))
