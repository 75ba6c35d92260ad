"""How sure a mean is, and whether two recipes differ by more than luck."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from train import metrics
from train.studies.statistics import (
    accuracy_of,
    counts_by_shot,
    holm,
    macro_f1_of,
    mean_over_seeds,
    paired_test,
    t_interval,
    welch_p,
)

SHOTS, EACH, CLASSES = 24, 4, 3


def simulated(draw: np.random.Generator, chance: float, seeds: int, hard_S: NDArray[np.float64], luck: float,
              truth_N: NDArray[np.int64]) -> NDArray[np.float64]:  # fmt: skip
    """(R, K, C, C) of a recipe whose runs differ by `luck` and that is right together within a shot."""
    shot_N = np.arange(SHOTS).repeat(EACH)
    chances_RS = chance + draw.normal(0, luck, (seeds, 1)) + hard_S + draw.normal(0, 0.1, (seeds, SHOTS))
    chances_RS += draw.normal(0, 0.12, SHOTS)  # some shots suit a recipe, whatever the seed
    right_RN = draw.random((seeds, SHOTS * EACH)) < chances_RS[:, shot_N]
    wrong_RN = (truth_N + draw.integers(1, CLASSES, right_RN.shape)) % CLASSES
    return counts_by_shot(truth_N, np.where(right_RN, truth_N, wrong_RN), shot_N, CLASSES)


def rate_of_findings(gap: float, *, luck: float, seeds: int, repeats: int, metric: str) -> float:
    draw, found = np.random.default_rng(1), 0
    for _ in range(repeats):
        truth_N = draw.integers(CLASSES, size=SHOTS * EACH)
        hard_S = draw.normal(0, 0.15, SHOTS)
        one, other = (simulated(draw, c, seeds, hard_S, luck, truth_N) for c in (0.6 + gap, 0.6))
        found += paired_test(one, other, metric).p < 0.05
    return found / repeats


@pytest.mark.parametrize(
    ("luck", "seeds"),
    [
        (0.08, 5),
        pytest.param(0.0, 5, marks=pytest.mark.slow),
        pytest.param(0.08, 3, marks=pytest.mark.slow),
        pytest.param(0.0, 1, marks=pytest.mark.slow),
    ],
)
def test_two_recipes_that_are_alike_are_rarely_told_apart(luck: float, seeds: int) -> None:
    assert rate_of_findings(0.0, luck=luck, seeds=seeds, repeats=80, metric="macro_f1") <= 0.1


def test_a_planted_difference_is_found() -> None:
    assert rate_of_findings(0.25, luck=0.03, seeds=5, repeats=30, metric="macro_f1") >= 0.9
    assert rate_of_findings(0.25, luck=0.03, seeds=5, repeats=30, metric="accuracy") >= 0.9


def test_with_the_test_set_alone_luck_of_training_would_pass_for_a_difference() -> None:
    draw, found = np.random.default_rng(2), 0
    for _ in range(60):
        truth_N, hard_S = draw.integers(CLASSES, size=SHOTS * EACH), np.zeros(SHOTS)
        one, other = (simulated(draw, 0.6, 2, hard_S, 0.15, truth_N) for _ in range(2))
        found += paired_test(one, other, "accuracy").p_shots < 0.05
    assert found / 60 > 0.3


def test_the_t_interval_is_scipys() -> None:
    values = [0.61, 0.7, 0.66, 0.58, 0.73]
    expected = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert t_interval(values) == pytest.approx(expected)
    assert t_interval([0.5]) is None


def test_welchs_p_is_scipys_and_a_side_without_luck_is_exact() -> None:
    one, other = [0.61, 0.7, 0.66, 0.58], [0.73, 0.71, 0.6]
    assert welch_p(one, other) == pytest.approx(stats.ttest_ind(one, other, equal_var=False).pvalue)
    assert welch_p(one, [0.5]) == pytest.approx(stats.ttest_1samp(one, 0.5).pvalue)
    assert welch_p([0.5], [0.6]) is None
    assert welch_p([0.5, 0.5], [0.6]) == 0.0
    assert welch_p([0.5, 0.5], [0.5]) == 1.0


def test_p_of_the_swaps_is_scipys_exact_one() -> None:
    draw = np.random.default_rng(3)
    truth_N, shot_N = draw.integers(3, size=60), np.arange(60) // 6
    guesses = [np.where(draw.random(60) < share, truth_N, (truth_N + 1) % 3) for share in (0.75, 0.55)]
    one, other = (counts_by_shot(truth_N, guess[None], shot_N, 3) for guess in guesses)
    right = [np.bincount(shot_N, guess == truth_N) for guess in guesses]
    exact = stats.permutation_test(
        right,
        lambda a, b, axis: (a - b).sum(axis=axis),
        permutation_type="samples",
        n_resamples=10_000,
        vectorized=True,
    )
    assert paired_test(one, other, "accuracy").p_shots == pytest.approx(exact.pvalue, abs=1e-12)


def test_random_swaps_come_near_the_exact_p(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(4)
    truth_N = draw.integers(CLASSES, size=SHOTS * EACH)
    one, other = (simulated(draw, c, 1, np.zeros(SHOTS), 0, truth_N)[:, :12] for c in (0.8, 0.62))
    exact = paired_test(one, other, "macro_f1").p_shots
    monkeypatch.setattr("train.studies.statistics.EXACT_SHOTS", 3)
    assert paired_test(one, other, "macro_f1").p_shots == pytest.approx(exact, abs=0.015)


def test_a_small_p_is_worked_out_with_more_swaps() -> None:
    """In 30 shots one is right and the other wrong: 2 of 2**30 swaps are as extreme, and a table multiplies p."""
    truth_N, shot_N = np.zeros(30, dtype=np.int64), np.arange(30)
    one, other = (counts_by_shot(truth_N, side[None], shot_N, 2) for side in (truth_N, 1 - truth_N))
    assert paired_test(one, other, "accuracy").p_shots == pytest.approx(1 / 100_001)


def test_the_same_predictions_do_not_differ() -> None:
    counts = simulated(np.random.default_rng(5), 0.7, 2, np.zeros(SHOTS), 0.1, np.arange(SHOTS * EACH) % 3)
    same = paired_test(counts, counts, "macro_f1")
    assert (same.difference, same.p_shots, same.p) == (0.0, 1.0, 1.0)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_figures_of_confusions_are_those_of_the_scores() -> None:
    draw = np.random.default_rng(6)
    truth_N, guess_N, shot_N = draw.integers(3, size=80), draw.integers(4, size=80), np.arange(80) // 4
    counts = counts_by_shot(truth_N, guess_N[None], shot_N, 4)
    expected = metrics.score(truth_N, guess_N, "abcd", [str(s) for s in shot_N])
    assert float(accuracy_of(counts.sum(axis=1))[0]) == pytest.approx(expected.accuracy)
    assert float(macro_f1_of(counts.sum(axis=1))[0]) == pytest.approx(expected.macro_f1)
    found = mean_over_seeds(counts, "accuracy")
    assert found.seeds_interval is None
    assert found.shots_interval == pytest.approx(expected.accuracy_interval, abs=0.03)


def test_intervals_are_the_same_every_time_and_stay_between_0_and_1() -> None:
    counts = simulated(np.random.default_rng(7), 0.9, 2, np.zeros(SHOTS), 0.2, np.arange(SHOTS * EACH) % 3)
    first = mean_over_seeds(counts, "macro_f1")
    assert first == mean_over_seeds(counts, "macro_f1")
    assert first.seeds_interval is not None
    assert 0 <= first.seeds_interval[0] < first.mean < first.seeds_interval[1] <= 1
