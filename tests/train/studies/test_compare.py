"""Recipes side by side."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from pipeline.console import Session
from pipeline.core.errors import UsageError
from pipeline.core.manifest import Dataset
from pipeline.core.progress import Progress, Silent
from tests.train.studies.conftest import TINY, Compared, entry, laboratory
from train.loop import train
from train.runs import PREDICTIONS, Summary, TrainingRun, read_summary
from train.studies import cli
from train.studies.compare import CompareOptions, compare
from train.studies.published import STUDIES, find_study
from train.studies.trials import Laboratory

app = typer.Typer()
app.command("compare")(cli.compare)
app.command("shift")(cli.shift)

SETTINGS = [word for setting in TINY for word in ("--set", setting)]


def call(root: Path, *words: str, as_json: bool = True) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(words), obj=Session(root=root, json=as_json, quiet=True))
    return result.exit_code, result.stdout


def test_every_run_is_a_row_and_every_recipe_a_line_that_says_how_sure_it_is(compared: Compared) -> None:
    rows, summary = compared.document["rows"], compared.document["summary"]
    assert [(row["recipe"], row["seed"]) for row in rows] == [
        ("hill-adam", 0), ("hill-adam", 1), ("hill-sgd", 0), ("hill-sgd", 1)
    ]  # fmt: skip
    for row in rows:
        found = read_summary(compared.runs / row["runs"][0])
        assert found is not None
        assert (row["accuracy"], row["macro_f1"]) == (
            pytest.approx(found.test.accuracy),
            pytest.approx(found.test.macro_f1),
        )
        assert row["cpu_seconds"] > 0
        assert (row["epochs"], row["images_seen"]) == (2, 96)
    for line in summary:
        of_it = [row["accuracy"] for row in rows if row["recipe"] == line["recipe"]]
        assert line["accuracy"] == pytest.approx(np.mean(of_it))
        assert line["accuracy_interval"][0] <= line["accuracy"] <= line["accuracy_interval"][1]
        assert line["macro_f1_shots_interval"][0] < line["macro_f1_shots_interval"][1]
        assert set(line["per_character"]) == {"tom", "jerry"}
        assert set(line["per_class"]) == {"angry", "happy", "sad"}
        assert np.sum(line["confusion"]) == pytest.approx(30, abs=0.1)
        assert 0 <= line["ece"] <= 1
        assert sum(one["examples"] for one in line["reliability"]) == 60


def test_a_net_that_learns_nothing_is_told_to_be_no_better_than_the_baseline(compared: Compared) -> None:
    said = compared.document["findings"]
    assert any(words.startswith("hill-sgd is not better than nearest neighbour") for words in said), said
    assert "equal budget: 2 epochs, 96 training pictures seen in each training" in compared.document["notes"]
    assert [line["recipe"] for line in compared.document["baselines"]] == [
        "majority", "nearest_pixels", "nearest_look", "nearest_features"
    ]  # fmt: skip


def test_a_second_call_trains_nothing_and_says_the_same(compared: Compared) -> None:
    def never(dataset: Dataset, run: TrainingRun, runs: Path, progress: Progress) -> Summary:
        found = read_summary(runs / run.id)
        assert found is not None, f"{run.id} would be trained again"
        return found

    again = compare(
        compared.dataset, compared.options, Laboratory(runs=compared.runs, trainer=never, progress=Silent())
    )
    assert json.dumps(again) == json.dumps(compared.document)


def test_a_study_that_was_killed_goes_on(compared: Compared, drawn: Dataset, tmp_path: Path) -> None:
    done = 0

    def killed(dataset: Dataset, run: TrainingRun, runs: Path, progress: Progress) -> Summary:
        nonlocal done
        done += 1
        if done == 3:
            raise KeyboardInterrupt
        return train(dataset, run, runs, progress)

    with pytest.raises(KeyboardInterrupt):
        compare(drawn, compared.options, Laboratory(runs=tmp_path, trainer=killed, progress=Silent()))
    assert len(list(tmp_path.glob("*/summary.json"))) == 2
    document = compare(drawn, compared.options, laboratory(tmp_path))
    figures = [(row["accuracy"], row["ece"]) for row in document["rows"]]
    assert figures == [(row["accuracy"], row["ece"]) for row in compared.document["rows"]]


def test_what_fails_is_named_and_the_rest_is_kept(drawn: Dataset, tmp_path: Path) -> None:
    broken = replace(entry("hill-sgd", "learning_rate=1e30"), recipe=replace(entry("hill-sgd").recipe, name="wild"))
    options = CompareOptions(entries=(broken, entry("hill-adam")), seeds=(0,))
    document = compare(drawn, options, laboratory(tmp_path))
    assert [(row["recipe"], bool(row["reason"])) for row in document["rows"]] == [("hill-adam", False), ("wild", True)]
    assert "the loss became" in document["rows"][1]["reason"]
    assert any("one seed says nothing about the luck of training: hill-adam" in note for note in document["notes"])


def test_where_everything_fails_the_baselines_and_the_reasons_remain(drawn: Dataset, tmp_path: Path) -> None:
    words = ["compare", str(drawn.folder), "--recipes", "hill-sgd", "--seeds", "1", "--device", "cpu", *SETTINGS]
    code, text = call(tmp_path, *words, "--set", "learning_rate=1e30")
    assert code == 1
    document = json.loads(text)
    assert document["summary"] == []
    assert len(document["baselines"]) == 4
    assert "the loss became" in Path(document["report"]).read_text()
    assert call(tmp_path, *words, "--set", "learning_rate=1e30", as_json=False)[0] == 1


@pytest.mark.slow
def test_unequal_budgets_are_told(drawn: Dataset, tmp_path: Path) -> None:
    options = CompareOptions(entries=(entry("hill-adam"), entry("hill-sgd", "epochs=1")), seeds=(0,))
    notes = compare(drawn, options, laboratory(tmp_path))["notes"]
    assert "not at equal budget, epochs: hill-adam 2, hill-sgd 1" in notes


def test_leave_one_character_out_tests_every_picture_once_by_a_net_that_never_saw_its_character(
    drawn: Dataset, tmp_path: Path
) -> None:
    options = CompareOptions(entries=(entry("hill-adam"),), seeds=(0,), hold_out_characters=True)
    document = compare(drawn, options, laboratory(tmp_path))
    assert document["held_out"] == ["jerry", "tom"]
    assert document["test"]["examples"] == len(drawn.examples)
    assert len(document["rows"][0]["runs"]) == 2
    line = document["summary"][0]
    assert {name: one["examples"] for name, one in line["per_character"].items()} == {"jerry": 45, "tom": 45}
    for name, run in zip(document["held_out"], document["rows"][0]["runs"], strict=True):
        found = read_summary(tmp_path / run)
        assert found is not None
        assert found.test.accuracy == pytest.approx(line["per_character"][name]["accuracy"])


def test_a_comparison_without_sense_is_refused(drawn: Dataset, tmp_path: Path) -> None:
    for entries, words in (
        ((), "say which recipes"),
        ((entry("hill-adam"), entry("hill-adam")), "names hill-adam twice"),
        ((entry("hill-adam"), entry("hill-sgd", "target=character_emotion")), "tell different things apart"),
    ):
        with pytest.raises(UsageError, match=words):
            compare(drawn, CompareOptions(entries=entries, seeds=(0,)), laboratory(tmp_path))


def test_damaged_predictions_are_named(compared: Compared, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for path in compared.runs.glob("*/*.*"):
        if path.is_file():
            target = runs / path.relative_to(compared.runs)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    path = runs / compared.document["rows"][0]["runs"][0] / PREDICTIONS
    path.write_bytes(b"PAR1 nonsense")
    document = compare(compared.dataset, compared.options, laboratory(runs))
    assert [bool(row["reason"]) for row in document["rows"]] == [False, False, False, True]
    assert "not readable" in document["rows"][3]["reason"]


def test_the_command_prints_one_object_and_writes_the_page(drawn: Dataset, tmp_path: Path) -> None:
    words = [
        "compare",
        str(drawn.folder),
        "--recipes",
        "hill-adam,hill-sgd",
        "--seeds",
        "2",
        "--device",
        "cpu",
        *SETTINGS,
    ]
    code, text = call(tmp_path, *words)
    assert code == 0
    document: dict[str, Any] = json.loads(text)
    assert {"recipe", "seed", "accuracy", "macro_f1", "seconds"} <= set(document["rows"][0])
    assert len(document["summary"]) == 2
    assert Path(document["report"]).read_text().startswith("<!doctype html>")
    code, text = call(tmp_path, *words, as_json=False)
    assert code == 0
    for title in ("recipes on toy@1", "F1 per class", "macro-F1 per character", "macro-F1 of pairs"):
        assert title in text


@pytest.mark.slow
def test_a_study_brings_its_recipes_and_its_own_figures(drawn: Dataset, tmp_path: Path) -> None:
    words = ["compare", str(drawn.folder), "--study", "hill", "--seeds", "1", "--device", "cpu", *SETTINGS]
    code, text = call(tmp_path, *words, "--epochs", "1")
    assert code == 0
    document = json.loads(text)
    assert [line["recipe"] for line in document["summary"]] == list(find_study("hill").recipes)
    assert "accuracy about .80" in json.dumps(document["published"])
    assert len({study.name for study in STUDIES}) == 4
    with pytest.raises(UsageError, match="did you mean hill"):
        find_study("hil")


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_a_studys_figures_are_of_its_recipes(study: Any) -> None:
    assert tuple(one.recipe for one in study.reported) == study.recipes
