"""`best` on sets that leave it hardly anything to learn from: it ends, its shares are shares, it is not far below the majority."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.core.images import RGB, encode_png, read_rgb
from pipeline.core.manifest import Dataset, Example
from tests.train.best.test_fit import best_run
from tests.train.faces import draw_dataset, draw_face, rewrite
from train.loop import train
from train.predict import load_run
from train.runs import Summary

TWO = ("happy", "sad")


def finished(dataset: Dataset, folder: Path, side: int = 48) -> Summary:
    run = best_run(dataset)
    run = replace(run, options=replace(run.options, image_size=side))
    summary = train(dataset, run, folder)
    shares = load_run(folder / run.id, "cpu").classify([draw_face("happy", np.random.default_rng(0))])
    assert np.isfinite(shares).all()
    assert shares.sum() == pytest.approx(1.0, abs=1e-5)
    return summary


def changed(dataset: Dataset, change: Callable[[RGB], RGB]) -> Dataset:
    """The same set, every picture changed, in the same folder."""
    rows: list[Example] = []
    for example in dataset.examples:
        path = dataset.image_path(example)
        content = encode_png(np.ascontiguousarray(change(read_rgb(path))))
        path.write_bytes(content)
        rows.append(replace(example, sha256=hashlib.sha256(content).hexdigest()))
    return rewrite(dataset.folder, rows, dataset.manifest.classes)


def relabelled(dataset: Dataset, change: Callable[[Example], Example]) -> Dataset:
    return rewrite(dataset.folder, [change(example) for example in dataset.examples], dataset.manifest.classes)


def tiny(picture: RGB) -> RGB:
    return np.asarray(Image.fromarray(picture).resize((24, 24), Image.Resampling.BOX))


def grey(picture: RGB) -> RGB:
    return np.asarray(Image.fromarray(picture).convert("L").convert("RGB"))


def squeezed(picture: RGB) -> RGB:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=6)
    with Image.open(stream) as found:
        return np.asarray(found.convert("RGB"))


def alike(picture: RGB) -> RGB:
    return np.full((40, 40, 3), 90, np.uint8)


def test_one_example_of_each_class(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path / "toy", classes=TWO, per_class={"train": 1, "val": 0, "test": 6})
    assert finished(dataset, tmp_path / "runs").train_loss < 0.7


@pytest.mark.slow
def test_a_single_shot_and_a_single_character(tmp_path: Path) -> None:
    dataset = draw_dataset(
        tmp_path / "toy", classes=TWO, per_class={"train": 8, "val": 0, "test": 6}, characters=("tom",)
    )
    one = relabelled(dataset, lambda e: replace(e, shot=f"{e.split} alone"))
    summary = finished(one, tmp_path / "runs")
    assert summary.test.accuracy >= summary.baselines["majority"].accuracy - 0.1


@pytest.mark.slow
def test_a_class_of_one_example_beside_large_ones(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path / "toy", per_class={"train": 12, "val": 0, "test": 6}, images_per_shot=1)
    spare = [e.id for e in dataset.examples if e.split == "train" and e.label == "sad"][1:]
    left = [example for example in dataset.examples if example.id not in spare]
    summary = finished(rewrite(dataset.folder, left, dataset.manifest.classes), tmp_path / "runs")
    assert summary.test.macro_f1 > summary.baselines["majority"].macro_f1


@pytest.mark.slow
@pytest.mark.parametrize("change", [tiny, grey, squeezed])
def test_small_grey_and_badly_coded_faces_are_still_told_apart(change: Callable[[RGB], RGB], tmp_path: Path) -> None:
    dataset = draw_dataset(
        tmp_path / "toy", classes=TWO, per_class={"train": 12, "val": 0, "test": 12}, images_per_shot=1
    )
    assert finished(changed(dataset, change), tmp_path / "runs").test.accuracy > 0.6


@pytest.mark.slow
def test_pictures_that_are_all_the_same(tmp_path: Path) -> None:
    dataset = draw_dataset(
        tmp_path / "toy", classes=TWO, per_class={"train": 9, "val": 0, "test": 6}, images_per_shot=1
    )
    summary = finished(changed(dataset, alike), tmp_path / "runs")
    assert summary.test.accuracy == pytest.approx(0.5)
