"""What is done with a finished run, done with a net of every kind: classified by, looked into, exported.

Nothing is skipped: `make test-slow` installs the ImageNet weights and ONNX, and without them these tests fail.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.images import read_rgb
from pipeline.core.manifest import Dataset
from tests.train.faces import draw_dataset, draw_face
from train import onnx
from train.best.fit import BEST
from train.explain.looking import FOLDER, explain
from train.loop import train
from train.predict import load_run
from train.recipes import Recipe, find_recipe
from train.runs import plan, read_summary

SIDE = 48
ENSEMBLE = replace(find_recipe("hill"), name="ensemble-hill", net="ensemble-hill")
KINDS = [
    *(find_recipe(name) for name in ("hill", "googlenet", "resnet18-bce-sgd", "transfer-vgg16")),
    find_recipe("transfer-efficientnet-lite0"),
    ENSEMBLE,
    find_recipe("best"),
]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    sizes = {"train": 9, "val": 0, "test": 6}
    return draw_dataset(tmp_path_factory.mktemp("few") / "few", classes=("happy", "sad"), per_class=sizes)


@pytest.fixture(scope="module", params=KINDS, ids=lambda recipe: recipe.name)
def folder(request: pytest.FixtureRequest, few: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of each kind of net, one epoch long."""
    recipe: Recipe = request.param
    said = [f"image_size={SIDE}", "epochs=1", "batch_size=6", "frozen_epochs=0", "device=cpu"]
    said += ["weights=none"] if recipe.net != BEST else []  # which never begins with chance
    run, runs = plan(few, recipe, recipe.options.with_settings(said)), tmp_path_factory.mktemp("runs")
    train(few, run, runs)
    return runs / run.id


def test_it_classifies_pictures_of_any_shape(folder: Path) -> None:
    faces = [draw_face("happy", np.random.default_rng(seed)) for seed in range(3)]
    shares = load_run(folder, "cpu").classify(
        [*faces, np.zeros((1, 1, 3), np.uint8), np.full((9, 300, 3), 255, np.uint8)]
    )
    assert shares.shape == (5, 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)


def test_a_look_inside_shows_where_it_looked(folder: Path, few: Dataset) -> None:
    document = explain(load_run(folder, "cpu"), folder, few)
    assert json.loads((folder / FOLDER / "explain.json").read_text())["examples"] == document["examples"] == 12
    assert [sheet["class"] for sheet in document["sheets"]] == ["happy", "sad"]
    for sheet in document["sheets"]:
        assert read_rgb(folder / FOLDER / sheet["file"]).std() > 10


def test_its_onnx_file_says_what_it_says(folder: Path, few: Dataset, tmp_path: Path) -> None:
    model, summary = load_run(folder, "cpu"), read_summary(folder)
    assert summary is not None
    exported = onnx.export_onnx(model, summary, tmp_path / "model.onnx", few)
    assert (exported.examples, exported.compared_on) == (12, "the test split")
    assert exported.largest_difference <= onnx.TOLERANCE
