"""The loop with everything switched on: it resumes to the bit, learns, and stops where it should."""

import errno
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.core.errors import CheckpointError, DiskFullError, InputError, UsageError
from pipeline.core.manifest import Dataset
from tests.train.faces import EMOTIONS, draw_dataset, rewrite
from tests.train.nets import Small, frozen_tensors, same
from tests.train.test_loop import losses, results, tiny_run, train_and_stop
from train.checkpoint import load_checkpoint
from train.loop import train
from train.memory import largest_batch, memory_errors
from train.models import NETS
from train.runs import CHECKPOINT, METRICS, SUMMARY, TrainingRun

EVERYTHING = {
    "frozen_epochs": 2, "backbone_rate": 0.3, "schedule": "cosine", "warmup_epochs": 1, "gradient_clip": 1.0, "ema": 0.9,
    "mixup": 0.3, "cutmix": 0.5, "class_balance": "logit_adjustment", "loss": "bce", "label_smoothing": 0.05,
    "optimizer": "adamw", "weight_decay": 0.01, "hue": 0.1, "erasing": 0.3, "crop": 0.2, "vertical_flip": 0.1,
    "grey": True, "epochs": 5,
}  # fmt: skip


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETS, "small", Small)


def run_of(dataset: Dataset, **changes: object) -> TrainingRun:
    return replace(tiny_run(dataset, **changes), net="small")


@pytest.mark.usefixtures("small")
def test_with_everything_on_a_stopped_run_ends_with_the_same_bits(
    toy: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(toy, **EVERYTHING)
    whole = train(toy, run, tmp_path / "whole")
    for epochs in (1, 2):
        with monkeypatch.context() as patched:
            train_and_stop(toy, run, tmp_path / "parts", epochs, patched)
    assert results(train(toy, run, tmp_path / "parts")) == results(whole)
    assert losses(tmp_path / "parts" / run.id) == losses(tmp_path / "whole" / run.id)


@pytest.mark.usefixtures("small")
def test_short_retraining_leaves_the_backbone_and_is_told_in_the_metrics(
    toy: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(toy, frozen_epochs=2, epochs=4, schedule="step", step_epochs=1)
    states = []
    for _ in range(3):
        with monkeypatch.context() as patched:
            train_and_stop(toy, run, tmp_path, 1, patched)
        found = load_checkpoint(tmp_path / run.id / CHECKPOINT, run.digest)
        assert found is not None
        states.append(found.model)
    assert same(frozen_tensors(states[0]), frozen_tensors(states[1]))
    assert not same(frozen_tensors(states[1]), frozen_tensors(states[2]))
    train(toy, run, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / run.id / METRICS).read_text().splitlines()]
    assert [row["phase"] for row in rows] == ["short", "short", "long", "long"]
    assert [row["learning_rate"] for row in rows] == pytest.approx([0.001, 0.001, 0.001, 0.0001])


def test_pictures_in_a_file_give_the_same_bits_as_in_memory(toy: Dataset, tmp_path: Path) -> None:
    memory, disk = tiny_run(toy, data="device"), tiny_run(toy, data="disk")
    assert memory.id == disk.id
    first, second = (train(toy, run, tmp_path / run.options.data) for run in (memory, disk))
    assert first.model_sha256 == second.model_sha256
    assert not list((tmp_path / "disk").rglob("tmp*"))


def test_a_disk_too_small_for_the_pictures_is_named(
    toy: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DiskFullError, match="is full; free some space"):
        train(toy, tiny_run(toy, data="disk"), tmp_path)


def test_an_average_that_forgets_at_once_is_the_net_and_a_slow_one_is_not(toy: Dataset, tmp_path: Path) -> None:
    plain, slow = (train(toy, tiny_run(toy, ema=ema), tmp_path) for ema in (0.0, 0.99))
    assert plain.train_loss == slow.train_loss, "the average only watches"
    assert plain.model_sha256 != slow.model_sha256


def test_eight_pictures_are_learned_by_heart(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path / "set", per_class={"train": 3, "val": 1, "test": 1})
    kept = [e for e in dataset.examples if e.split != "train"] + [e for e in dataset.examples if e.split == "train"][:8]
    dataset = rewrite(tmp_path / "set", sorted(kept, key=lambda e: e.id), EMOTIONS)
    summary = train(
        dataset, tiny_run(dataset, augment=False, dropout=0.0, epochs=120, batch_size=8, image_size=32), tmp_path
    )
    assert summary.split_sizes["train"] == 8
    assert summary.train_loss < 0.01


def test_shuffled_labels_give_chance_on_the_test_split(tmp_path: Path) -> None:
    """The leak alarm: what is learned from labels without meaning may not carry over to other shots."""
    dataset = draw_dataset(tmp_path / "set", per_class={"train": 24, "val": 8, "test": 60})
    labels = np.random.default_rng(5).permutation([e.label for e in dataset.examples])
    shuffled = [replace(e, label=str(label)) for e, label in zip(dataset.examples, labels, strict=True)]
    dataset = rewrite(tmp_path / "set", shuffled, EMOTIONS)
    summary = train(dataset, tiny_run(dataset, augment=False, dropout=0.0, epochs=20, image_size=32), tmp_path)
    assert summary.train_loss < 0.8, "the training split is learned by heart"
    assert summary.test.accuracy == pytest.approx(1 / 3, abs=0.12)  # 180 examples: 3.4 deviations


def test_a_loss_that_is_no_number_names_the_step_and_keeps_the_last_good_checkpoint(
    toy: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tiny_run(toy, epochs=4)
    train_and_stop(toy, run, tmp_path, 2, monkeypatch)
    kept = (tmp_path / run.id / CHECKPOINT).read_bytes()
    steps = iter(range(100))

    def failing(*arguments: object, **named: object) -> torch.Tensor:
        return cross_entropy(*arguments, **named) * (math.nan if next(steps) == 3 else 1.0)

    cross_entropy = torch.nn.functional.cross_entropy
    monkeypatch.undo()
    monkeypatch.setattr(torch.nn.functional, "cross_entropy", failing)
    with pytest.raises(InputError, match=r"became nan in epoch 3, step 4 \(the checkpoint of epoch 2 is kept\)"):
        train(toy, run, tmp_path)
    assert (tmp_path / run.id / CHECKPOINT).read_bytes() == kept
    assert len(losses(tmp_path / run.id)) == 2
    assert not (tmp_path / run.id / SUMMARY).exists()
    monkeypatch.undo()
    assert train(toy, run, tmp_path).epochs == 4


def test_a_checkpoint_without_the_average_that_is_asked_for_is_refused(
    toy: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from train.checkpoint import save_checkpoint

    run = tiny_run(toy, ema=0.9)
    train_and_stop(toy, run, tmp_path, 1, monkeypatch)
    found = load_checkpoint(tmp_path / run.id / CHECKPOINT, run.digest)
    assert found is not None
    found.average = {}
    save_checkpoint(tmp_path / run.id / CHECKPOINT, run.digest, found)
    with pytest.raises(CheckpointError, match="does not fit this net"):
        train(toy, run, tmp_path)


@pytest.mark.parametrize("fits", [0, 1, 5, 8])
def test_the_batch_that_fits_is_found_by_halving(fits: int) -> None:
    tried = []

    def attempt(count: int) -> None:
        tried.append(count)
        if count > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")

    assert largest_batch(attempt, 64) == {0: 0, 1: 1, 5: 4, 8: 8}[fits]
    assert tried[0] == 32


def test_no_memory_is_said_with_the_size_that_would_fit(toy: Dataset, tmp_path: Path) -> None:
    from train.losses import build_loss
    from train.options import TrainOptions
    from train.schedule import build_optimizer

    options = TrainOptions(batch_size=64, image_size=32).resolved()

    class Hungry(Small):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if len(images) > 20:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return super().forward(images)

    net = Hungry(3, options)
    split = type("Uneven", (), {"labels": torch.tensor([0, 1, 2]), "targets": torch.eye(3)})()
    message = r"a batch of 64 pictures of 32x32 does not fit .* this machine; --set batch_size=16 would fit"
    with pytest.raises(InputError, match=message), memory_errors(net, build_loss(split, options), options, 3):
        net(torch.zeros(64, 3, 32, 32))
    assert all(weight.grad is None for weight in net.parameters())
    with pytest.raises(RuntimeError, match="another fault"), memory_errors(net, build_loss(split, options), options, 3):
        raise RuntimeError("another fault")
    assert build_optimizer(net, options)


def test_frozen_epochs_for_a_net_without_backbone_are_refused_before_the_first_epoch(
    toy: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="this one has no backbone"):
        train(toy, tiny_run(toy, frozen_epochs=1), tmp_path)


WORKER = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
torch.set_num_threads(1)
from pipeline.core.manifest import read_dataset
from tests.train.test_many_options import TOGETHER
from tests.train.test_loop import tiny_run
from train.loop import train
dataset = read_dataset(Path(sys.argv[1]))
print(train(dataset, tiny_run(dataset, **TOGETHER), Path(sys.argv[2])).run)
"""
TOGETHER = {"dropout": 0.0, "epochs": 2, "batch_size": 7, "class_balance": "weights", "gradient_clip": 1.0, "ema": 0.9}
"""72 examples in batches of 7: the last one holds two, which is one for each process"""


@pytest.mark.slow
def test_two_processes_of_torchrun_end_as_one_does(toy: Dataset, tmp_path: Path) -> None:
    """But for rounding, with the same batches; only the first one writes."""
    run = tiny_run(toy, **TOGETHER)
    alone = train(toy, run, tmp_path / "one")
    (tmp_path / "worker.py").write_text(WORKER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, str(tmp_path / "worker.py"), str(toy.folder), str(tmp_path / "two")],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == [run.id, run.id]
    found, wanted = losses(tmp_path / "two" / run.id), losses(tmp_path / "one" / run.id)
    np.testing.assert_allclose(np.array(found), np.array(wanted), rtol=2e-4)
    first = load_checkpoint(tmp_path / "one" / run.id / CHECKPOINT, run.digest)
    second = load_checkpoint(tmp_path / "two" / run.id / CHECKPOINT, run.digest)
    assert first is not None
    assert second is not None
    for name, tensor in first.average.items():
        torch.testing.assert_close(second.average[name], tensor, rtol=1e-3, atol=1e-4)
    assert alone.epochs == 2
