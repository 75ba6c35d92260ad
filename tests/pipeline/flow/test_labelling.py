import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascades.truth.workspace import workspace_truth
from pipeline.core.places import Box, Place
from pipeline.core.records import NOT_A_FACE, Crop, Label
from pipeline.export import ExportOptions, consensus
from pipeline.flow.labelling import import_labels
from tests.cascades.studio.workspaces import Studio, make_studio


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return make_studio(tmp_path, frames=8)


def rows_of(tmp_path: Path, *rows: dict[str, object]) -> Path:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(list(rows)))
    return path


def at(frame: int, box: Box, **more: object) -> dict[str, object]:
    sides = {"left": box.left, "top": box.top, "right": box.right, "bottom": box.bottom}
    return {"video": "s01e01.mp4", "frame": frame, **sides, "emotion": "happy", "character": "ann"} | more


def test_a_label_by_place_goes_to_the_crop_that_shows_the_face(studio: Studio, tmp_path: Path) -> None:
    done = import_labels(studio.workspace, rows_of(tmp_path, at(3, studio.faces[3])))
    assert (done["imported"], done["places"], done["rejected"]) == (1, 0, [])
    assert studio.workspace.catalogue.all(Label)[0].crop == studio.crops[3].id


def test_a_missed_face_is_kept_as_a_label_about_its_place_and_can_be_fitted_to(studio: Studio, tmp_path: Path) -> None:
    missed = Box(left=0, top=95, right=40, bottom=135)
    studio.workspace.catalogue.delete(Crop, id=studio.crops[2].id)
    path = rows_of(tmp_path, at(2, missed))
    done = import_labels(studio.workspace, path)
    assert (done["imported"], done["places"], done["rejected"]) == (1, 1, [])
    label = studio.workspace.catalogue.all(Label)[0]
    assert Place.read(label.crop) == Place(episode=studio.episode.id, pts=studio.crops[2].pts, box=missed)
    again = import_labels(studio.workspace, path)
    assert (again["imported"], again["already"], again["places"]) == (0, 1, 1)
    (picture,) = workspace_truth(studio.workspace, "ann").pictures
    assert (picture.boxes[0].left, picture.boxes[0].bottom) == (0, 135)


def test_boxes_outside_the_picture_and_frames_that_are_not_there_are_rejected(studio: Studio, tmp_path: Path) -> None:
    outside = Box(left=500, top=0, right=600, bottom=60)
    done = import_labels(studio.workspace, rows_of(tmp_path, at(2, outside), at(900, studio.faces[0])))
    assert [r["reason"] for r in done["rejected"]] == [
        "the box lies outside the 200x140 frames of s01e01.mp4", "s01e01.mp4 has no frame 900",
    ]  # fmt: skip
    assert done["imported"] == 0


def test_an_answer_to_a_place_s_id_goes_to_the_crop_there_else_to_the_place(studio: Studio, tmp_path: Path) -> None:
    Path(studio.episode.path).unlink()  # it is not needed for this
    shown = Place(episode=studio.episode.id, pts=studio.crops[1].pts, box=studio.faces[1])
    nothing = Place(episode=studio.episode.id, pts=studio.crops[1].pts, box=Box(left=0, top=0, right=9, bottom=9))
    strange = Place(episode="nobody", pts=0, box=studio.faces[1])
    away = Place(episode=studio.episode.id, pts=0, box=Box(left=900, top=0, right=999, bottom=9))
    path = tmp_path / "suspects.csv"
    path.write_text("crop,answer\n" + "".join(f"{p.id},not-a-face\n" for p in (shown, nothing, strange, away)))
    done = import_labels(studio.workspace, path)
    assert {label.crop for label in studio.workspace.catalogue.all(Label)} == {studio.crops[1].id, nothing.id}
    assert {label.emotion for label in studio.workspace.catalogue.all(Label)} == {NOT_A_FACE}
    assert [r["row"] for r in done["rejected"]] == [3, 4]
    assert done["places"] == 1


def test_reserved_answers_are_kept_as_labels_and_are_no_class_of_a_dataset(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(
        f"crop,emotion\n{studio.crops[0].id},not-a-face\n{studio.crops[1].id},unsure\n{studio.crops[2].id},happy\n"
    )
    import_labels(studio.workspace, path)
    agreed, left_out = consensus(studio.workspace.catalogue.all(Label), ExportOptions().exclude)
    assert list(agreed) == [studio.crops[2].id]
    assert left_out == {"not_a_face": 1, "unsure": 1}


@given(
    episode=st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True),
    pts=st.integers(-(10**15), 10**15),
    left=st.integers(-5000, 5000),
    top=st.integers(-5000, 5000),
    size=st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
)
def test_a_place_is_read_back_from_its_id(episode: str, pts: int, left: int, top: int, size: tuple[int, int]) -> None:
    place = Place(episode=episode, pts=pts, box=Box(left=left, top=top, right=left + size[0], bottom=top + size[1]))
    assert Place.read(place.id) == place


@pytest.mark.parametrize(
    "id", ["", "e1.c5.0.0.9.9", "e1.p5.0.0.9", "e1.p5.9.0.9.9", "e1.px.0.0.9.9", "a/b.p1.0.0.9.9", "e1.p1.0.0.9.9\n"]
)
def test_other_ids_are_no_places(id: str) -> None:
    assert Place.read(id) is None
