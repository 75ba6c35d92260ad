import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.core.errors import DatasetError
from pipeline.core.manifest import Dataset, read_dataset
from pipeline.core.progress import Silent
from tests.train.faces import EMOTIONS, SIZES, draw_dataset, rewrite
from train.augment import MARGIN
from train.classes import classes_of
from train.examples import Examples, colour_statistics, letterboxed, mean_colours, read_examples, read_images
from train.options import TrainOptions

SMALL = TrainOptions(image_size=20, augment=False)


def read(dataset: Dataset, options: TrainOptions = SMALL) -> Examples:
    return read_examples(dataset, classes_of(dataset, options), options, torch.device("cpu"), Silent())


def test_every_example_lands_in_its_split_with_its_class(toy: Dataset) -> None:
    data = read(toy)
    for name, split in (("train", data.train), ("val", data.val), ("test", data.test)):
        rows = [example for example in toy.examples if example.split == name]
        assert len(split) == len(rows) == 3 * SIZES[name]
        assert split.images.shape == (len(rows), 3, 20, 20)
        assert split.images.dtype == torch.uint8
        assert [EMOTIONS[label] for label in split.labels] == [example.label for example in rows]
        assert torch.equal(split.targets, torch.eye(3)[split.labels])


def test_augmented_training_pictures_are_kept_larger(toy: Dataset) -> None:
    data = read(toy, TrainOptions(image_size=20, augment=True))
    assert data.train.images.shape[-1] == round(20 * MARGIN)
    assert data.test.images.shape[-1] == 20


def test_a_shape_that_is_not_square_is_kept() -> None:
    image = np.full((10, 40, 3), 250, dtype=np.uint8)
    square = letterboxed(image, 20)
    assert square.shape == (20, 20, 3)
    assert (square[8:12] > 240).all()
    assert (square[:7] == 127).all()
    assert (square[13:] == 127).all()
    assert letterboxed(np.zeros((1, 500, 3), dtype=np.uint8), 20).shape == (20, 20, 3)


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    assert np.array_equal(letterboxed(image, 20), image)


def test_colour_statistics_are_those_of_all_pixels(toy: Dataset) -> None:
    images = read(toy).train.images
    mean, deviation = colour_statistics(images)
    values = images.double() / 255
    torch.testing.assert_close(mean, values.mean(dim=(0, 2, 3)).float())
    torch.testing.assert_close(deviation, values.std(dim=(0, 2, 3), unbiased=False).float())
    assert mean_colours(images).shape == (len(images), 3)


def test_character_and_emotion_together_are_classes(toy: Dataset) -> None:
    options = TrainOptions(image_size=20, target="character_emotion")
    classes = classes_of(toy, options)
    assert classes == ("jerry/angry", "jerry/happy", "jerry/sad", "tom/angry", "tom/happy", "tom/sad")
    data = read(toy, options)
    assert [classes[label] for label in data.test.labels] == [f"{e.character}/{e.label}" for e in data.test.examples]


def test_soft_labels_become_the_targets(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path)
    torn = [replace(e, soft_label=(0.25, 0.75, 0.0) if e.label == "happy" else e.soft_label) for e in dataset.examples]
    data = read(rewrite(tmp_path, torn, EMOTIONS), replace(SMALL, soft_labels=True))
    happy = data.train.labels == 1
    assert torch.equal(data.train.targets[happy], torch.tensor([0.25, 0.75, 0.0]).expand(int(happy.sum()), 3))
    characters = read(rewrite(tmp_path, torn, EMOTIONS), replace(SMALL, soft_labels=True, target="character_emotion"))
    first = characters.train.targets[[e.label == "happy" for e in characters.train.examples].index(True)]
    assert first[first > 0].tolist() == [0.25, 0.75]


def test_soft_labels_that_are_none_are_refused(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path)
    bare = rewrite(tmp_path, [replace(e, soft_label=()) for e in dataset.examples], EMOTIONS)
    with pytest.raises(
        DatasetError, match="not one share per class; export the dataset again, or train with --set soft_l"
    ):
        read(bare, replace(SMALL, soft_labels=True))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("flip", r"happy/.*\.png differs from what was exported; export the dataset again, or restore the file"),
        ("empty", r"happy/.*\.png is empty; export the dataset again"),
        ("delete", r"happy/.*\.png is missing; export the dataset again"),
        ("folder", r"happy/.*\.png cannot be read \(Is a directory\)"),
    ],
)
def test_a_damaged_image_is_named_with_its_repair(tmp_path: Path, fault: str, message: str) -> None:
    dataset = draw_dataset(tmp_path)
    path = tmp_path / next(example.file for example in dataset.examples if example.label == "happy")
    content = bytearray(path.read_bytes())
    path.unlink()
    if fault == "flip":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif fault == "empty":
        path.write_bytes(b"")
    elif fault == "folder":
        path.mkdir()
    with pytest.raises(DatasetError, match=message):
        read(dataset)


def test_many_damaged_images_are_counted(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path)
    for example in dataset.examples[:5]:
        (tmp_path / example.file).unlink()
    with pytest.raises(DatasetError, match=r"is missing \(and \d+ more\); export"):
        read(dataset)


def test_a_file_that_was_exported_but_is_no_image_is_named(tmp_path: Path) -> None:
    import hashlib

    dataset = draw_dataset(tmp_path)
    first = dataset.examples[0]
    (tmp_path / first.file).write_bytes(b"not a picture")
    rows = [replace(first, sha256=hashlib.sha256(b"not a picture").hexdigest()), *dataset.examples[1:]]
    with pytest.raises(DatasetError, match=r"\.png: not a readable image"):
        read(rewrite(tmp_path, rows, EMOTIONS))


def test_a_path_that_leads_out_of_the_dataset_is_refused(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path / "set")
    rows = [replace(dataset.examples[0], file="../../../etc/passwd"), *dataset.examples[1:]]
    with pytest.raises(DatasetError, match="leads out of"):
        read(rewrite(tmp_path / "set", rows, EMOTIONS))


def test_a_class_that_is_only_tested_cannot_be_learned(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path, leave_out=[("train", "sad"), ("val", "sad")])
    with pytest.raises(DatasetError, match=r"class 'sad' has no training example \(0 in train, 0 in val, 9 in test\)"):
        classes_of(dataset, SMALL)


def test_one_class_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"toy@1 has one class alone, happy; there is nothing to tell apart"):
        classes_of(draw_dataset(tmp_path, classes=("happy",)), SMALL)


@pytest.mark.parametrize("split", ["train", "test"])
def test_an_empty_split_says_how_to_export_with_one(tmp_path: Path, split: str) -> None:
    dataset = draw_dataset(tmp_path, per_class={**SIZES, split: 0})
    with pytest.raises(
        DatasetError, match=rf"toy@1 has no {split} examples; .*`toonsift export toy --split 0.8,0.1,0.1`"
    ):
        classes_of(dataset, SMALL)


def test_an_unknown_split_or_label_is_refused(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path)
    rows = [replace(dataset.examples[0], split="dev"), *dataset.examples[1:]]
    with pytest.raises(DatasetError, match="has split 'dev' and label 'angry', which its manifest does not know"):
        classes_of(rewrite(tmp_path, rows, EMOTIONS), SMALL)


def test_characters_are_needed_when_they_are_asked_for(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path, characters=())
    with pytest.raises(DatasetError, match="has no character, and target=character_emotion needs one"):
        classes_of(dataset, TrainOptions(target="character_emotion"))


def test_a_newer_dataset_is_refused(tmp_path: Path) -> None:
    draw_dataset(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(DatasetError, match="format 99 is newer than this toonsift reads"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("kind", ["1x1", "16 bits", "CMYK", "grey", "alpha", "one bit"])
def test_pictures_of_every_kind_are_read_alike(tmp_path: Path, kind: str) -> None:
    """A plain grey of 144 in many guises; a picture of one pixel fills the square."""
    grey = Image.new("L", (30, 30), 144)
    picture = {
        "1x1": Image.new("RGB", (1, 1), (144, 144, 144)),
        "16 bits": Image.fromarray(np.full((30, 30), 144 * 256 + 17, dtype=np.uint16)),
        "CMYK": Image.merge("CMYK", [Image.new("L", (30, 30), v) for v in (0, 0, 0, 111)]),
        "grey": grey,
        "alpha": Image.merge("RGBA", [grey, grey, grey, Image.new("L", (30, 30), 255)]),
        "one bit": Image.new("1", (30, 30), 1),
    }[kind]
    stream = io.BytesIO()
    picture.save(stream, format="TIFF" if kind == "CMYK" else "PNG")
    dataset = draw_dataset(tmp_path / "set", per_class={"train": 1, "val": 0, "test": 1})
    first = next(e for e in dataset.examples if e.split == "test")
    (dataset.folder / first.file).write_bytes(stream.getvalue())
    changed = replace(first, sha256=hashlib.sha256(stream.getvalue()).hexdigest())
    dataset = rewrite(tmp_path / "set", [changed if e is first else e for e in dataset.examples], EMOTIONS)
    images = read_images(dataset, [changed], 20, Silent())
    assert images.shape == (1, 3, 20, 20)
    assert int(images[0, :, 10, 10].float().mean()) == (255 if kind == "one bit" else 144)


def test_a_grey_net_has_the_statistics_of_the_luma(toy: Dataset) -> None:
    images = read_images(toy, toy.examples[:9], 20, Silent())
    mean, deviation = colour_statistics(images, grey=True)
    luma = (images.double() * torch.tensor([0.299, 0.587, 0.114]).double().reshape(1, 3, 1, 1)).sum(dim=1) / 255
    torch.testing.assert_close(mean, luma.mean().float().expand(3))
    torch.testing.assert_close(deviation, luma.std(correction=0).float().expand(3))
