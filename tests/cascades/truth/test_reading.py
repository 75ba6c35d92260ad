import json
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cascades.truth.reading import Rejected, open_pictures, read_truth
from pipeline.core.errors import TruthError
from pipeline.core.files import write_bytes
from pipeline.core.images import encode_png
from tests.cascades.drawing import face_windows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bytes(tmp_path / "a.png", encode_png(np.full((60, 80, 3), 100, dtype=np.uint8)))
    write_bytes(tmp_path / "with space.png", encode_png(np.full((60, 80, 3), 50, dtype=np.uint8)))
    return tmp_path


def coco(**changes: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [{"id": 7, "image_id": 1, "category_id": 1, "bbox": [5, 6, 20, 30], "iscrowd": 0}],
        "categories": [{"id": 1, "name": "ann"}, {"id": 4, "name": "ignore"}],
    } | changes


def written(folder: Path, content: object, name: str = "truth.json") -> Path:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder / name


def test_coco_boxes_become_edges(folder: Path) -> None:
    truth = read_truth(written(folder, coco()))
    (picture,) = truth.pictures
    (box,) = picture.boxes
    assert (box.left, box.top, box.right, box.bottom, box.character, box.ignored) == (5, 6, 25, 36, "ann", False)
    assert (picture.path, picture.frame, truth.characters) == ((folder / "a.png").resolve(), None, ("ann",))


def test_crowds_and_the_category_ignore_are_left_alone(folder: Path) -> None:
    rows = [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 6, 20, 30], "iscrowd": 0},
        {"id": 2, "image_id": 1, "category_id": 1, "bbox": [5, 6, 2, 3], "iscrowd": 1},
        {"id": 3, "image_id": 1, "category_id": 4, "bbox": [5, 6, 20, 30]},
    ]
    truth = read_truth(written(folder, coco(annotations=rows)))
    assert [b.ignored for b in truth.pictures[0].boxes] == [False, True, True]


BAD_ROWS: list[tuple[dict[str, Any], str, str]] = [
    ({"annotations": [{"id": 9, "image_id": 3, "category_id": 1, "bbox": [0, 0, 9, 9]}]}, "annotation 9", "image_id 3 is none"),
    ({"annotations": [{"id": 9, "image_id": 1, "category_id": 8, "bbox": [0, 0, 9, 9]}]}, "annotation 9", "category_id 8 is none"),
    ({"annotations": [{"id": 9, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9]}]}, "annotation 9", "expected [x, y, width"),
    ({"annotations": [{"id": 9, "image_id": 1, "category_id": 1, "bbox": [0, 0, "9", 9]}]}, "annotation 9", "not four finite"),
    ({"annotations": [{"id": 9, "image_id": 1, "category_id": 1, "bbox": [0, 0, float("inf"), 9]}]}, "annotation 9", "not four"),
    ({"annotations": [{"id": 9, "image_id": 1, "category_id": 1, "bbox": [0, 0, 3, 9]}]}, "annotation 9", "3x9 pixels, at least"),
    ({"annotations": ["box"]}, "annotation at position 0", "no JSON object"),
    ({"images": [{"id": 1, "file_name": "none.png"}]}, "image 1", "none.png is not in"),
    ({"images": [{"id": 1, "file_name": "../secret.png"}]}, "image 1", "leads out of"),
    ({"images": [{"id": 1, "file_name": "/etc/passwd"}]}, "image 1", "leads out of"),
    ({"images": [{"id": 1, "file_name": "a\0b"}]}, "image 1", "null"),
    ({"images": [{"id": 1}]}, "image 1", "names neither a file_name nor a video"),
    ({"images": [{"id": 1, "video": "a.png", "frame": -1}]}, "image 1", "frame is -1, expected the index"),
    ({"images": [{"id": 1, "video": "a.png"}]}, "image 1", "frame is None"),
    ({"images": [5]}, "image at position 0", "no JSON object"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "row", "reason"), BAD_ROWS)
def test_a_file_of_bad_rows_is_refused_with_each_named(
    folder: Path, changes: dict[str, Any], row: str, reason: str
) -> None:
    with pytest.raises(TruthError) as told:
        read_truth(written(folder, coco(**changes)))
    assert "no usable face box in it" in str(told.value)
    assert row in str(told.value) or "image_id" in str(told.value)
    assert reason in str(told.value)


def test_good_rows_are_used_beside_bad_ones(folder: Path) -> None:
    rows = [*coco()["annotations"], {"id": 8, "image_id": 1, "category_id": 99, "bbox": [0, 0, 9, 9]}]
    truth = read_truth(written(folder, coco(annotations=rows)))
    assert len(truth.pictures[0].boxes) == 1
    assert [r.row for r in truth.rejected] == ["annotation 8"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "the file is empty"),
        ("{", "not JSON"),
        ("[]", "needs the lists images, annotations and categories"),
        ('{"images": 3}', "needs the lists images, annotations and categories"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_coco_file_is_refused(folder: Path, content: str, reason: str) -> None:
    with pytest.raises(TruthError, match=reason):
        read_truth(written(folder, content))


def test_info_dat_may_have_names_with_spaces_and_windows_line_ends(folder: Path) -> None:
    path = folder / "info.dat"
    path.write_bytes(
        b"a.png 2 1 2 30 31 5 6 20 21\r\n\r\nwith space.png 1 0 0 10 11\r\nnone.png 1 0 0 9 9\r\na.png 2 1 2 3\r\n"
    )
    truth = read_truth(path)
    assert [(p.name, len(p.boxes)) for p in truth.pictures] == [("a.png", 2), ("with space.png", 1)]
    assert [r.row for r in truth.rejected] == ["line 4", "line 5"]


def test_a_vec_gives_its_pixels_back(tmp_path: Path) -> None:
    windows = face_windows(5)
    content = struct.pack("<iihh", 5, 576, 0, 0)
    for window in windows:
        content += b"\0" + window.astype("<i2").tobytes()
    (tmp_path / "a.vec").write_bytes(content)
    patches = read_truth(tmp_path / "a.vec", size=(24, 24)).patches
    assert patches is not None
    assert (patches == windows).all()
    with pytest.raises(TruthError, match=r"its samples have 576 pixels, --size 20x20 has 400"):
        read_truth(tmp_path / "a.vec", size=(20, 20))
    (tmp_path / "a.vec").write_bytes(content[:-100])
    with pytest.raises(TruthError, match="says 5 samples and holds 4; it is damaged"):
        read_truth(tmp_path / "a.vec", size=(24, 24))
    (tmp_path / "a.vec").write_bytes(b"short")
    with pytest.raises(TruthError, match="too few for a .vec"):
        read_truth(tmp_path / "a.vec", size=(24, 24))


def test_an_npz_holds_exactly_one_array_of_windows(tmp_path: Path) -> None:
    windows = face_windows(3)
    np.savez_compressed(tmp_path / "good.npz", faces=windows)
    patches = read_truth(tmp_path / "good.npz").patches
    assert patches is not None
    assert (patches == windows).all()
    np.savez(tmp_path / "two.npz", a=windows, b=windows)
    with pytest.raises(TruthError, match=r"holds 2 arrays \(a, b\); exactly one"):
        read_truth(tmp_path / "two.npz")
    np.savez(tmp_path / "float.npz", a=windows.astype(float))
    with pytest.raises(TruthError, match=r"its array is float64 \(3, 24, 24\), expected uint8"):
        read_truth(tmp_path / "float.npz")
    np.savez(tmp_path / "pickled.npz", a=np.array([{"x": 1}], dtype=object))
    with pytest.raises(TruthError, match="not a readable .npz of plain arrays"):
        read_truth(tmp_path / "pickled.npz")
    (tmp_path / "no.npz").write_bytes(b"PK no zip")
    with pytest.raises(TruthError, match="not a readable .npz"):
        read_truth(tmp_path / "no.npz")


def test_missing_files_and_folders_are_named(folder: Path) -> None:
    with pytest.raises(TruthError, match="cannot be read"):
        read_truth(folder / "none.json")
    with pytest.raises(TruthError, match="no such folder; --images names"):
        read_truth(written(folder, coco()), folder / "nowhere")
    (folder / "binary.dat").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(TruthError, match="neither text nor"):
        read_truth(folder / "binary.dat")


def test_frames_of_a_video_are_found_by_their_index(tmp_path: Path) -> None:
    video = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for level in range(0, 200, 20):
        video.write(np.full((48, 64, 3), level, dtype=np.uint8))
    video.release()
    images = [{"id": i, "video": "v.avi", "frame": f} for i, f in enumerate([7, 2, 50, 7])]
    boxes = [{"id": i, "image_id": i, "category_id": 1, "bbox": [0, 0, 20, 20]} for i in range(4)]
    truth = read_truth(written(tmp_path, coco(images=images, annotations=boxes)))
    rejected: list[Rejected] = []
    opened = [(p.frame, int(image.mean().round())) for p, image in open_pictures(truth.pictures, rejected)]
    assert [frame for frame, _ in opened] == [2, 7, 7]
    assert dict(opened) == pytest.approx({2: 40, 7: 140}, abs=3)
    assert [r.row for r in rejected] == ["v.avi frame 50"]
    assert "ends before this frame" in rejected[0].reason
