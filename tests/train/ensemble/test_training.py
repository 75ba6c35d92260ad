"""Small whole ensembles: resumed, read back, and no better than chance where there is nothing to learn."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import UsageError
from pipeline.core.images import RGB
from pipeline.core.manifest import Dataset
from pipeline.core.progress import Progress, Silent
from tests.train.conftest import QUICK
from tests.train.faces import draw_dataset, draw_face, rewrite
from train.ensemble import train_ensemble
from train.loop import train
from train.predict import load_run
from train.recipes import find_recipe
from train.runs import CHECKPOINT, METRICS, Summary, TrainingRun, plan, read_summary

RECIPE = replace(find_recipe("hill"), name="ensemble-hill", net="ensemble-hill")
FEW = {"train": 12, "val": 3, "test": 6}
Drawn = tuple[Dataset, TrainingRun]


def planned(dataset: Dataset, *settings: str) -> TrainingRun:
    return plan(dataset, RECIPE, RECIPE.options.with_settings([*QUICK, "epochs=1", *settings]))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    dataset = draw_dataset(tmp_path_factory.mktemp("ensemble") / "toy", classes=("happy", "sad"), per_class=FEW)
    return dataset, planned(dataset)


@pytest.fixture(scope="module")
def whole(drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    train(*drawn, runs)
    return runs / drawn[1].id


def test_one_summary_holds_the_ensemble_its_base_and_the_average(drawn: Drawn, whole: Path) -> None:
    found = read_summary(whole)
    assert found is not None
    assert {"base", "average", "majority"} <= set(found.baselines)
    assert {scores.examples for scores in (found.test, *found.baselines.values())} == {12}
    assert any("12 nets were trained, over 3 folds and on all" in note for note in found.notes)
    members = [read_summary(folder) for folder in (whole / "members").iterdir()]
    assert len(members) == 12
    assert found.seconds > sum(member.seconds for member in members if member)
    assert (whole / METRICS).read_text().count("\n") == found.epochs
    assert not list(whole.rglob(CHECKPOINT))


def test_the_finished_ensemble_is_a_model_as_any(drawn: Drawn, whole: Path) -> None:
    images: list[RGB] = [draw_face("happy", np.random.default_rng(seed)) for seed in range(3)]
    shares = load_run(whole).classify(images)
    assert shares.shape == (3, 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.slow
def test_a_killed_ensemble_goes_on_and_ends_with_the_same_bits(drawn: Drawn, whole: Path, tmp_path: Path) -> None:
    started: list[str] = []

    def trainer(stop_after: int) -> Callable[[Dataset, TrainingRun, Path, Progress], Summary]:
        def train_one(dataset: Dataset, run: TrainingRun, runs: Path, progress: Progress) -> Summary:
            if read_summary(runs / run.id) is None:
                if len(started) == stop_after:
                    raise KeyboardInterrupt
                started.append(run.id)
            return train(dataset, run, runs, progress)

        return train_one

    dataset, run = drawn
    with pytest.raises(KeyboardInterrupt):
        train_ensemble(dataset, run, tmp_path, Silent(), trainer(5))
    again = train_ensemble(dataset, run, tmp_path, Silent(), trainer(99))
    assert len(started) == len(set(started)) == 12
    before = read_summary(whole)
    assert before is not None
    assert (again.model_sha256, again.test) == (before.model_sha256, before.test)


def test_several_processes_are_refused(drawn: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="is trained by one process; start it without torchrun"):
        train_ensemble(*drawn, tmp_path, Silent(), train)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_ensemble_learns_drawn_faces_and_with_shuffled_labels_is_at_chance(tmp_path: Path) -> None:
    sizes = {"train": 48, "val": 0, "test": 48}
    dataset = draw_dataset(tmp_path / "toy", classes=("happy", "sad"), per_class=sizes)
    found = train(dataset, planned(dataset, "epochs=12"), tmp_path / "runs")
    assert found.test.accuracy > 0.9
    draw = np.random.default_rng(0)
    names = draw.permutation([example.label for example in dataset.examples])
    shuffled = [replace(e, label=str(name)) for e, name in zip(dataset.examples, names, strict=True)]
    mixed = rewrite(dataset.folder, shuffled, dataset.manifest.classes)
    found = train(mixed, planned(mixed, "epochs=12"), tmp_path / "runs")
    assert found.test.accuracy < 1 / 2 + 4 * (1 / 4 / 96) ** 0.5
