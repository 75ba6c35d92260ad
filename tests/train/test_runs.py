import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.core.errors import CheckpointError, NotFoundError, WorkspaceBusyError
from pipeline.core.manifest import Dataset
from tests.train.conftest import Finished
from train.options import TrainOptions
from train.recipes import find_recipe
from train.runs import (
    OPTIONS,
    SUMMARY,
    TrainingRun,
    find_run,
    only_trainer,
    plan,
    read_card,
    read_summary,
    write_card,
    write_summary,
)

RUN = TrainingRun(
    recipe="hill", net="hill", options=TrainOptions().resolved(), classes=("a", "b"), dataset_name="toy",
    dataset_version=1, dataset_digest="d" * 64,
)  # fmt: skip


def test_the_id_is_readable_and_told_apart_by_digest() -> None:
    assert RUN.id == f"toy-hill-s0-{RUN.digest[:8]}"
    others = [
        replace(RUN, options=TrainOptions(seed=1).resolved()),
        replace(RUN, options=TrainOptions(epochs=2).resolved()),
        replace(RUN, recipe="hill-adam"),
        replace(RUN, dataset_digest="e" * 64),
    ]
    assert len({run.id for run in [RUN, *others]}) == 5
    assert replace(RUN, code_version="9").id == RUN.id


def test_weights_are_known_by_their_bytes_not_by_their_place(toy: Dataset, tmp_path: Path) -> None:
    ids, recipe = [], find_recipe("hill")
    for name, content in (("a.pt", b"one"), ("b.pt", b"one"), ("a.pt", b"two")):
        (tmp_path / name).write_bytes(content)
        ids.append(plan(toy, recipe, replace(recipe.options, weights=str(tmp_path / name))).id)
    assert ids[0] == ids[1] != ids[2]
    card = plan(toy, recipe, replace(recipe.options, weights=str(tmp_path / "a.pt")))
    write_card(tmp_path / "run", card)
    assert read_card(tmp_path / "run") == card


def test_a_foreign_name_cannot_lead_out_of_the_runs_folder() -> None:
    assert "/" not in replace(RUN, dataset_name="../../etc").id
    assert replace(RUN, dataset_name="..").id.startswith("dataset-hill")


def test_the_card_comes_back(tmp_path: Path) -> None:
    write_card(tmp_path, RUN)
    assert read_card(tmp_path) == RUN
    write_card(tmp_path, RUN)


def test_a_folder_of_another_run_is_not_written_to(tmp_path: Path) -> None:
    write_card(tmp_path, RUN)
    with pytest.raises(CheckpointError, match=r"belongs to another run, toy-hill-s0-.*; move it away"):
        write_card(tmp_path, replace(RUN, recipe="hill-adam"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"options\.json: not readable"),
        ("[]", r"options\.json: not readable \(not written by toonsift\)"),
        ('{"format": 1}', r"options\.json: not readable \('options'\); delete it"),
        ('{"format": 99}', "format 99 is newer than this toonsift reads"),
        ('{"format": 1, "options": {"epochs": "many"}}', "epochs must be a whole number, got 'many'"),
        ('{"format": 1, "options": {"magic": 1}}', "unexpected keyword argument 'magic'"),
    ],
)
def test_a_damaged_card_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / OPTIONS).write_text(content)
    with pytest.raises(CheckpointError, match=message):
        read_card(tmp_path)


def test_a_folder_without_a_card_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is no training run: it has no options\.json"):
        read_card(tmp_path)


def test_the_summary_comes_back_as_it_was(finished: Finished, tmp_path: Path) -> None:
    assert read_summary(tmp_path) is None
    write_summary(tmp_path, finished.summary)
    assert read_summary(tmp_path) == finished.summary


def test_a_damaged_summary_is_named(finished: Finished, tmp_path: Path) -> None:
    document = json.loads((finished.folder / SUMMARY).read_text())
    damages: tuple[dict[str, object], ...] = ({"test": 3}, {"test": None}, {"baselines": []}, {"classes": None})
    for damage in damages:
        (tmp_path / SUMMARY).write_text(json.dumps(document | damage))
        with pytest.raises(CheckpointError, match=r"summary\.json: not readable .*; delete it"):
            read_summary(tmp_path)


def test_a_summary_that_lacks_a_figure_is_named(finished: Finished, tmp_path: Path) -> None:
    document = json.loads((finished.folder / SUMMARY).read_text())
    del document["epochs"]
    (tmp_path / SUMMARY).write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match=r"missing 1 required keyword-only argument: 'epochs'"):
        read_summary(tmp_path)


def test_a_run_is_found_by_id_and_by_path(finished: Finished) -> None:
    assert find_run(finished.runs, finished.run.id) == finished.folder
    assert find_run(Path("/nowhere"), str(finished.folder)) == finished.folder


def test_an_unknown_run_names_near_ones(finished: Finished, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=f"no training run 'toy-hill' .there are 1, such as {finished.run.id}"):
        find_run(finished.runs, "toy-hill")
    with pytest.raises(NotFoundError, match="there are none yet"):
        find_run(tmp_path, "x")


def _hold(folder: Path, held: "multiprocessing.synchronize.Event") -> None:
    with only_trainer(folder):
        held.set()
        multiprocessing.Event().wait()


def test_two_processes_cannot_train_one_run_and_a_kill_frees_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    held = context.Event()
    process = context.Process(target=_hold, args=(tmp_path / "run", held))
    process.start()
    assert held.wait(60)
    with (
        pytest.raises(WorkspaceBusyError, match=f"run is being trained by process {process.pid}; wait until it ends"),
        only_trainer(tmp_path / "run"),
    ):
        pass
    process.kill()
    process.join()
    (tmp_path / "run" / ".part-left").touch()
    with only_trainer(tmp_path / "run"):
        assert not (tmp_path / "run" / ".part-left").exists()
