"""Equal time for unequal recipes."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.console import Session
from pipeline.core.errors import CheckpointError, InputError, UsageError
from pipeline.core.manifest import Dataset
from pipeline.core.progress import Progress, Silent
from tests.conftest import REPOSITORY
from tests.train.studies.conftest import entry, laboratory
from tests.train.studies.test_compare import SETTINGS, app, call
from train.loop import train
from train.options import TrainOptions
from train.recipes import RECIPES
from train.runs import Summary, TrainingRun, read_card
from train.studies.budget import allowed, fitting, price, shortened
from train.studies.cli import _all_recipes
from train.studies.compare import CompareOptions, compare
from train.studies.costs import Cost, Meter, cost_of, sample

TRANSFER = TrainOptions(epochs=30, frozen_epochs=10, warmup_epochs=3, step_epochs=6, backbone_rate=0.1)
COST = Cost(fixed_seconds=2.0, short_seconds=1.0, long_seconds=3.0)


def test_all_that_is_counted_in_epochs_keeps_its_share_of_the_whole() -> None:
    half, one = shortened(TRANSFER, 15), shortened(TRANSFER, 1)
    assert (half.epochs, half.frozen_epochs, half.warmup_epochs, half.step_epochs) == (15, 5, 2, 3)
    assert (one.epochs, one.frozen_epochs, one.step_epochs) == (1, 1, 1), "the head comes first"
    assert shortened(TrainOptions(epochs=50), 200).frozen_epochs == 0


@pytest.mark.parametrize(("seconds", "epochs"), [(0.9, None), (1.0, 1), (3.9, 1), (4.0, 2), (198.0, 84)])
def test_as_many_epochs_are_made_as_fit(seconds: float, epochs: int | None) -> None:
    found = fitting(TRANSFER, COST, seconds)
    assert (None if found is None else found.epochs) == epochs
    if found is not None:
        assert price(found, COST) <= seconds < price(shortened(TRANSFER, found.epochs + 1), COST)


class Pretended:
    """A trainer that takes the time it is told to, by a clock of its own."""

    def __init__(self, fixed: float, short: float, long: float) -> None:
        self.fixed, self.short, self.long = fixed, short, long
        self.now, self.trained = 0.0, list[TrainOptions]()

    def clock(self) -> float:
        return self.now

    def __call__(self, dataset: Dataset, run: TrainingRun, runs: Path, progress: Progress) -> Summary:
        (runs / run.id).mkdir(parents=True)
        self.trained.append(run.options)
        self.now += self.fixed / 2
        pictures = sum(example.split == "train" for example in dataset.examples)
        with progress.step(f"train {run.recipe}", run.options.epochs * pictures, "images") as step:
            for epoch in range(run.options.epochs):
                for _ in range(pictures):
                    self.now += (self.short if epoch < run.options.frozen_epochs else self.long) / pictures
                    step.advance(1)
                step.note("done")
        self.now += self.fixed / 2
        return None  # type: ignore[return-value]  # nobody looks


def meter(trainer: Callable[..., Summary], cache: Path, clock: Callable[[], float]) -> Meter:
    return Meter(trainer=trainer, cache=cache, progress=Silent(), clock=clock)


def test_both_phases_are_measured_once_and_remembered(drawn: Dataset, tmp_path: Path) -> None:
    pretended = Pretended(fixed=1.0, short=4.0, long=10.0)
    measure = meter(pretended, tmp_path / "costs", pretended.clock)
    transfer = entry("transfer-efficientnet-lite0", "epochs=30", "frozen_epochs=10")
    found, said = allowed(transfer, drawn, 60.0, measure)
    assert found is not None
    assert (found.options.epochs, found.options.frozen_epochs) == (7, 2)
    assert said.seconds == pytest.approx(58.0)
    assert [(tried.epochs, tried.frozen_epochs) for tried in pretended.trained] == [(1, 1), (1, 0)]
    assert list((tmp_path / "costs").iterdir()) == [next((tmp_path / "costs").glob("*.json"))], "no trial stays"
    assert allowed(transfer, drawn, 60.0, measure) == (found, said)
    assert allowed(replace(transfer, options=replace(transfer.options, seed=7)), drawn, 60.0, measure)[1] == said
    assert len(pretended.trained) == 2


KERNELS = """
from pathlib import Path
from tests.train.faces import draw_dataset
from tests.train.test_loop import tiny_run
from train.kernels import changing, pooling
from train.loop import train
from train.studies.costs import make_kernels_ready

def compiled():
    kernels = changing.change, pooling.pool_pairs, pooling.pool_windows, pooling.spread, pooling.back_through
    return [len(kernel.signatures) for kernel in kernels]

print(compiled())
make_kernels_ready()
print(compiled())
dataset = draw_dataset(Path({folder!r}) / "toy", per_class={{"train": 4, "val": 1, "test": 1}})
train(dataset, tiny_run(dataset, epochs=1), Path({folder!r}) / "runs")
print(compiled())
"""


@pytest.mark.slow
def test_kernels_are_compiled_before_anything_is_measured(tmp_path: Path) -> None:
    script = KERNELS.format(folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout.split("\n")[:3] == ["[0, 0, 0, 0, 0]", "[1, 1, 1, 1, 1]", "[1, 1, 1, 1, 1]"]


def test_an_epoch_that_is_over_in_no_time_is_measured_in_a_row(drawn: Dataset, tmp_path: Path) -> None:
    pretended = Pretended(fixed=0.5, short=0.0, long=0.1)
    found, _ = allowed(entry("hill-adam"), drawn, 20.0, meter(pretended, tmp_path, pretended.clock))
    assert [tried.epochs for tried in pretended.trained] == [1, 20]
    assert found is not None
    assert found.options.epochs in (199, 200)


def test_measuring_ends_where_one_epoch_is_too_dear_and_a_larger_budget_measures_again(
    drawn: Dataset, tmp_path: Path
) -> None:
    pretended = Pretended(fixed=0.0, short=0.0, long=480.0)
    measure = meter(pretended, tmp_path, pretended.clock)
    found, said = allowed(entry("hill-adam"), drawn, 30.0, measure)
    assert found is None
    assert said.reason == "one epoch takes about 480 s, and the budget is 30 s"
    assert pretended.now == pytest.approx(40.0), "the batch that was under way when the limit was passed is the last"
    assert allowed(entry("hill-adam"), drawn, 20.0, measure)[0] is None
    assert len(pretended.trained) == 1
    assert allowed(entry("hill-adam"), drawn, 1000.0, measure)[0] is not None


def test_an_ensemble_is_reckoned_from_its_base_net(drawn: Dataset, tmp_path: Path) -> None:
    pretended = Pretended(fixed=1.0, short=4.0, long=10.0)
    cost = cost_of(entry("ensemble-1vsall"), drawn, 60.0, meter(pretended, tmp_path, pretended.clock))
    assert (cost.fixed_seconds, cost.short_seconds, cost.long_seconds) == pytest.approx((16.0, 48.0, 120.0))


def test_a_large_dataset_is_measured_with_a_part_of_every_class_and_split(drawn: Dataset, tmp_path: Path) -> None:
    small, times = sample(drawn, 12)
    assert times == 4.0
    counts = {split: sum(e.split == split for e in small.examples) for split in ("train", "val", "test")}
    assert counts == {"train": 12, "val": 3, "test": 7}
    assert {e.label for e in small.examples if e.split == "train"} == set(drawn.manifest.classes)
    assert sample(drawn, 48) == (drawn, 1.0)


def test_a_damaged_measurement_is_named_and_a_budget_without_sense_refused(drawn: Dataset, tmp_path: Path) -> None:
    pretended = Pretended(fixed=0.0, short=0.0, long=10.0)
    measure = meter(pretended, tmp_path, pretended.clock)
    cost_of(entry("hill-adam"), drawn, 60.0, measure)
    next(tmp_path.glob("*.json")).write_text("{")
    with pytest.raises(CheckpointError, match="delete it and run the same command again"):
        cost_of(entry("hill-adam"), drawn, 60.0, measure)
    for seconds in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="must be a positive number of seconds"):
            allowed(entry("hill-adam"), drawn, seconds, measure)


def test_recipes_that_fit_train_for_the_epochs_that_fit_and_the_others_say_why_not(
    drawn: Dataset, tmp_path: Path
) -> None:
    costs = {"hill-adam": 0.5, "hill-sgd": 100.0}

    def trainer(dataset: Dataset, run: TrainingRun, runs: Path, progress: Progress) -> Summary:
        if "costs" not in runs.parts:
            return train(dataset, run, runs, progress)
        pretended.long = costs[run.recipe]
        return pretended(dataset, run, runs, progress)

    pretended = Pretended(fixed=0.5, short=0.0, long=0.0)
    options = CompareOptions(entries=(entry("hill-adam"), entry("hill-sgd")), seeds=(0,), budget_seconds=2.0)
    measure = meter(trainer, tmp_path / "costs", pretended.clock)
    document = compare(drawn, options, laboratory(tmp_path / "runs"), measure)
    assert [(row["recipe"], row["epochs"]) for row in document["rows"]] == [("hill-adam", 4)]
    assert [one["recipe"] for one in document["budget"]["left_out"]] == ["hill-sgd"]
    assert read_card(tmp_path / "runs" / document["rows"][0]["runs"][0]).options.epochs == 4
    assert any(note.startswith("equal budget: 2 s for the epochs of each training") for note in document["notes"])
    json.dumps(document)


def test_what_fails_while_it_is_measured_is_left_out_with_its_reason(drawn: Dataset, tmp_path: Path) -> None:
    def trainer(dataset: Dataset, run: TrainingRun, runs: Path, progress: Progress) -> Summary:
        if run.recipe == "hill-sgd":
            raise InputError("the loss became nan")
        return pretended(dataset, run, runs, progress) if "costs" in runs.parts else train(dataset, run, runs, progress)

    pretended = Pretended(fixed=0.0, short=0.0, long=1.0)
    measure = meter(trainer, tmp_path / "costs", pretended.clock)
    both = CompareOptions(entries=(entry("hill-adam"), entry("hill-sgd")), seeds=(0,), budget_seconds=2.0)
    document = compare(drawn, both, laboratory(tmp_path / "runs"), measure)
    assert document["budget"]["left_out"] == [{"recipe": "hill-sgd", "reason": "the loss became nan"}]
    with pytest.raises(UsageError, match="within 2 s: hill-sgd: the loss became nan; give a larger"):
        compare(drawn, replace(both, entries=both.entries[1:]), laboratory(tmp_path / "runs"), measure)


def test_the_command_measures_and_a_second_call_says_the_same(
    drawn: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.studies.costs.ENOUGH_SECONDS", 0.1)
    words = ["compare", str(drawn.folder), "--recipes", "hill-adam,hill-sgd", "--seeds", "1", "--device", "cpu"]
    words += ["--budget", "0.4", "--largest-image", "20", *SETTINGS]
    code, text = call(tmp_path, *words)
    assert code == 0
    document = json.loads(text)
    assert all(row["epochs"] >= 1 for row in document["rows"])
    assert {one["recipe"] for one in document["budget"]["allowances"]} == {"hill-adam", "hill-sgd"}
    assert any("hill-adam 20 (its own: 60)" in note for note in document["notes"])
    code, text = call(tmp_path, *words, as_json=False)
    assert "at a budget of 0.4 s for the epochs of each training" in text
    assert json.loads((Path(document["report"]).parent / "study.json").read_text())["rows"] == document["rows"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--budget", "2", "--epochs", "3"], "use one of them"),
        (["--against", "best"], "none of the recipes compared"),
        (["--budget", "2", "--hold-out-characters"], "use one of them"),
    ],
)
def test_what_makes_no_sense_together_is_refused(drawn: Dataset, tmp_path: Path, words: list[str], reason: str) -> None:
    said = ["compare", str(drawn.folder), "--recipes", "hill-adam,hill-sgd", "--seeds", "1", *words]
    result = CliRunner().invoke(app, said, obj=Session(root=tmp_path, json=True, quiet=True))
    assert isinstance(result.exception, UsageError)
    assert reason in str(result.exception)


def test_all_recipes_are_all_but_those_that_are_another_by_a_second_name() -> None:
    names = _all_recipes()
    assert len(set(names)) == len(names) == len(RECIPES) - 1
    assert {recipe.name for recipe in RECIPES} - set(names) == {"hill"}, "which hill-adadelta is"
