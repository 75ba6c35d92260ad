import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cascades.scoring.evaluate import Scores, as_json, evaluate
from cascades.truth.reading import read_truth
from pipeline.core.errors import TruthError
from pipeline.core.files import write_bytes
from pipeline.core.images import RGB, encode_png

Found = dict[int, list[tuple[tuple[int, int, int, int], float]]]
FACE, OTHER, REGION = (10, 10, 30, 30), (60, 10, 80, 30), (10, 60, 50, 90)


def truth_of(folder: Path, images: int = 2) -> Path:
    """Each picture: one face of ann, one of ben, and a region to leave alone; picture i is all grey level i."""

    def box(b: tuple[int, int, int, int]) -> list[int]:
        return [b[0], b[1], b[2] - b[0], b[3] - b[1]]

    rows = []
    for i in range(images):
        write_bytes(folder / f"{i}.png", encode_png(np.full((100, 100, 3), i, dtype=np.uint8)))
        rows += [
            {"id": len(rows), "image_id": i, "category_id": 1, "bbox": box(FACE), "iscrowd": 0},
            {"id": len(rows) + 1, "image_id": i, "category_id": 2, "bbox": box(OTHER), "iscrowd": 0},
            {"id": len(rows) + 2, "image_id": i, "category_id": 3, "bbox": box(REGION), "iscrowd": 1},
        ]
    coco = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in range(images)],
        "annotations": rows,
        "categories": [{"id": 1, "name": "ann"}, {"id": 2, "name": "ben"}, {"id": 3, "name": "ignore"}],
    }
    (folder / "truth.json").write_text(json.dumps(coco))
    return folder / "truth.json"


def scores_of(folder: Path, found: Found, character: str | None = "ann", images: int = 2) -> Scores:
    def find(image_HW3: RGB) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        rows = found.get(int(image_HW3[0, 0, 0]), [])
        return np.array([b for b, _ in rows], dtype=float).reshape(-1, 4), np.array([s for _, s in rows], dtype=float)

    return evaluate(find, read_truth(truth_of(folder, images)), character, 0.5)


def test_all_found_and_nothing_else_is_perfect(tmp_path: Path) -> None:
    scores = scores_of(tmp_path, {0: [(FACE, 5.0)], 1: [(FACE, 3.0)]})
    assert (scores.precision, scores.recall, scores.f1, scores.average_precision) == (1.0, 1.0, 1.0, 1.0)
    assert scores.false_positives_per_image == 0.0
    assert (scores.images, scores.faces, scores.detections) == (2, 2, 2)


def test_another_character_s_face_is_a_false_positive(tmp_path: Path) -> None:
    scores = scores_of(tmp_path, {0: [(FACE, 5.0), (OTHER, 4.0)]})
    assert (scores.precision, scores.recall, scores.false_positives_per_image) == (0.5, 0.5, 0.5)
    both = scores_of(tmp_path, {0: [(FACE, 5.0), (OTHER, 4.0)]}, character=None)
    assert (both.precision, both.recall, both.faces) == (1.0, 0.5, 4)


def test_detections_on_ignored_regions_count_for_nothing(tmp_path: Path) -> None:
    scores = scores_of(tmp_path, {0: [(FACE, 5.0), ((12, 62, 30, 80), 9.0)], 1: [(FACE, 5.0)]})
    assert (scores.precision, scores.recall, scores.ignored, scores.detections) == (1.0, 1.0, 1, 2)


def test_a_second_detection_of_one_face_is_a_false_positive(tmp_path: Path) -> None:
    scores = scores_of(tmp_path, {0: [(FACE, 5.0), ((11, 11, 31, 31), 4.0)], 1: [(FACE, 5.0)]})
    assert scores.precision == pytest.approx(2 / 3)
    assert scores.recall == 1.0


def test_the_curve_goes_from_the_surest_down_and_best_is_where_f1_is_highest(tmp_path: Path) -> None:
    wrong = (0, 0, 20, 9)
    scores = scores_of(
        tmp_path, {0: [(FACE, 9.0), (wrong, 2.0)], 1: [(wrong, 7.0), (FACE, 5.0), ((70, 60, 90, 80), 1.0)]}
    )
    assert [p.threshold for p in scores.curve] == [9.0, 7.0, 5.0, 2.0, 1.0]
    assert [round(p.precision, 3) for p in scores.curve] == [1.0, 0.5, 0.667, 0.5, 0.4]
    assert [p.recall for p in scores.curve] == [0.5, 0.5, 1.0, 1.0, 1.0]
    assert scores.best.threshold == 5.0
    assert scores.average_precision == pytest.approx(0.5 * 1.0 + 0.5 * 2 / 3)
    assert scores.false_positives_per_image == 1.5


def test_detections_of_equal_score_come_together(tmp_path: Path) -> None:
    scores = scores_of(tmp_path, {0: [(FACE, 5.0), ((70, 60, 90, 80), 5.0)], 1: [(FACE, 5.0)]})
    assert [(p.threshold, p.recall) for p in scores.curve] == [(5.0, 1.0)]


def test_nothing_found_is_precise_and_finds_nothing(tmp_path: Path) -> None:
    scores = scores_of(tmp_path, {})
    assert (scores.precision, scores.recall, scores.f1, scores.average_precision) == (1.0, 0.0, 0.0, 0.0)
    assert as_json(scores)["best"]["threshold"] is None
    json.dumps(as_json(scores), allow_nan=False)


def test_an_unknown_character_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(TruthError, match=r"nobody is called 'cat' in it; there are ann, ben"):
        scores_of(tmp_path, {}, character="cat")


def test_pictures_that_cannot_be_read_are_left_out_and_told(tmp_path: Path) -> None:
    truth = read_truth(truth_of(tmp_path))
    (tmp_path / "1.png").write_bytes(b"no picture")
    scores = evaluate(lambda image_HW3: (np.zeros((0, 4)), np.zeros(0)), truth, "ann")
    assert scores.images == 1
    assert [r.row for r in scores.rejected] == ["1.png"]
    (tmp_path / "0.png").write_bytes(b"")
    with pytest.raises(TruthError, match="not one of its pictures can be read"):
        evaluate(lambda image_HW3: (np.zeros((0, 4)), np.zeros(0)), truth, "ann")


def test_average_precision_is_told_at_several_overlaps_and_falls_with_them(tmp_path: Path) -> None:
    loose = (14, 10, 34, 30)  # shares 16 of 24 columns with the face: overlap 2/3
    scores = scores_of(tmp_path, {0: [(FACE, 5.0)], 1: [(loose, 4.0)]})
    assert dict(scores.by_iou) == {0.3: 1.0, 0.4: 1.0, 0.5: 1.0, 0.6: 1.0, 0.7: 0.5}
    assert as_json(scores)["average_precision_by_iou"][-1] == {"iou": 0.7, "average_precision": 0.5}


def test_small_and_large_faces_are_told_apart(tmp_path: Path) -> None:
    large = (20, 20, 90, 90)
    path = truth_of(tmp_path)
    coco = json.loads(path.read_text())
    coco["annotations"].append({"id": 99, "image_id": 0, "category_id": 1, "bbox": [20, 20, 70, 70], "iscrowd": 0})
    path.write_text(json.dumps(coco))

    def find(image_HW3: RGB) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        first = int(image_HW3[0, 0, 0]) == 0
        rows = [large, (60, 60, 75, 75)] if first else [FACE]
        return np.array(rows, dtype=float), np.array([9.0, 8.0] if first else [7.0])

    scores = evaluate(find, read_truth(path), "ann", 0.5)
    assert [(s.smallest_px, s.faces, s.recall) for s in scores.by_size] == [(0.0, 2, 0.5), (48.0, 1, 1.0)]
    small, middle = scores.by_size
    assert small.average_precision == pytest.approx(0.25), "the small wrong find counts among the small"
    assert middle.average_precision == 1.0


def test_what_people_called_no_face_is_a_false_positive_when_found(tmp_path: Path) -> None:
    truth = read_truth(truth_of(tmp_path))
    refused = tuple(
        replace(p, boxes=tuple(replace(b, rejected=b.character == "ben") for b in p.boxes)) for p in truth.pictures
    )
    both = np.array([FACE, OTHER], dtype=float), np.array([5.0, 4.0])
    scores = evaluate(lambda image_HW3: both, replace(truth, pictures=refused), None)
    assert (scores.faces, scores.precision) == (2, 0.5)
