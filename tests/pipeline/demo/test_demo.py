"""The whole job by one command, and that its figures are what they say."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.cartoon import read_truth
from pipeline.core.manifest import damaged_files, read_dataset
from pipeline.core.records import Crop, Label
from pipeline.core.workspace import Workspace
from pipeline.demo import oracle, plan_of, run_demo
from tests.conftest import Toonsift


@pytest.fixture
def result(demo: Path) -> dict[str, object]:
    return json.loads((demo / "demo.json").read_text())


def test_everything_is_reported(demo: Path, result: dict) -> None:
    assert [s["name"] for s in result["stages"]] == [
        "draw", "fit", "assess", "mine", "dedupe", "label", "export", "train", "score", "report",
    ]  # fmt: skip
    assert all(s["seconds"] >= 0 for s in result["stages"])
    assert {"precision", "recall"} <= result["detection"].keys()
    assert {"accuracy", "macro_f1"} <= result["test"].keys()
    page = Path(result["report"])
    assert page.is_relative_to(demo)
    assert page.stat().st_size > 100_000


def test_the_figures_are_better_than_nothing(result: dict) -> None:
    """Loose on purpose: they guard against a broken step, not for a figure."""
    assert result["detection"]["recall"] > 0.6
    assert result["detection"]["precision"] > 0.3
    assert result["detection"]["character_accuracy"] > 0.7
    assert result["shots"]["precision"] > 0.6
    assert result["shots"]["cut_recall"] > 0.8
    assert result["shots"]["hold_recall"] > 0.9
    assert result["dedupe"]["pair_recall"] > 0.2


def test_nothing_that_the_scores_come_from_was_fitted_to(demo: Path, result: dict) -> None:
    assert result["dataset"]["leaks"] == 0
    dataset = read_dataset(Workspace(demo).dataset_folder("demo"))
    assert {e.split for e in dataset.examples} == {"train", "test"}
    assert not {e.episode for e in dataset.examples if e.split == "test"} & {
        e.episode for e in dataset.examples if e.split != "test"
    }
    assert len({e.episode for e in dataset.examples}) == 3
    assert result["detection"]["episodes"] == ["s01e03"]
    assert damaged_files(dataset) == []


def test_the_oracle_says_what_was_drawn(demo: Path) -> None:
    workspace = Workspace(demo)
    truth = read_truth(next((demo / "demo").glob("*/truth.json")))
    labels = workspace.catalogue.all(Label)
    assert {label.annotator for label in labels} == {"oracle"}
    assert {label.emotion for label in labels} <= {*truth.emotions, oracle.NOT_A_FACE}
    assert len(labels) == workspace.catalogue.count(Crop)


@pytest.mark.slow
def test_a_second_demo_makes_nothing_new(toonsift: Toonsift, demo: Path, tmp_path: Path, result: dict) -> None:
    shutil.copytree(demo, tmp_path / "workspace")
    again = toonsift("--json", "demo", "--quick").json
    assert again["test"] == result["test"]
    assert again["dataset"] | {"path": ""} == result["dataset"] | {"path": "", "already": True}
    assert again["detection"] == result["detection"]
    assert again["labels"] == result["labels"]


@pytest.mark.slow
def test_the_model_is_looked_into_and_put_to_work(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the whole demo does beyond the quick one, on the quick one's episodes."""
    plan = replace(plan_of(quick=True, seed=0), at_work=True)
    monkeypatch.setattr("pipeline.demo.plan_of", lambda quick, seed: plan)
    workspace = Workspace(shutil.copytree(demo, tmp_path / "workspace"))
    found = run_demo(workspace, quick=True, seed=0)
    assert [s["name"] for s in found["stages"]][-3:] == ["explain", "predict", "report"]
    assert found["timeline"]["asked"] == "happy"
    assert found["timeline"]["answer"] in {"pim", "mara", "otto"}
    assert (Path(found["timeline"]["out"]) / "annotated.mp4").is_file()
    page = Path(found["report"]).read_text()
    assert "Where the net looks" in page
    assert "Nobody has looked inside" not in page
    assert "who is the most happy?" in page
    assert run_demo(workspace, quick=True, seed=0)["timeline"] == found["timeline"]


@pytest.mark.browser
def test_the_page_shows_in_a_browser(demo: Path, tmp_path: Path, result: dict) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail("REQUIRE_BROWSER is set and there is no chromium")
        pytest.skip("no chromium on this machine: apt-get install chromium")
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    flags += (
        f" --disable-component-update --disable-sync --user-data-dir={tmp_path / 'profile'} --window-size=1280,2000"
    )
    picture = tmp_path / "page.png"
    subprocess.run(
        [chromium, *flags.split(), f"--screenshot={picture}", f"file://{result['report']}"],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    from pipeline.core.images import read_rgb

    shown = read_rgb(picture)
    assert shown.shape[1] == 1280
    assert shown.std() > 20, "not an empty page"
