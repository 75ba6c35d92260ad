import json
from pathlib import Path

import pytest

from annotate.labels import read_labels
from pipeline.core.errors import LabelError
from pipeline.core.places import Box
from pipeline.core.records import NOT_A_FACE, UNSURE


def written(tmp_path: Path, text: str, name: str = "labels.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_rows_become_answers_and_bad_ones_are_named(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "\ufeffcrop,emotion,character,annotator\nc1,happy,ann,bo\nc2,,ann,bo\nc3,skip,,bo\nc4,../up,,\n,sad,,\n",
    )
    answers, rejected = read_labels(path)
    assert [(a.row, a.crop, a.emotion, a.character, a.annotator) for a in answers] == [
        (1, "c1", "happy", "ann", "bo"),
        (3, "c3", "", "", "bo"),
    ]
    assert [r.row for r in rejected] == [2, 4, 5]
    assert "no emotion given" in rejected[0].reason
    assert "cannot name a class" in rejected[1].reason
    assert "neither a crop's id nor a video and frame" in rejected[2].reason


def test_json_and_json_lines_read_the_same(tmp_path: Path) -> None:
    rows = [{"crop": "c1", "emotion": "happy"}, {"video": "a.mp4", "frame": 3, "left": 1, "top": 2, "right": 30, "bottom": 40, "emotion": "sad"}]  # fmt: skip
    whole, _ = read_labels(written(tmp_path, json.dumps(rows), "a.json"))
    lines, _ = read_labels(written(tmp_path, "\n".join(json.dumps(r) for r in rows), "b.jsonl"))
    assert whole == lines
    assert whole[1].box == Box(left=1, top=2, right=30, bottom=40)


def test_coco_gives_faces_by_place_without_crowd_regions(tmp_path: Path) -> None:
    coco = {
        "categories": [{"id": 1, "name": "ann"}],
        "images": [{"id": 7, "video": "a.mp4", "frame": 24}],
        "annotations": [
            {"image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40], "attributes": {"emotion": "happy"}},
            {"image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40], "iscrowd": 1},
            {"image_id": 8, "category_id": 1, "bbox": [10, 20, 30, 40], "attributes": {"emotion": "sad"}},
            {"image_id": 7, "category_id": 1, "bbox": [10, 20, 0, 40], "attributes": {"emotion": "sad"}},
        ],
    }
    answers, rejected = read_labels(written(tmp_path, json.dumps(coco), "coco.json"))
    assert [(a.video, a.frame, a.character, a.box) for a in answers] == [
        ("a.mp4", 24, "ann", Box(left=10, top=20, right=40, bottom=60))
    ]
    assert [r.row for r in rejected] == [2, 3]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is empty"),
        ("[1, 2", "not valid JSON"),
        ('{"a": 1}', "neither a list of labels nor COCO"),
        ('{"annotations": []}', "not COCO"),
        ("name,value\na,b\n", "neither JSON nor CSV with a column `emotion`"),
    ],
)
def test_an_unusable_file_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(LabelError, match=rf"labels\.csv: .*{says}" if says.startswith(("neither", "not")) else says):
        read_labels(written(tmp_path, text))


def test_missing_and_binary_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"gone\.csv: cannot be read"):
        read_labels(tmp_path / "gone.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01" * 10)
    with pytest.raises(LabelError, match=r"binary\.csv: not UTF-8 text"):
        read_labels(tmp_path / "binary.csv")


def test_reserved_answers_are_known_however_people_spell_them(tmp_path: Path) -> None:
    path = written(tmp_path, "crop,emotion\nc1,not-a-face\nc2,Not_a_face\nc3,UNSURE\nc4,happy\n")
    answers, rejected = read_labels(path)
    assert [a.emotion for a in answers] == [NOT_A_FACE, NOT_A_FACE, UNSURE, "happy"]
    assert not rejected


def test_a_filled_in_list_of_suspects_is_read_and_what_nobody_answered_passed_over(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "rank,crop,answer,annotator,character\n1,c1,tom,bo,jerry\n2,c2,,,jerry\n3,c3,not-a-face,bo,jerry\n"
        "4,c4,unsure,,jerry\n5,c5,skip,bo,jerry\n6,c6,../up,bo,jerry\n",
    )
    answers, rejected = read_labels(path)
    assert [(a.row, a.crop, a.emotion, a.character, a.annotator) for a in answers] == [
        (1, "c1", "", "tom", "bo"),
        (3, "c3", NOT_A_FACE, "", "bo"),
        (4, "c4", UNSURE, "", "unknown"),
        (5, "c5", "", "", "bo"),
    ]
    assert [r.row for r in rejected] == [6]
    assert "cannot name a character" in rejected[0].reason


def test_boxes_of_a_named_character_need_no_emotion(tmp_path: Path) -> None:
    coco = {
        "categories": [{"id": 1, "name": "ann"}, {"id": 2, "name": "face"}],
        "images": [{"id": 7, "video": "a.mp4", "frame": 24}],
        "annotations": [
            {"image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40]},
            {"image_id": 7, "category_id": 2, "bbox": [10, 20, 30, 40]},
        ],
    }
    answers, rejected = read_labels(written(tmp_path, json.dumps(coco), "coco.json"))
    assert [(a.emotion, a.character) for a in answers] == [("", "ann")]
    assert [(r.row, r.reason.split(";")[0]) for r in rejected] == [(2, "no emotion given")]
