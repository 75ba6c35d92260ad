"""Every recipe trains for real: a few drawn faces, two epochs (short retraining, then long), read back."""

import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipeline.core.manifest import Dataset
from tests.train.faces import draw_dataset, draw_face
from train.checkpoint import Training, save_checkpoint
from train.lite0 import PACKAGE
from train.loop import train
from train.models import build_net
from train.options import TrainOptions
from train.predict import load_run
from train.recipes import RECIPES, Recipe, find_recipe
from train.runs import Summary, plan

LIGHT = ("vanilla-leaky-bn", "transfer-efficientnet-lite0")
SIDE = 48
EPOCHS = {"ensemble-1vsall": range(1, 201), "ensemble-1vsall-vggface": range(1, 201), "best": [1]}
"""where they are not those asked for: the judge's steps, and what is fitted in one go"""


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    sizes = {"train": 9, "val": 3, "test": 6}
    return draw_dataset(tmp_path_factory.mktemp("few") / "few", classes=("happy", "sad"), per_class=sizes)


def small(recipe: Recipe) -> TrainOptions:
    """The recipe's own options where a CPU can have them: small pictures, two epochs, no weights but installed ones."""
    frozen = min(recipe.options.frozen_epochs, 1)
    weights = recipe.options.weights if recipe.net.endswith(("efficientnet-lite0", "best")) else None
    return recipe.options.with_settings(
        [f"image_size={SIDE}", "epochs=2", "batch_size=6", f"frozen_epochs={frozen}", f"weights={weights or 'none'}"]
    )


def trained(name: str, dataset: Dataset, folder: Path) -> Summary:
    recipe = find_recipe(name)
    run = plan(dataset, recipe, small(recipe))
    summary = train(dataset, run, folder)
    shares = load_run(folder / run.id).classify([draw_face("happy", np.random.default_rng(0))])
    assert shares.shape == (1, 2)
    assert math.isfinite(summary.train_loss)
    assert np.isfinite(shares).all()
    return summary


@pytest.mark.parametrize("name", LIGHT)
def test_light_recipes_train_for_two_epochs(name: str, few: Dataset, tmp_path: Path) -> None:
    assert trained(name, few, tmp_path).epochs == 2


@pytest.mark.skipif(find_spec(PACKAGE) is None, reason=f"{PACKAGE} is not installed")
def test_the_summary_says_which_weights_it_began_with(few: Dataset, tmp_path: Path) -> None:
    found = trained("transfer-efficientnet-lite0", few, tmp_path)
    assert found.weights.startswith("efficientnet-lite0-57934424.pth (SHA-256 ")
    assert not [note for note in found.notes if "random" in note]


def test_weights_that_cannot_be_had_are_noted_in_the_summary(few: Dataset, tmp_path: Path) -> None:
    recipe = find_recipe("vanilla")
    options = recipe.options.with_settings([f"image_size={SIDE}", "epochs=1", "weights=imagenet"])
    found = train(few, plan(few, recipe, options), tmp_path)
    assert found.weights == "random: nobody publishes imagenet weights for the net 'vanilla'"
    assert any(note.startswith("no imagenet weights: training began with random") for note in found.notes)


def test_a_resumed_run_needs_its_weights_file_no_more_and_still_names_it(
    few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, file = find_recipe("vanilla"), tmp_path / "start.safetensors"
    net = build_net("vanilla", 2, recipe.options, torch.zeros(3), torch.ones(3))
    save_file(net.state_dict(), file)
    said = [f"image_size={SIDE}", "epochs=2", f"weights={file}"]
    run = plan(few, recipe, recipe.options.with_settings(said))

    def killed(path: Path, digest: str, training: Training) -> None:
        save_checkpoint(path, digest, training)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("train.loop.save_checkpoint", killed)
        with pytest.raises(KeyboardInterrupt):
            train(few, run, tmp_path / "runs")
    file.unlink()
    assert train(few, run, tmp_path / "runs").weights.startswith("start.safetensors (SHA-256 ")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [r.name for r in RECIPES if r.name not in LIGHT])
def test_every_recipe_trains_for_two_epochs(name: str, few: Dataset, tmp_path: Path) -> None:
    summary = trained(name, few, tmp_path)
    assert summary.epochs in EPOCHS.get(name, [2])


@pytest.mark.slow
@pytest.mark.skipif(find_spec(PACKAGE) is None, reason=f"{PACKAGE} is not installed")
def test_real_weights_tell_drawn_faces_apart_where_chance_does_not(tmp_path: Path) -> None:
    """Short retraining alone: what the frozen body sees decides."""
    dataset = draw_dataset(tmp_path / "faces", per_class={"train": 48, "val": 8, "test": 48})
    recipe = find_recipe("transfer-efficientnet-lite0")
    said = ["image_size=96", "epochs=12", "frozen_epochs=12", "augment=false", "learning_rate=0.01"]
    accuracy = {}
    for weights in ("imagenet", "none"):
        run = plan(dataset, recipe, recipe.options.with_settings([*said, f"weights={weights}"]))
        accuracy[weights] = train(dataset, run, tmp_path / "runs").test.accuracy
    assert accuracy["imagenet"] > accuracy["none"] + 0.2
    assert accuracy["imagenet"] > 0.6
