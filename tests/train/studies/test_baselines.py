"""What needs no net."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.manifest import Dataset, Example
from pipeline.core.progress import Silent
from tests.train.faces import draw_dataset
from train.studies import baselines
from train.studies.baselines import NAMES, baseline_guesses, neighbours_of


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Every test picture is one of training again: what looks alike knows its class."""
    drawn = draw_dataset(tmp_path_factory.mktemp("copied") / "toy", per_class={"train": 8, "val": 0, "test": 1})
    trained = [
        replace(e, phash=f"{number:016x}") for number, e in enumerate(e for e in drawn.examples if e.split == "train")
    ]
    tested = [replace(e, id=f"z{e.id}", split="test") for e in trained[::3]]
    return replace(drawn, examples=(*trained, *tested))


def guesses(dataset: Dataset) -> tuple[dict[str, np.ndarray], np.ndarray]:
    tested = [e for e in dataset.examples if e.split == "test"]
    place = {name: number for number, name in enumerate(dataset.manifest.classes)}

    def label_of(example: Example) -> int:
        return place[example.label]

    return baseline_guesses(dataset, tested, label_of, Silent()), np.array([label_of(e) for e in tested])


def test_a_picture_that_was_in_training_is_known_by_every_neighbour(copied: Dataset) -> None:
    found, truth = guesses(copied)
    assert list(found) == list(NAMES)
    for name in ("nearest_pixels", "nearest_look", "nearest_features"):
        np.testing.assert_array_equal(found[name], truth, err_msg=name)


def test_the_majority_is_that_of_training(copied: Dataset) -> None:
    uneven = [e for e in copied.examples if e.split == "test" or e.label == "sad" or e.id.endswith("0001")]
    found, _ = guesses(replace(copied, examples=tuple(uneven)))
    assert set(found["majority"]) == {copied.manifest.classes.index("sad")}


def test_edges_and_colours_know_more_of_the_drawn_faces_than_chance(tmp_path: Path) -> None:
    found, truth = guesses(draw_dataset(tmp_path / "toy", per_class={"train": 30, "val": 0, "test": 20}))
    assert (found["nearest_features"] == truth).mean() > 0.5


def test_of_too_many_neighbours_the_same_ones_are_looked_at(copied: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "MOST", 5)
    trained = [e for e in copied.examples if e.split == "train"]
    chosen = neighbours_of(trained)
    assert len(chosen) == 5
    assert chosen == neighbours_of(trained[::-1])
    assert len(guesses(copied)[0]["nearest_pixels"]) == len([e for e in copied.examples if e.split == "test"])
