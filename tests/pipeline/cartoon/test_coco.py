import json

import pytest

from pipeline.cartoon import Series, coco_of
from pipeline.core.errors import TruthError


def test_coco_has_every_nth_frame_and_refers_only_to_what_it_has(small: Series) -> None:
    coco = coco_of(small, every_frames=5)
    assert json.loads(json.dumps(coco)) == coco
    assert len(coco["images"]) == 2 * 20
    images = {image["id"]: image for image in coco["images"]}
    categories = {category["id"]: category["name"] for category in coco["categories"]}
    assert sorted(categories.values()) == ["mara", "other", "otto", "pim"]
    assert [a["id"] for a in coco["annotations"]] == list(range(1, len(coco["annotations"]) + 1))
    for annotation in coco["annotations"]:
        image = images[annotation["image_id"]]
        episode = small.episode(image["video"].removesuffix(".mp4"))
        assert image["frame"] % 5 == 0
        x, y, width, height = annotation["bbox"]
        assert any(
            (face.box.left, face.box.top, face.box.width, face.box.height) == (x, y, width, height)
            and face.character == categories[annotation["category_id"]]
            and face.emotion == annotation["attributes"]["emotion"]
            for face in episode.faces_at(image["frame"])
        )
        assert annotation["area"] == width * height


def test_hidden_and_small_faces_are_crowd(small: Series) -> None:
    annotations = coco_of(small, every_frames=1)["annotations"]
    assert {a["iscrowd"] for a in annotations} == {0, 1}
    for a in annotations:
        assert a["iscrowd"] == int(a["attributes"]["visible"] < 0.6 or a["bbox"][2] < 32)


def test_episodes_can_be_chosen(small: Series) -> None:
    assert {image["video"] for image in coco_of(small, ["s01e02"])["images"]} == {"s01e02.mp4"}


def test_nonsense_is_refused(small: Series) -> None:
    with pytest.raises(TruthError, match="every_frames must be 1 or more, got 0"):
        coco_of(small, every_frames=0)
    with pytest.raises(TruthError, match="no episode 'pilot'"):
        coco_of(small, ["pilot"])
