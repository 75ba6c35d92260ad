"""Whether a training was over when it ended."""

import json
from pathlib import Path

import pytest

from train.studies.learning import Learning, learning_of, together


def run_of(folder: Path, losses: list[float], accuracies: list[float]) -> Path:
    folder.mkdir(parents=True)
    lines = [json.dumps({"train_loss": a, "train_accuracy": b}) for a, b in zip(losses, accuracies, strict=True)]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_a_loss_that_still_falls_says_that_the_training_was_too_short(tmp_path: Path) -> None:
    losses = [2.0 - 0.1 * epoch for epoch in range(10)]
    found = learning_of(run_of(tmp_path / "falls", losses, [0.7] * 10), [10, 10])
    assert found is not None
    assert found.falling == pytest.approx(1 - 1.15 / 1.35)
    assert found.unfinished


def test_a_net_that_knows_its_pictures_has_learned_though_its_loss_still_falls(tmp_path: Path) -> None:
    losses = [1 / 2**epoch for epoch in range(10)]
    found = learning_of(run_of(tmp_path / "knows", losses, [0.99] * 10), [10, 10])
    assert found is not None
    assert found.falling > 0.5
    assert not found.unfinished


def test_a_level_loss_is_under_trained_only_where_little_was_learned(tmp_path: Path) -> None:
    little = learning_of(run_of(tmp_path / "little", [1.0] * 10, [0.5] * 10), [40, 30, 30])
    half = learning_of(run_of(tmp_path / "half", [1.0] * 10, [0.75] * 10), [40, 30, 30])
    assert little is not None
    assert half is not None
    assert (little.unfinished, half.unfinished) == (True, False)


def test_one_epoch_tells_how_much_was_learned_but_not_whether_the_loss_falls(tmp_path: Path) -> None:
    found = learning_of(run_of(tmp_path / "once", [1.0], [0.95]), [1, 1])
    assert found == Learning(accuracy=0.95, falling=0.0, epochs=1, most_frequent=0.5)


@pytest.mark.parametrize("text", ["", "{", '{"train_loss": 1}\n', '{"train_loss": NaN, "train_accuracy": 1}\n', "7\n"])
def test_what_cannot_be_read_is_not_known(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.jsonl").write_text(text)
    assert learning_of(tmp_path, [1, 1]) is None
    assert learning_of(tmp_path / "absent", [1, 1]) is None


def test_an_ensemble_is_judged_by_its_base_net(tmp_path: Path) -> None:
    run_of(tmp_path / "ensemble", [0.1] * 5, [1.0] * 5)
    run_of(tmp_path / "ensemble/members/toy-e.base-s0-12345678", [1.0] * 5, [0.4] * 5)
    found = learning_of(tmp_path / "ensemble", [1, 1, 1])
    assert found is not None
    assert found.accuracy == pytest.approx(0.4)


def test_seeds_are_judged_together_and_only_when_all_are_known() -> None:
    one = Learning(accuracy=0.4, falling=0.0, epochs=4, most_frequent=0.5)
    other = Learning(accuracy=0.8, falling=0.2, epochs=6, most_frequent=0.5)
    found = together([one, other])
    assert found is not None
    assert (found.accuracy, found.falling, found.epochs) == (pytest.approx(0.6), pytest.approx(0.1), 5)
    assert together([one, None]) is None
    assert together([]) is None
