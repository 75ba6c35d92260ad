"""How far a whole study is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.core.errors import InputError
from pipeline.core.manifest import Dataset
from pipeline.core.progress import Plain, Progress, Step
from tests.train.studies.conftest import Compared, entry, laboratory
from train.runs import Summary, TrainingRun
from train.studies.trials import Laboratory, folds_of, run_trials
from train.studies.watching import Within


class Recorded:
    """A Progress that remembers."""

    def __init__(self) -> None:
        self.opened = list[tuple[str, float | None]]()
        self.done, self.notes = 0.0, list[str]()

    @contextmanager
    def step(self, title: str, total: float | None, unit: str) -> Iterator[Step]:
        assert not self.opened, "a second bar within the first"
        self.opened.append((title, total))
        yield self

    def advance(self, amount: float = 1.0) -> None:
        self.done += amount

    def note(self, text: str) -> None:
        self.notes.append(text)

    def expect(self, total: float) -> None:
        raise AssertionError


def test_a_study_is_one_bar_that_counts_the_trainings_that_are_due(compared: Compared) -> None:
    recorded = Recorded()
    original = laboratory(compared.runs)
    with_bar = Laboratory(runs=original.runs, trainer=original.trainer, progress=recorded)
    folds, _ = folds_of(compared.dataset, entry("hill-adam").options, False)
    run_trials({"hill-adam": (entry("hill-adam"), folds)}, (0, 1), with_bar, "compare")
    assert recorded.opened == [("compare", 0)], "both were trained before"
    assert recorded.notes == ["hill-adam, seed 0", "hill-adam, seed 1"]


def test_the_first_seed_of_all_comes_before_the_second_of_any(drawn: Dataset, tmp_path: Path) -> None:
    order = list[tuple[str, int]]()

    def trainer(dataset: Dataset, run: TrainingRun, runs: Path, progress: Progress) -> Summary:
        order.append((run.recipe, run.options.seed))
        raise InputError("not today")

    folds, _ = folds_of(drawn, entry("hill-adam").options, False)
    entries = {name: (entry(name), folds) for name in ("hill-adam", "hill-sgd")}
    recorded = Recorded()
    broken = Laboratory(runs=tmp_path, trainer=trainer, progress=recorded)
    trials, failures = run_trials(entries, (0, 1), broken, "compare")
    assert order == [("hill-adam", 0), ("hill-sgd", 0), ("hill-adam", 1), ("hill-sgd", 1)]
    assert trials == {"hill-adam": [], "hill-sgd": []}
    assert {failure.reason for failure in failures} == {"not today"}
    assert (recorded.opened, recorded.done) == ([("compare", 4)], 4.0)


def test_what_happens_within_is_told_in_the_same_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Plain(every_seconds=0.0).step("compare", 10, "trainings") as step:
        within = Within(step)
        within.begin("hill, seed 3")
        with within.step("train hill", 100, "images") as inner:
            inner.note("epoch 2 of 5")
            inner.advance(50)
            inner.expect(7)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("compare: 0 of 10 trainings")
    assert lines[0].endswith("hill, seed 3, epoch 2 of 5")
