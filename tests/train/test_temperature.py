import numpy as np
import pytest

from tests.train.conftest import Finished
from train.predict import load_run
from train.temperature import NOT_FITTED, fitted_temperature, temperature_of


def answers(temperature: float, seed: int = 0, count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """A model that is too sure by that factor: labels are drawn from its softened probabilities."""
    draw = np.random.default_rng(seed)
    scores = draw.normal(0, 2, (count, 4))
    fair = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = np.array([draw.choice(4, p=row) for row in fair])
    sharp = np.exp(scores * temperature)
    return sharp / sharp.sum(axis=1, keepdims=True), labels


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_factor_by_which_a_model_is_too_sure_is_found(factor: float) -> None:
    probabilities, labels = answers(factor)
    assert fitted_temperature(probabilities, labels) == pytest.approx(factor, rel=0.1)


def test_certain_and_wrong_answers_give_a_limit_not_a_failure() -> None:
    probabilities = np.tile([1.0, 0.0], (30, 1))
    assert fitted_temperature(probabilities, np.ones(30, dtype=np.int64)) == pytest.approx(20, rel=0.01)


def test_a_run_is_calibrated_on_examples_it_was_not_trained_on(finished: Finished) -> None:
    found = temperature_of(load_run(finished.folder, "cpu"), finished.dataset)
    assert (found.split, found.examples) == ("val", 24)
    assert 0.05 <= found.value <= 20


def test_too_few_examples_conclude_nothing(finished: Finished, toy: object) -> None:
    from dataclasses import replace

    few = replace(finished.dataset, examples=finished.dataset.examples[:5])
    assert temperature_of(load_run(finished.folder, "cpu"), few) == NOT_FITTED
