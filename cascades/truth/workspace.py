"""What people said in a workspace, as truth to fit a cascade with: faces, other faces, and what is no face.

A labelled crop gives the box of the detection that it was cut around; a label about a place gives its own. On frames
with an answer, whatever was detected there and nobody spoke about is neither face nor background.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cascades.scoring.matching import as_corners
from cascades.truth.labelled import SMALLEST_BOX_PX, Picture, Rejected, Truth, TruthBox
from pipeline.core.answers import counting
from pipeline.core.errors import TruthError
from pipeline.core.geometry import as_array, grow, iou_matrix
from pipeline.core.places import Box, Place, Timestamp
from pipeline.core.records import NOT_A_FACE, UNSURE, Crop, Detection, Episode, Label, Shot
from pipeline.core.workspace import Workspace
from pipeline.crops import CropOptions
from pipeline.frames import frames_at

SAME_FACE_IOU = 0.4
"""least overlap of a crop with a detection (both with the crop's margin), or of two boxes, to be about one face"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the annotators of one crop or place say together."""

    kind: str
    """`face`, NOT_A_FACE, or UNSURE (also where they disagree, or only skipped)"""
    character: str
    """named most often; empty where nobody named one, and for what is no face"""


def workspace_truth(workspace: Workspace, character: str | None = None) -> Truth:
    """The workspace's labels as truth, one picture for each labelled frame, grouped by shot.

    Faces have their character (that of the crop where annotators only told an emotion), `rejected` boxes were called no
    face, `ignored` ones are not settled. Pictures name their episode's file and pts.

    Args:
        workspace: whose labels are read.
        character: who must be among them; None for anyone.

    Raises:
        TruthError: no label says that something is a face of `character`.
    """
    catalogue = workspace.catalogue
    said = what_was_said(catalogue.all(Label))
    episodes = {episode.id: episode for episode in catalogue.all(Episode)}
    crops = {crop.id: crop for crop in catalogue.all(Crop) if crop.id in said}
    pictures: list[Picture] = []
    rejected: list[Rejected] = []
    for id, at_pts in _frames(said, crops).items():
        episode = episodes.get(id)
        trouble = f"episode {id} is not in the workspace" if episode is None else _trouble(episode)
        if episode is None or trouble:
            rejected.append(Rejected(episode.name if episode else id, trouble))
            continue
        pictures += _pictures(workspace, episode, at_pts, said, crops)
    truth = Truth("the workspace's labels", tuple(pictures), None, tuple(rejected))
    _check(truth, character, len(said))
    return truth


def placed(workspace: Workspace, truth: Truth) -> Truth:
    """The truth with frames of mined episodes named by their pts and grouped by shot, as `workspace_truth` names them.

    Each such video is decoded once. Pictures of other files stay as they are; those that cannot be read are rejected.
    """
    episodes = {Path(e.path).resolve(): e for e in workspace.catalogue.all(Episode)}
    frames: dict[Path, set[int]] = defaultdict(set)
    for picture in truth.pictures:
        if picture.frame is not None and picture.path.resolve() in episodes:
            frames[picture.path.resolve()].add(picture.frame)
    times = {path: {frame.index: frame.pts for frame in frames_at(path, wanted)} for path, wanted in frames.items()}
    shots = {path: _shots(workspace, episodes[path]) for path in times}
    pictures, rejected = [], list(truth.rejected)
    for picture in truth.pictures:
        path = picture.path.resolve()
        if path not in times or picture.frame is None:
            pictures.append(picture)
        elif picture.frame in times[path]:
            pts = times[path][picture.frame]
            pictures.append(
                replace(picture, frame=None, pts=pts, path=Path(episodes[path].path), group=_shot_at(shots[path], pts))
            )
        else:
            rejected.append(Rejected(picture.name, "the video ends before this frame"))
    return replace(truth, pictures=tuple(pictures), rejected=tuple(rejected))


def settled(truth: Truth) -> Truth:
    """The truth with each face of a picture once, and nothing ignored where something is known; the first box counts."""
    return replace(truth, pictures=tuple(replace(p, boxes=_once(p.boxes)) for p in truth.pictures))


def _once(boxes: Sequence[TruthBox]) -> tuple[TruthBox, ...]:
    kept: list[TruthBox] = []
    for box in sorted(boxes, key=lambda b: b.ignored):
        rivals = [k for k in kept if box.ignored or (k.rejected, k.character) == (box.rejected, box.character)]
        if not rivals or iou_matrix(as_corners([box]), as_corners(rivals)).max() < SAME_FACE_IOU:
            kept.append(box)
    return tuple(kept)


def what_was_said(labels: Iterable[Label]) -> dict[str, Said]:
    """Crop or place id -> what its annotators say together; each one's latest that stands counts, the majority wins."""
    answers: dict[str, list[Label]] = defaultdict(list)
    for label in counting(labels):
        answers[label.crop].append(label)
    return {item: _together(given) for item, given in sorted(answers.items())}


def _together(answers: Sequence[Label]) -> Said:
    votes = Counter(kind for label in answers if (kind := _kind(label)))
    ranked = sorted(votes.items(), key=lambda vote: (-vote[1], vote[0]))
    if not ranked or (len(ranked) > 1 and ranked[0][1] == ranked[1][1]):
        return Said(kind=UNSURE, character="")
    names = Counter(label.character for label in answers if label.character and _kind(label) == "face")
    if ranked[0][0] != "face" or not names:
        return Said(kind=ranked[0][0], character="")
    most = max(names.values())
    best = [name for name in names if names[name] == most]
    return Said(kind="face", character=best[0]) if len(best) == 1 else Said(kind=UNSURE, character="")


def _kind(label: Label) -> str:
    if label.emotion in (NOT_A_FACE, UNSURE):
        return label.emotion
    return "face" if label.emotion or label.character else ""


def _frames(said: dict[str, Said], crops: dict[str, Crop]) -> dict[str, dict[int, list[str]]]:
    """Episode -> pts -> ids of the crops and places with an answer there, all in order."""
    found: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for item in said:
        at = crops.get(item) or Place.read(item)
        if at is not None:
            found[at.episode][at.pts].append(item)
    return {episode: dict(sorted(at_pts.items())) for episode, at_pts in sorted(found.items())}


def _trouble(episode: Episode) -> str:
    """Why the episode's file is of no use; empty when it is."""
    path = Path(episode.path)
    if not path.is_file():
        return f"{path} is not there any more; mine the episode where it lies now"
    if path.stat().st_size != episode.size_bytes:
        return f"{path} is another file now than the one that was mined; mine it again"
    return ""


def _pictures(
    workspace: Workspace,
    episode: Episode,
    at_pts: dict[int, list[str]],
    said: dict[str, Said],
    crops: dict[str, Crop],
) -> Iterable[Picture]:
    shots = _shots(workspace, episode)
    detections: dict[int, list[Detection]] = defaultdict(list)
    for detection in workspace.catalogue.all(Detection, episode=episode.id):
        if detection.pts in at_pts:
            detections[detection.pts].append(detection)
    for pts, items in at_pts.items():
        yield Picture(
            name=f"{episode.name} at {Timestamp(pts=pts, time_base=episode.time_base).timecode}",
            path=Path(episode.path),
            frame=None,
            pts=pts,
            group=_shot_at(shots, pts),
            boxes=_boxes(items, said, crops, detections[pts]),
        )


def _shots(workspace: Workspace, episode: Episode) -> list[Shot]:
    return sorted(workspace.catalogue.all(Shot, episode=episode.id), key=lambda s: s.start_pts)


def _shot_at(shots: Sequence[Shot], pts: int) -> str:
    """Id of the shot that shows a pts; empty where there is none."""
    return next((s.id for s in reversed(shots) if s.start_pts <= pts), "")


def _boxes(
    items: Sequence[str], said: dict[str, Said], crops: dict[str, Crop], detections: Sequence[Detection]
) -> tuple[TruthBox, ...]:
    """What is known of one frame: places before crops (people drew their boxes), each face once."""
    spoken: list[tuple[Box, Said]] = []
    for item in sorted(items, key=lambda id: (id in crops, id)):
        crop, place = crops.get(item), Place.read(item)
        box = face_in(crop, detections) if crop else place.box if place else None
        if box is None:
            continue
        answer = said[item]
        if crop and answer.kind == "face" and not answer.character:
            answer = Said(kind="face", character=crop.character)
        if _overlap(box, [b for b, a in spoken if a == answer]) < SAME_FACE_IOU:
            spoken.append((box, answer))
    known = [box for box, _ in spoken]
    silent = [d.box for d in detections if _overlap(d.box, known) < SAME_FACE_IOU]
    return (*(_truth_box(box, answer) for box, answer in spoken), *(_truth_box(box, None) for box in silent))


def _truth_box(box: Box, said: Said | None) -> TruthBox:
    small = min(box.width, box.height) < SMALLEST_BOX_PX
    return TruthBox(
        left=box.left, top=box.top, right=box.right, bottom=box.bottom, character=said.character if said else "",
        ignored=said is None or small or said.kind == UNSURE, rejected=said is not None and said.kind == NOT_A_FACE,
    )  # fmt: skip


def face_in(crop: Crop, detections: Sequence[Detection]) -> Box:
    """The face that a crop was cut around: the detection's box on its frame, else the crop without its margin."""
    margin = CropOptions().margin_fraction
    here = [d for d in detections if d.pts == crop.pts]
    if here:
        overlap = iou_matrix(as_array([crop.box]), as_array([grow(d.box, margin) for d in here]))[0]
        best = max(range(len(here)), key=lambda i: (overlap[i], here[i].score))
        if overlap[best] >= SAME_FACE_IOU:
            return here[best].box
    return grow(crop.box, -margin / (1 + 2 * margin))


def _overlap(box: Box, others: Sequence[Box]) -> float:
    return float(iou_matrix(as_array([box]), as_array(list(others))).max(initial=0.0))


def _check(truth: Truth, character: str | None, answers: int) -> None:
    known = truth.characters
    if any(True for p in truth.pictures for b in p.boxes if not (b.ignored or b.rejected)) and (
        character is None or character in known
    ):
        return
    lost = f"; left out: {truth.rejected[0].row}: {truth.rejected[0].reason}" if truth.rejected else ""
    whom = f"a face of {character!r}" if character else "a face"
    names = f"; the labels name {', '.join(known)}" if known and character else ""
    raise TruthError(
        f"none of the {answers} labelled crops and places is {whom}{names}{lost}; label some "
        "(`toonsift cascade suspects`, then `toonsift import labels FILE`), or give --truth"
    )
