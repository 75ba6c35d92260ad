"""Whether a model is as often right as it says."""

import numpy as np
import pytest

from train.studies.calibration import calibration_of


def probabilities(confidence_N: np.ndarray, named_N: np.ndarray) -> np.ndarray:
    rest = (1 - confidence_N) / 2
    table = np.stack([rest, rest, rest], axis=1)
    table[np.arange(len(named_N)), named_N] = confidence_N
    return table


def test_a_model_that_is_as_often_right_as_it_says_has_hardly_an_error() -> None:
    draw = np.random.default_rng(0)
    confidence_N, named_N = draw.uniform(0.4, 1, 20_000), draw.integers(3, size=20_000)
    truth_N = np.where(draw.random(20_000) < confidence_N, named_N, (named_N + 1) % 3)
    found = calibration_of(probabilities(confidence_N, named_N), truth_N)
    assert found.ece < 0.015
    assert abs(found.overconfidence) < 0.01
    assert [one.examples for one in found.bins] == [2000] * 10
    assert all(abs(one.confidence - one.accuracy) < 0.04 for one in found.bins)


def test_the_error_by_hand() -> None:
    confidence_N = np.array([0.9] * 40 + [0.6] * 40)
    truth_N = np.array([0] * 30 + [1] * 10 + [0] * 10 + [1] * 30)
    found = calibration_of(probabilities(confidence_N, np.zeros(80, dtype=np.int64)), truth_N)
    assert [(one.confidence, one.accuracy, one.examples) for one in found.bins] == [
        (pytest.approx(0.6), 0.25, 40),
        (pytest.approx(0.9), 0.75, 40),
    ]
    assert found.ece == pytest.approx((0.35 + 0.15) / 2)
    assert found.overconfidence == pytest.approx(0.25)


def test_the_order_of_the_examples_changes_nothing() -> None:
    draw = np.random.default_rng(1)
    confidence_N, named_N = draw.integers(4, 10, 300) / 10, draw.integers(3, size=300)
    truth_N, order = draw.integers(3, size=300), draw.permutation(300)
    one = calibration_of(probabilities(confidence_N, named_N), truth_N)
    other = calibration_of(probabilities(confidence_N[order], named_N[order]), truth_N[order])
    assert other.ece == pytest.approx(one.ece)
    assert [b.examples for b in other.bins] == [b.examples for b in one.bins]


def test_one_example_is_one_bin() -> None:
    found = calibration_of(np.array([[0.2, 0.8]]), np.array([1]))
    assert [one.examples for one in found.bins] == [1]
    assert found.ece == pytest.approx(0.2)
