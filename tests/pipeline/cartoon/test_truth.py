from pathlib import Path

import pytest

from pipeline.cartoon import Series, read_truth, write_truth
from pipeline.core.errors import TruthError


def test_truth_comes_back_as_it_was_written_and_is_written_the_same_again(small: Series, tmp_path: Path) -> None:
    write_truth(small, tmp_path / "truth.json")
    first = (tmp_path / "truth.json").read_bytes()
    back = read_truth(tmp_path / "truth.json")
    assert back == small
    write_truth(back, tmp_path / "truth.json")
    assert (tmp_path / "truth.json").read_bytes() == first


def test_faces_are_found_by_frame(small: Series) -> None:
    episode = small.episodes[0]
    for hold in episode.holds:
        assert episode.faces_at(hold.start) == episode.faces_at(hold.end - 1) == hold.faces
        assert episode.shot_at(hold.start) == episode.shot_at(hold.end - 1)
    with pytest.raises(IndexError, match=r"s01e01 has frames 0 to 95, got 96"):
        episode.faces_at(96)
    with pytest.raises(IndexError, match=r"got -1"):
        episode.shot_at(-1)


def test_every_face_of_the_truth_is_plausible(small: Series) -> None:
    faces = [face for episode in small.episodes for hold in episode.holds for face in hold.faces]
    assert {face.emotion for face in faces} <= set(small.emotions)
    assert {face.character for face in faces} <= set(small.characters)
    for face in faces:
        assert 0 < face.visible <= 1
        assert 0.09 * 180 < face.box.width < 0.95 * 180
        assert 0.9 < face.box.height / face.box.width < 1.6
        assert face.box.right > 0
        assert face.box.left < 320
        assert face.drawing.startswith(face.pose + ".")


def test_an_episode_that_is_not_there_is_named_with_those_that_are(small: Series) -> None:
    assert small.episode("s01e02") is small.episodes[1]
    with pytest.raises(TruthError, match=r"no episode 's01e09' in the truth; it has s01e01, s01e02"):
        small.episode("s01e09")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("", "not the truth of a drawn series"),
        ("[]", "not the truth of a drawn series"),
        ('{"format": "coco"}', "format 'coco' where 'toonsift-cartoon-truth/1' was expected"),
        ('{"format": "toonsift-cartoon-truth/1", "seed": 1}', "KeyError"),
    ],
)
def test_a_file_that_is_no_truth_is_refused(content: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(TruthError, match=message):
        read_truth(path)
