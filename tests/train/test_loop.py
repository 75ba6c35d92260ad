import json
import math
import multiprocessing
import os
import random
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from pipeline.core.errors import CheckpointError, DatasetError, InputError, MissingToolError
from pipeline.core.manifest import Dataset, read_dataset
from tests.train.conftest import Finished
from tests.train.faces import EMOTIONS, SIZES, draw_dataset, rewrite
from train.checkpoint import load_checkpoint, save_checkpoint
from train.loop import train
from train.options import TrainOptions
from train.recipes import RECIPES, find_recipe
from train.runs import CHECKPOINT, METRICS, MODEL, PREDICTIONS, SEEN, SUMMARY, Summary, TrainingRun, plan

TINY = TrainOptions(image_size=20, epochs=3, batch_size=16, optimizer="adam", device="cpu")
"""augments and drops out, so all kinds of randomness are in play"""


def tiny_run(dataset: Dataset, **changes: object) -> TrainingRun:
    return plan(dataset, find_recipe("hill"), replace(TINY, **changes))  # type: ignore[arg-type]


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]


def losses(folder: Path) -> list[tuple[float, float]]:
    return [(line["train_loss"], line["val_loss"]) for line in lines(folder)]


def results(summary: Summary) -> dict[str, object]:
    """The summary without what depends on the clock."""
    return {k: v for k, v in asdict(summary).items() if k not in ("seconds", "images_per_second")}


def test_hill_learns_drawn_faces_and_knows_unseen_ones(finished: Finished) -> None:
    summary = finished.summary
    assert summary.test.accuracy > 0.9
    assert summary.test.macro_f1 > 0.9
    assert summary.baselines["majority"].accuracy == pytest.approx(1 / 3)
    assert summary.baselines["mean_colour"].accuracy < 0.7, "the faces must not be told by their colours"
    assert summary.epochs == 16
    assert summary.ended == "all epochs done"


def test_a_finished_run_has_all_its_files(finished: Finished) -> None:
    assert finished.files == {"options.json", METRICS, SUMMARY, MODEL, PREDICTIONS, SEEN, CHECKPOINT, ".lock"}
    assert [line["epoch"] for line in lines(finished.folder)] == list(range(1, 17))


def test_a_second_run_makes_nothing_and_says_the_same(finished: Finished) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*")}
    assert train(finished.dataset, finished.run, finished.runs) == finished.summary
    assert {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*")} == before


def test_the_same_seed_gives_the_same_bits_and_another_does_not(toy: Dataset, tmp_path: Path) -> None:
    run, other = tiny_run(toy), tiny_run(toy, seed=1)
    first, again = train(toy, run, tmp_path / "a"), train(toy, run, tmp_path / "b")
    assert results(first) == results(again)
    assert losses(tmp_path / "a" / run.id) == losses(tmp_path / "b" / run.id)
    assert train(toy, other, tmp_path / "a").train_loss != first.train_loss


def test_the_callers_randomness_and_settings_are_left_alone(toy: Dataset, tmp_path: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    train(toy, tiny_run(toy, epochs=1), tmp_path)
    assert torch.equal(torch.rand(3), expected)
    assert not torch.are_deterministic_algorithms_enabled()


QUICK = [recipe for recipe in RECIPES if recipe.net in ("hill", "vanilla")]


@pytest.mark.parametrize("recipe", QUICK, ids=lambda recipe: recipe.name)
def test_recipes_from_scratch_train(toy: Dataset, tmp_path: Path, recipe: object) -> None:
    found = find_recipe(recipe.name)  # type: ignore[attr-defined]
    run = plan(toy, found, found.options.with_settings(["epochs=2", "image_size=20", "batch_size=32"]))
    summary = train(toy, run, tmp_path)
    assert math.isfinite(summary.train_loss)
    assert summary.options["optimizer"] == found.options.optimizer


@pytest.mark.parametrize("balance", ["weights", "sampler"])
def test_balancing_keeps_a_rare_class_from_being_forgotten(tmp_path: Path, balance: str) -> None:
    dataset = draw_dataset(tmp_path / "set", per_class={"train": 40, "val": 6, "test": 20})
    kept = [
        e for e in dataset.examples if e.split != "train" or e.label == "happy" or e.id.endswith(("00", "05", "10"))
    ]
    dataset = rewrite(tmp_path / "set", kept, EMOTIONS)
    options = {"augment": False, "image_size": 32, "epochs": 4}
    plain = train(dataset, tiny_run(dataset, **options), tmp_path / "runs")
    balanced = train(dataset, tiny_run(dataset, **options, class_balance=balance), tmp_path / "runs")
    called_happy = [sum(row[1] for row in s.test.confusion) for s in (plain, balanced)]
    assert called_happy[1] < called_happy[0]


@pytest.mark.parametrize("changes", [{"label_smoothing": 0.1}, {"soft_labels": True}, {"target": "character_emotion"}])
def test_other_targets_train(toy: Dataset, tmp_path: Path, changes: dict[str, object]) -> None:
    summary = train(toy, tiny_run(toy, **changes), tmp_path)
    assert math.isfinite(summary.train_loss)
    assert len(summary.classes) == (6 if "target" in changes else 3)


def test_patience_ends_a_run_that_gets_no_better(toy: Dataset, tmp_path: Path) -> None:
    run = tiny_run(toy, epochs=60, patience=3, learning_rate=1e-9, augment=False, dropout=0.0)
    summary = train(toy, run, tmp_path)
    assert summary.epochs < 60
    assert summary.ended == "no better for 3 epochs"
    assert summary.best_epoch == summary.epochs - 3


def test_without_validation_the_last_epoch_is_kept_and_said(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path / "set", per_class={**SIZES, "val": 0})
    summary = train(dataset, tiny_run(dataset, patience=1), tmp_path / "runs")
    assert summary.best_epoch == summary.epochs == 3
    assert summary.val_macro_f1 is None
    assert any("weights were kept, and patience had no effect" in note for note in summary.notes)


def test_a_dataset_as_small_as_one_example_per_class_trains(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path / "set", per_class={"train": 1, "val": 0, "test": 1}, images_per_shot=0)
    summary = train(dataset, tiny_run(dataset, batch_size=2), tmp_path / "runs")
    assert summary.test.examples == summary.test.clusters == 3
    assert any("comes from 3 shot(s) alone" in note for note in summary.notes)


def test_a_huge_learning_rate_stops_with_a_clear_message(toy: Dataset, tmp_path: Path) -> None:
    run = tiny_run(toy, optimizer="sgd", learning_rate=1e18)
    message = r"the loss became (nan|inf) in epoch \d, step \d+ \(.*\): a learning rate of 1e\+18 is too high for sgd here; try --set learn"
    for _ in range(2):
        with pytest.raises(InputError, match=message):
            train(toy, run, tmp_path)
    assert not (tmp_path / run.id / SUMMARY).exists()
    assert all(math.isfinite(loss) for pair in losses(tmp_path / run.id) for loss in pair)


def test_cuda_that_is_not_there_is_said(toy: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(MissingToolError, match="finds no CUDA device here; train with --device cpu"):
        train(toy, tiny_run(toy, device="cuda"), tmp_path)
    summary = train(toy, tiny_run(toy, device="auto", epochs=1, amp=True), tmp_path)
    assert summary.device.startswith("cpu")
    assert "amp has no effect on a CPU" in summary.notes


def test_a_damaged_image_stops_before_training_and_its_repair_suffices(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path / "set")
    run, path = tiny_run(dataset, epochs=1), tmp_path / "set" / dataset.examples[0].file
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DatasetError, match="differs from what was exported"):
        train(dataset, run, tmp_path / "runs")
    path.write_bytes(content)
    assert train(dataset, run, tmp_path / "runs").epochs == 1


class Stopped(Exception):
    """Ends a training from inside, in place of a kill."""


def train_and_stop(
    dataset: Dataset, run: TrainingRun, runs: Path, epochs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trains until so many checkpoints are written, then breaks off."""
    left = [epochs]

    def save_and_count(*arguments: object) -> None:
        save_checkpoint(*arguments)  # type: ignore[arg-type]
        left[0] -= 1
        if not left[0]:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr("train.loop.save_checkpoint", save_and_count)
        with pytest.raises(Stopped):
            train(dataset, run, runs)


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(
    toy: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tiny_run(toy, epochs=4)
    whole = train(toy, run, tmp_path / "whole")
    train_and_stop(toy, run, tmp_path / "parts", 2, monkeypatch)
    with (tmp_path / "parts" / run.id / METRICS).open("a") as stream:
        stream.write('{"epoch": 3, "train_lo')
    assert results(train(toy, run, tmp_path / "parts")) == results(whole)
    assert losses(tmp_path / "parts" / run.id) == losses(tmp_path / "whole" / run.id)


def test_a_garbage_checkpoint_stops_the_run_and_its_removal_starts_it_over(
    toy: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tiny_run(toy)
    train_and_stop(toy, run, tmp_path, 1, monkeypatch)
    path = tmp_path / run.id / CHECKPOINT
    path.write_bytes(b"garbage")
    with pytest.raises(CheckpointError, match=r"last\.pt is not a checkpoint of toonsift; delete it and run the same"):
        train(toy, run, tmp_path)
    path.unlink()
    assert train(toy, run, tmp_path).epochs == 3


def _train_in_process(dataset: Path, run: TrainingRun, runs: Path, threads: int) -> None:
    torch.set_num_threads(threads)
    train(read_dataset(dataset), run, runs)


def killed_again_and_again(dataset: Dataset, run: TrainingRun, runs: Path, kills: int, seed: int) -> int:
    """Trains in processes that are killed (SIGKILL) at random moments; returns how many kills hit a training."""
    context, draw, hits, folder = multiprocessing.get_context("forkserver"), random.Random(seed), 0, runs / run.id
    context.set_forkserver_preload(["train.loop", "tests.train.test_loop", "torch._dynamo"])  # each would load it anew
    while hits < kills and not (folder / SUMMARY).exists():
        process = context.Process(target=_train_in_process, args=(dataset.folder, run, runs, torch.get_num_threads()))
        process.start()
        while process.is_alive() and not (folder / ".lock").exists():
            time.sleep(0.002)
        time.sleep(draw.uniform(0.0, 0.8))
        hits += process.is_alive()
        process.kill()
        process.join()
    return hits


def check_kills(dataset: Dataset, tmp_path: Path, kills: int, epochs: int) -> None:
    run = tiny_run(dataset, epochs=epochs)
    whole = train(dataset, run, tmp_path / "whole")
    assert killed_again_and_again(dataset, run, tmp_path / "killed", kills, seed=kills) >= min(kills, 2)
    assert results(train(dataset, run, tmp_path / "killed")) == results(whole)
    folders = tmp_path / "killed" / run.id, tmp_path / "whole" / run.id
    assert losses(folders[0]) == losses(folders[1])
    assert (folders[0] / MODEL).read_bytes() == (folders[1] / MODEL).read_bytes()
    assert {path.name for path in folders[0].rglob("*")} == {path.name for path in folders[1].rglob("*")}


def test_a_kill_changes_no_bit(toy: Dataset, tmp_path: Path) -> None:
    check_kills(toy, tmp_path, kills=1, epochs=20)


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_many_kills_change_no_bit(toy: Dataset, tmp_path: Path, threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        check_kills(toy, tmp_path, kills=40, epochs=150)
    finally:
        torch.set_num_threads(before)


@pytest.mark.gpu
def test_cuda_learns_the_same_faces_and_repeats_itself(finished: Finished, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        if os.environ.get("REQUIRE_GPU") == "1":
            pytest.fail("REQUIRE_GPU=1, but torch finds no CUDA device")
        pytest.skip("no CUDA device")
    run = replace(finished.run, options=replace(finished.run.options, device="cuda"))
    first = train(finished.dataset, run, tmp_path / "a")
    assert first.test.accuracy > 0.9
    assert results(train(finished.dataset, run, tmp_path / "b")) == results(first)
    fast = replace(run, options=replace(run.options, amp=True, deterministic=False))
    assert train(finished.dataset, fast, tmp_path / "a").test.accuracy > 0.8
    saved = load_checkpoint(tmp_path / "a" / run.id / CHECKPOINT, run.digest)
    assert saved is not None
    assert saved.epoch == 16
