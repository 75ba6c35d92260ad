"""`explain` on a real run: everything it writes, and that it finds labels that were planted wrong."""

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import DatasetError, UsageError
from pipeline.core.images import read_rgb
from pipeline.core.progress import Silent
from tests.train.conftest import QUICK, Finished
from tests.train.faces import EMOTIONS, draw_dataset, rewrite
from train.explain.held_out import of_folds, of_held_out_splits
from train.explain.looking import FOLDER, QUEUE_COLUMNS, explain
from train.loop import train
from train.predict import load_run
from train.recipes import find_recipe
from train.runs import plan


@pytest.fixture
def copy(finished: Finished, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished.folder, tmp_path / finished.run.id))


def test_everything_is_written_and_says_where_to_look(finished: Finished, copy: Path) -> None:
    document = explain(load_run(copy, "cpu"), copy, finished.dataset)
    folder = copy / FOLDER
    assert json.loads((folder / "explain.json").read_text())["layer"] == document["layer"] == "net.convolutions.2"
    assert [sheet["class"] for sheet in document["sheets"]] == list(EMOTIONS)
    for sheet in document["sheets"]:
        assert read_rgb(folder / sheet["file"]).std() > 10
    assert document["examples"] == 96
    queue = list(csv.DictReader(io.StringIO((folder / "suspects.csv").read_text())))
    assert len(queue) == len(document["suspects"])
    assert (folder / "suspects.csv").read_text().splitlines()[0] == ",".join(QUEUE_COLUMNS)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    explain(load_run(copy, "cpu"), copy, finished.dataset)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_mistakes_have_their_timecode_and_the_surest_come_first(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path / "toy")
    recipe = find_recipe("hill")
    run = plan(dataset, recipe, recipe.options.with_settings(["image_size=20", "epochs=1", "augment=false"]))
    train(dataset, run, tmp_path / "runs")
    document = explain(load_run(tmp_path / "runs" / run.id, "cpu"), tmp_path / "runs" / run.id, dataset)
    mistakes = document["mistakes"]
    assert mistakes
    assert [one["probability"] for one in mistakes] == sorted((one["probability"] for one in mistakes), reverse=True)
    number = int(mistakes[0]["crop"][-4:])
    assert mistakes[0]["timecode"] == f"0:00:00.{number * 40:03d}"
    assert sum(p["first_as_second"] + p["second_as_first"] for p in document["confused_pairs"]) == len(mistakes)


@pytest.mark.parametrize("folds", [0, pytest.param(3, marks=pytest.mark.slow)])
def test_labels_that_were_planted_wrong_come_first_in_the_queue(tmp_path: Path, folds: int) -> None:
    """Without folds the held-out splits are judged, with folds all labels."""
    clean = draw_dataset(tmp_path / "toy", per_class={"train": 48, "val": 12, "test": 24})
    draw, wrong, examples = np.random.default_rng(0), set(), []
    for example in clean.examples:
        if draw.random() < 0.1:
            wrong.add(example.id)
            label = str(draw.choice([name for name in EMOTIONS if name != example.label]))
            example = replace(example, label=label, soft_label=tuple(float(c == label) for c in EMOTIONS))
        examples.append(example)
    dataset = rewrite(tmp_path / "toy", examples, EMOTIONS)
    recipe = find_recipe("hill")
    run = plan(dataset, recipe, recipe.options.with_settings([*QUICK, "epochs=12"]))
    train(dataset, run, tmp_path / "runs")
    document = explain(load_run(tmp_path / "runs" / run.id, "cpu"), tmp_path / "runs" / run.id, dataset, folds)
    judged = {e.id for e in dataset.examples if folds or e.split in ("val", "test")}
    found = [one["crop"] for one in document["suspects"]]
    right = wrong & judged
    precision, recall = len(right & set(found)) / max(1, len(found)), len(right & set(found)) / len(right)
    first = found[: len(right)]
    print(f"folds {folds}: {len(right)} of {len(judged)} wrong; precision {precision:.2f}, recall {recall:.2f}")
    assert document["judged"]["examples"] == len(judged)
    assert recall >= 0.7
    assert len(right & set(first)) / len(first) >= 0.6
    assert precision >= 0.5


def test_folds_never_part_a_shot_and_cover_everything(finished: Finished, tmp_path: Path) -> None:
    from train.explain.held_out import _folds, _refolded

    model = load_run(finished.folder, "cpu")
    fold_of = _folds(model, finished.dataset, 4)
    assert set(fold_of) == {e.id for e in finished.dataset.examples}
    shots: dict[str, set[int]] = {}
    for example in finished.dataset.examples:
        shots.setdefault(example.shot, set()).add(fold_of[example.id])
    assert all(len(folds) == 1 for folds in shots.values())
    assert set(fold_of.values()) == {0, 1, 2, 3}
    digests = {_refolded(finished.dataset, fold_of, n, 4).manifest.digest for n in range(4)}
    assert len(digests | {finished.dataset.manifest.digest}) == 5
    with pytest.raises(UsageError, match="--folds must be from 2 to 20, got 1"):
        of_folds(model, finished.dataset, 1, tmp_path, Silent())


def test_another_dataset_is_refused(finished: Finished, toy: object, copy: Path, tmp_path: Path) -> None:
    other = draw_dataset(tmp_path / "other", seed=7)
    with pytest.raises(DatasetError, match=r"give the version it was trained on"):
        explain(load_run(copy, "cpu"), copy, other)


def test_held_out_examples_are_those_that_were_not_trained_on(finished: Finished) -> None:
    unseen = of_held_out_splits(load_run(finished.folder, "cpu"), finished.dataset, Silent())
    assert {example.split for example in unseen.examples} == {"val", "test"}
    assert (unseen.probabilities.argmax(axis=1) == unseen.labels).mean() > 0.9
