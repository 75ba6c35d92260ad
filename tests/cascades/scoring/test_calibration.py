import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascades.scoring.calibration import (
    at_least,
    calibrate,
    choose_threshold,
    pool_adjacent_violators,
    read_calibration,
)
from cascades.scoring.matching import Outcomes


def outcomes(scores: list[float], right: list[bool], faces: int = 0, images: int = 10) -> Outcomes:
    order = np.argsort(-np.array(scores), kind="stable")
    return Outcomes(
        scores=np.array(scores, dtype=float)[order],
        right=np.array(right, dtype=bool)[order],
        groups=np.arange(len(scores)) % 7,
        faces=faces or sum(right),
        images=images,
        aside=0,
    )


def drawn(count: int, seed: int = 0) -> Outcomes:
    """Finds that are right with a probability that rises with the score's logarithm, from nearly never to nearly always."""
    random = np.random.default_rng(seed)
    scores = np.exp(random.uniform(0, 5, count))
    chance = 1 / (1 + np.exp(-2 * (np.log(scores) - 2.5)))
    return outcomes(scores.tolist(), (random.random(count) < chance).tolist())


def test_the_lower_bound_is_clopper_and_pearson_s() -> None:
    assert at_least(10, 10, 0.9) == pytest.approx(0.1 ** (1 / 10))
    assert at_least(0, 10) == 0.0
    assert at_least(90, 100, 0.95) == pytest.approx(0.8363, abs=1e-3)


def test_the_lowest_threshold_that_surely_reaches_the_precision_is_chosen() -> None:
    counted = outcomes([9.0] * 40 + [5.0] * 40 + [1.0] * 100, [True] * 80 + [False] * 100, faces=100)
    choice = choose_threshold(counted, 0.9)
    assert (choice.threshold, choice.finds, choice.right, choice.recall) == (5.0, 80, 80, 0.8)
    assert choice.at_least >= 0.9
    assert "from score 5.00 on: 80 of 80 finds right" in choice.reason


def test_few_finds_give_a_likely_threshold_and_say_so() -> None:
    choice = choose_threshold(outcomes([9.0, 8.0, 7.0, 1.0], [True, True, True, False]), 0.9)
    assert (choice.threshold, choice.likely_threshold) == (None, 7.0)
    assert "no threshold reaches precision 0.9 for sure" in choice.reason
    assert choice.at_least < 0.9


def test_a_precision_that_nothing_reaches_is_told_with_the_best() -> None:
    choice = choose_threshold(outcomes([9.0, 8.0, 7.0], [False, True, False]), 0.9)
    assert (choice.threshold, choice.likely_threshold) == (None, None)
    assert "the best is 1 of 2 finds right" in choice.reason
    nothing = choose_threshold(outcomes([], [], faces=3), 0.9)
    assert (nothing.threshold, nothing.finds) == (None, 0)
    json.dumps(nothing.as_card(), allow_nan=False)


@given(st.lists(st.tuples(st.floats(0.1, 100), st.booleans()), min_size=1, max_size=60), st.floats(0.1, 0.99))
def test_a_chosen_threshold_always_keeps_its_promise(finds: list[tuple[float, bool]], wanted: float) -> None:
    counted = outcomes([s for s, _ in finds], [r for _, r in finds], faces=len(finds))
    choice = choose_threshold(counted, wanted)
    for threshold in (choice.threshold, choice.likely_threshold):
        if threshold is not None:
            above = counted.scores >= threshold
            assert counted.right[above].mean() >= wanted
            lower = counted.scores[counted.scores < threshold]
            for other in set(lower.tolist()) if threshold == choice.likely_threshold else ():
                assert counted.right[counted.scores >= other].mean() < wanted


@pytest.mark.parametrize(("count", "method"), [(120, "platt"), (2000, "isotonic")])
def test_probabilities_rise_with_the_score_and_beat_the_mere_share(count: int, method: str) -> None:
    calibration = calibrate(drawn(count))
    assert calibration is not None
    assert calibration.method == method
    scores = np.geomspace(0.01, 1000, 200)
    chances = calibration.probability(scores)
    assert (np.diff(chances) >= 0).all()
    assert 0 <= chances[0] < 0.2
    assert 0.8 < chances[-1] <= 1
    assert calibration.brier < 0.7 * calibration.brier_of_share
    true = 1 / (1 + np.exp(-2 * (np.log(scores) - 2.5)))
    inside = (scores > 1.5) & (scores < 140)
    assert np.abs(chances - true)[inside].mean() < 0.08


def test_no_probability_is_learned_from_too_little() -> None:
    assert calibrate(outcomes([5.0, 4.0], [True, False])) is None
    assert calibrate(outcomes([float(n) for n in range(40)], [True] * 40)) is None
    assert calibrate(outcomes([5.0] * 40, [True, False] * 20)) is None


def test_scores_that_mean_nothing_give_a_flat_curve() -> None:
    random = np.random.default_rng(1)
    calibration = calibrate(outcomes(random.uniform(1, 50, 200).tolist(), (random.random(200) < 0.5).tolist()))
    assert calibration is not None
    assert np.ptp(calibration.probability(np.array([2.0, 40.0]))) < 0.35


def test_a_card_gives_the_calibration_back_and_damage_gives_none() -> None:
    calibration = calibrate(drawn(100))
    assert calibration is not None
    kept = json.loads(json.dumps(calibration.as_card()))
    assert read_calibration(kept) == calibration
    for damage in (None, {}, kept | {"knots": [[1, 2]]}, kept | {"knots": [[2, 0.1], [1, 0.2]]}, kept | {"knots": "x"}):
        assert read_calibration(damage) is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_pooling_gives_the_closest_ascending_sequence(values: list[float]) -> None:
    fitted = pool_adjacent_violators(np.array(values), np.ones(len(values)))
    assert (np.diff(fitted) >= -1e-12).all()
    assert fitted.mean() == pytest.approx(np.mean(values))
    assert pool_adjacent_violators(np.sort(values), np.ones(len(values))) == pytest.approx(np.sort(values))
