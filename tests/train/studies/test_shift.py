"""Learn on one look, test on another."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.core.errors import DatasetError, UsageError
from pipeline.core.manifest import Dataset
from tests.train.faces import relabelled, rewrite
from tests.train.studies.conftest import entry, laboratory
from tests.train.studies.looks import photographed_dataset
from tests.train.studies.test_compare import SETTINGS, call
from train.studies.contestants import Contestant, Exam, Trial
from train.studies.priors import leaning_words, shares_of
from train.studies.shift import ShiftOptions, find_arms, shift


@pytest.fixture(scope="module")
def photos(drawn: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The same faces photographed, under other class names."""
    folder = tmp_path_factory.mktemp("photos")
    photographed = photographed_dataset(drawn, folder / "photos")
    return relabelled(photographed, folder / "named", {"happy": "happiness", "angry": "anger"})


PAIRS = {"happiness": "happy", "anger": "angry"}


def options(*arms: str, **more: Any) -> ShiftOptions:
    return ShiftOptions(entry=entry("hill-adam"), seeds=(0,), arms=find_arms(arms), pairs=PAIRS, **more)


@pytest.fixture(scope="module")
def shifted(photos: Dataset, drawn: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    root = tmp_path_factory.mktemp("shifted")
    arms = options("plain", "cartoonified", "all")
    return root, shift(photos, drawn, arms, laboratory(root / "runs"), root / "cache")


def test_every_arm_is_tested_on_the_target_and_at_home(
    shifted: tuple[Path, dict[str, Any]], drawn: Dataset, photos: Dataset
) -> None:
    document = shifted[1]
    assert [line["recipe"] for line in document["summary"]] == ["plain", "cartoonified", "all"]
    assert [line["recipe"] for line in document["source_summary"]] == ["plain", "cartoonified", "all"]
    assert document["test"]["examples"] == len(drawn.examples)
    assert document["map"] == {"anger": "angry", "happiness": "happy", "sad": "sad"}
    assert {(pair["first"], pair["second"]) for pair in document["pairs"]} == {
        ("cartoonified", "plain"),
        ("all", "plain"),
    }
    assert sum(map(sum, document["source_summary"][0]["confusion"])) == 30
    assert document["shares"]["prior"] == pytest.approx([1 / 3] * 3, abs=1e-4)
    assert all(sum(arm["predicted"]) == pytest.approx(1, abs=1e-4) for arm in document["shares"]["arms"])


def test_a_second_call_reads_what_was_said_of_the_target(
    shifted: tuple[Path, dict[str, Any]], photos: Dataset, drawn: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, document = shifted
    monkeypatch.setattr("train.studies.shift.load_run", None)
    arms = options("plain", "cartoonified", "all")
    again = shift(photos, drawn, arms, laboratory(root / "runs"), root / "cache")
    assert json.dumps(again) == json.dumps(document)


def test_pictures_and_shots_of_the_source_are_left_out_of_the_target(
    drawn: Dataset, photos: Dataset, tmp_path: Path
) -> None:
    shared = [replace(e, shot=photos.examples[0].shot) for e in drawn.examples[:2]]
    for example in drawn.examples:
        target = tmp_path / "mixed" / example.file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((drawn.folder / example.file).read_bytes())
    mixed = rewrite(tmp_path / "mixed", [*shared, *drawn.examples[2:]], drawn.manifest.classes, "mixed")
    document = shift(photos, mixed, options("plain"), laboratory(tmp_path / "runs"), tmp_path / "cache")
    assert document["seen"] == 2
    assert document["test"]["examples"] == len(drawn.examples) - 2


def test_a_dataset_is_no_target_of_its_own(drawn: Dataset, tmp_path: Path) -> None:
    itself = replace(options("plain"), pairs={})
    with pytest.raises(DatasetError, match="all of those have pictures or shots of the source"):
        shift(drawn, drawn, itself, laboratory(tmp_path / "runs"), tmp_path)
    with pytest.raises(UsageError, match="no split 'tset'"):
        shift(drawn, drawn, replace(itself, split="tset"), laboratory(tmp_path / "runs"), tmp_path)
    with pytest.raises(UsageError, match="no arm 'painted'; known are plain, augmented"):
        find_arms(["painted"])
    with pytest.raises(UsageError, match="say which arms"):
        find_arms([])


def test_a_net_that_answers_with_its_priors_is_seen_at_a_glance(drawn: Dataset) -> None:
    tested = tuple(e for e in drawn.examples if e.split == "test")
    truth = np.array([drawn.manifest.classes.index(e.label) for e in tested], dtype=np.int64)
    exam = Exam(examples=tested, classes=drawn.manifest.classes, truth=truth)

    def arm(name: str, probabilities: np.ndarray) -> Contestant:
        trial = Trial(
            seed=0, runs=("r",), probabilities=probabilities.astype(np.float32), epochs=1, images_seen=1, seconds=1.0,
            cpu_seconds=None,
        )  # fmt: skip
        return Contestant.of(name, exam, [trial])

    noise = np.random.default_rng(0).normal(0, 0.01, (len(truth), 3))
    stuck, good = arm("stuck", np.array([0.2, 0.6, 0.2]) + noise), arm("good", np.eye(3)[truth])
    shares = shares_of([stuck, good], [10, 80, 10])
    assert leaning_words(shares["arms"][0], shares) == (
        "stuck calls 100% of the target happy, which 33% of it is: the largest class of its training; "
        "stuck says nearly the same of every picture"
    )
    assert leaning_words(shares["arms"][1], shares) == ""
    assert shares["arms"][0]["distance"] == pytest.approx(2 / 3, abs=1e-5)
    assert shares["arms"][1]["distance"] == pytest.approx(0, abs=1e-5)
    assert "largest" not in leaning_words(shares["arms"][0], shares_of([stuck], [30, 30, 30]))


def test_the_command_prints_map_scores_and_shares(photos: Dataset, drawn: Dataset, tmp_path: Path) -> None:
    words = [
        "shift",
        str(photos.folder),
        str(drawn.folder),
        "--map",
        "happiness=happy,anger=angry",
        "--arms",
        "plain,styled",
    ]
    words += ["--seeds", "1", "--device", "cpu", "--recipe", "hill-adam", *SETTINGS]
    code, text = call(tmp_path, *words, as_json=False)
    assert code == 0
    for title in ("what a class means", "happiness", "share of each class", "predicted: styled", "own test split"):
        assert title in text
    code, text = call(tmp_path, *words)
    assert json.loads(text)["kind"] == "shift"
    page = Path(json.loads(text)["report"]).read_text()
    assert "Predictions beside priors" in page
