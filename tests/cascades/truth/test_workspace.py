from pathlib import Path

import pytest

from cascades.truth.labelled import Picture, Truth, TruthBox
from cascades.truth.reading import open_pictures
from cascades.truth.workspace import placed, settled, what_was_said, workspace_truth
from pipeline.core.errors import TruthError
from pipeline.core.geometry import iou
from pipeline.core.places import Box, Place
from pipeline.core.records import NOT_A_FACE, UNSURE, Detection, Shot
from tests.cascades.studio.workspaces import Studio, detection_of, make_studio
from tests.records import label


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return make_studio(tmp_path, frames=8)


def box_of(box: TruthBox) -> Box:
    return Box(left=round(box.left), top=round(box.top), right=round(box.right), bottom=round(box.bottom))


def test_a_labelled_crop_gives_the_box_that_was_detected_on_its_frame(studio: Studio) -> None:
    studio.say(studio.crops[2].id, emotion="happy")
    truth = workspace_truth(studio.workspace, "ann")
    (picture,) = truth.pictures
    (box,) = picture.boxes
    detected = studio.workspace.catalogue.all(Detection, pts=studio.crops[2].pts)[0]
    assert (box_of(box), box.character, box.ignored, box.rejected) == (detected.box, "ann", False, False)
    assert (picture.pts, picture.frame, picture.group) == (studio.crops[2].pts, None, studio.crops[2].shot)
    opened = list(open_pictures(truth.pictures, []))
    assert [image.shape for _, image in opened] == [(140, 200, 3)]


def test_without_its_detection_a_crop_gives_its_box_without_the_margin(studio: Studio) -> None:
    crop = studio.crops[1]
    detected = studio.workspace.catalogue.all(Detection, pts=crop.pts)[0]
    studio.workspace.catalogue.delete(Detection, pts=crop.pts)
    studio.say(crop.id, character="ann")
    (picture,) = workspace_truth(studio.workspace).pictures
    assert iou(box_of(picture.boxes[0]), detected.box) > 0.85


def test_answers_become_positives_hard_negatives_others_and_ignored_regions(studio: Studio) -> None:
    first, second, third, fourth = studio.crops[:4]
    studio.say(first.id, emotion="happy")
    studio.say(second.id, emotion=NOT_A_FACE)
    studio.say(third.id, character="ben")
    studio.say(fourth.id, emotion=UNSURE)
    shot = studio.workspace.catalogue.all(Shot)[0]
    extra = detection_of(studio.episode, shot, first.pts, Box(left=0, top=0, right=30, bottom=30), 3.0)
    studio.workspace.catalogue.put([extra])
    boxes = [p.boxes for p in workspace_truth(studio.workspace, "ann").pictures]
    assert [(b.character, b.rejected, b.ignored) for b in boxes[0]] == [("ann", False, False), ("", False, True)]
    assert [(b.character, b.rejected, b.ignored) for row in boxes[1:] for b in row] == [
        ("", True, False), ("ben", False, False), ("", False, True),
    ]  # fmt: skip


def test_a_missed_face_labelled_by_place_is_a_positive_with_its_own_box(studio: Studio) -> None:
    drawn = Box(left=-4, top=5, right=40, bottom=50)
    pts = studio.crops[3].pts
    studio.say(Place(episode=studio.episode.id, pts=pts, box=drawn).id, character="ann")
    (picture,) = workspace_truth(studio.workspace, "ann").pictures
    assert (box_of(picture.boxes[0]), picture.pts) == (drawn, pts)
    assert [b.ignored for b in picture.boxes] == [False, True], "the detection nobody spoke about"


def test_a_face_labelled_both_by_place_and_as_a_crop_counts_once_with_the_drawn_box(studio: Studio) -> None:
    studio.say(studio.crops[0].id, character="ann")
    studio.say(Place(episode=studio.episode.id, pts=studio.crops[0].pts, box=studio.faces[0]).id, character="ann")
    (picture,) = workspace_truth(studio.workspace).pictures
    assert [box_of(b) for b in picture.boxes] == [studio.faces[0]]


def test_the_majority_counts_and_of_each_annotator_the_latest_answer() -> None:
    rows = [
        label("c1", "happy", "ann", created="2026-01-01"),
        label("c1", NOT_A_FACE, "ann", created="2026-01-02"),
        label("c1", NOT_A_FACE, "bo"),
        label("c1", "sad", "cy"),
        label("c2", "happy", "ann"),
        label("c2", NOT_A_FACE, "bo"),
        label("c3", "", "ann"),
        label("c4", "", "ann", character="tom"),
        label("c5", "sad", "ann", character="tom"),
        label("c5", "sad", "bo", character="jerry"),
    ]
    said = what_was_said(rows)
    assert {item: (one.kind, one.character) for item, one in said.items()} == {
        "c1": (NOT_A_FACE, ""), "c2": (UNSURE, ""), "c3": (UNSURE, ""), "c4": ("face", "tom"), "c5": (UNSURE, ""),
    }  # fmt: skip


def test_an_episode_that_is_gone_or_changed_is_told(studio: Studio) -> None:
    studio.say(studio.crops[0].id, character="ann")
    path = Path(studio.episode.path)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(TruthError, match="is another file now than the one that was mined"):
        workspace_truth(studio.workspace)
    path.unlink()
    with pytest.raises(TruthError, match="is not there any more"):
        workspace_truth(studio.workspace)


def test_labels_without_the_character_say_whom_they_name(studio: Studio) -> None:
    with pytest.raises(TruthError, match=r"none of the 0 labelled crops and places is a face;.*label some"):
        workspace_truth(studio.workspace)
    studio.say(studio.crops[0].id, character="ben")
    with pytest.raises(TruthError, match="is a face of 'ann'; the labels name ben"):
        workspace_truth(studio.workspace, "ann")


def test_frames_of_a_truth_file_are_placed_in_the_episode_they_are_of(studio: Studio) -> None:
    box = TruthBox(left=1, top=2, right=30, bottom=40, character="ann")
    inside = Picture(name="a", path=Path(studio.episode.path), frame=5, group="", boxes=(box,))
    beyond = Picture(name="b", path=Path(studio.episode.path), frame=500, group="", boxes=(box,))
    other = Picture(name="c", path=Path("/nowhere.png"), frame=None, group="", boxes=(box,))
    found = placed(studio.workspace, Truth("t", (inside, beyond, other), None, ()))
    assert [(p.pts, p.frame, p.group) for p in found.pictures] == [
        (studio.crops[5].pts, None, studio.crops[5].shot), (None, None, ""),
    ]  # fmt: skip
    assert [r.row for r in found.rejected] == ["b"]


def test_settling_keeps_each_face_once_and_ignores_nothing_that_is_known() -> None:
    def box(left: float, **more: object) -> TruthBox:
        return TruthBox(left=left, top=0, right=left + 40, bottom=40, **{"character": "ann", **more})  # type: ignore[arg-type]

    boxes = (
        box(2, character="", ignored=True),
        box(0),
        box(5),
        box(100, character="", ignored=True),
        box(1, character="ben"),
    )
    (picture,) = settled(
        Truth("t", (Picture(name="a", path=Path("a"), frame=None, group="", boxes=boxes),), None, ())
    ).pictures
    assert [(b.left, b.character) for b in picture.boxes] == [(0, "ann"), (1, "ben"), (100, "")]
