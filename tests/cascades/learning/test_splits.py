import itertools

import numpy as np
import pytest

from cascades.learning.splits import histograms, left_codes, split_gains


def squared_error(left: np.ndarray, weights: np.ndarray, positives: int) -> float:
    answers = np.where(np.arange(len(weights)) < positives, 1.0, -1.0)
    error = 0.0
    for side in (left, ~left):
        if weights[side].sum() > 0:
            mean = (weights[side] * answers[side]).sum() / weights[side].sum()
            error += (weights[side] * (answers[side] - mean) ** 2).sum()
    return error


@pytest.mark.parametrize("seed", range(4))
def test_a_cut_is_the_best_of_all_cuts(seed: int) -> None:
    random = np.random.default_rng(seed)
    codes = random.integers(0, 30, (6, 80)).astype(np.uint8)
    weights = random.dirichlet(np.ones(80))
    gains, cuts = split_gains(codes, weights, 35, categories=False, codes=32)
    for row, gain, cut in zip(codes, gains, cuts, strict=True):
        errors = [squared_error(row <= c, weights, 35) for c in range(29)]
        assert squared_error(row <= cut, weights, 35) == pytest.approx(min(errors))
        assert 1 - gain == pytest.approx(min(errors))


@pytest.mark.parametrize("seed", range(4))
def test_a_subset_is_the_best_of_all_subsets(seed: int) -> None:
    random = np.random.default_rng(seed)
    row = random.choice(np.array([3, 70, 71, 130, 200, 254], dtype=np.uint8), 60)
    weights = random.dirichlet(np.ones(60))
    gains, cuts = split_gains(row[None], weights, 25, categories=True)
    left = left_codes(row, weights, 25, int(cuts[0]))
    subsets = itertools.chain.from_iterable(itertools.combinations(np.unique(row), n) for n in range(1, 6))
    least = min(squared_error(np.isin(row, subset), weights, 25) for subset in subsets)
    assert squared_error(left[row], weights, 25) == pytest.approx(least)
    assert 1 - gains[0] == pytest.approx(least)
    assert left[9]  # a code that was never seen goes with the negatives


def test_the_best_of_many_subsets_is_never_passed_over() -> None:
    random = np.random.default_rng(5)
    codes = random.integers(0, 256, (300, 200)).astype(np.uint8)
    weights = random.dirichlet(np.ones(200))
    together, _ = split_gains(codes, weights, 90, categories=True)
    alone = np.array([split_gains(row[None], weights, 90, categories=True)[0][0] for row in codes])
    assert together.argmax() == alone.argmax()
    assert together.max() == alone.max()


def test_samples_that_are_all_alike_gain_nothing() -> None:
    codes = np.full((3, 20), 7, dtype=np.uint8)
    for categories in (False, True):
        assert (split_gains(codes, np.full(20, 0.05), 10, categories)[0] < 0).all()


def test_histograms_hold_the_weight_of_each_side() -> None:
    hits, misses = histograms(np.array([1, 1, 2], dtype=np.uint8), np.array([0.5, 0.2, 0.3]), 1)
    assert (hits[1], misses[1], misses[2]) == (0.5, 0.2, 0.3)
    assert hits.sum() + misses.sum() == pytest.approx(1)
