import numpy as np
import pytest

from cascades.boost import BoostOptions, best_stump, boost_stage, midway, stage_threshold
from cascades.features import BinnedFeatures, bin_values, enumerate_haar, tabulate, values_of
from tests.cascades.drawing import clutter, face_windows


@pytest.fixture(scope="module")
def binned() -> BinnedFeatures:
    """40 faces, then 60 windows of clutter, under 200 features."""
    random = np.random.default_rng(0)
    others = np.stack([clutter(random, 24, 24) for _ in range(60)])
    table = enumerate_haar(24, 24, "basic").select(np.arange(0, 162_336, 811))
    return bin_values(table, tabulate(np.concatenate([face_windows(40), others])))


def least_error(binned: BinnedFeatures, weights: np.ndarray, answers: np.ndarray) -> float:
    """The least weighted squared error of any cut between bins, by trying all."""
    best = np.inf
    for row in binned.bins:
        for cut in np.unique(row)[:-1]:
            error = 0.0
            for side in (row <= cut, row > cut):
                mean = (weights[side] * answers[side]).sum() / weights[side].sum()
                error += (weights[side] * (answers[side] - mean) ** 2).sum()
            best = min(best, error)
    return best


def test_the_stump_is_the_best_of_all(binned: BinnedFeatures) -> None:
    answers = np.where(np.arange(100) < 40, 1.0, -1.0)
    for seed in range(5):
        weights = np.random.default_rng(seed).dirichlet(np.ones(100))
        found = best_stump(binned, weights, 40)
        assert found is not None
        stump, outputs = found
        values = values_of(binned.table, binned.samples)[stump.feature]
        assert (outputs == np.where(values < np.float32(stump.threshold), stump.left, stump.right)).all()
        error = (weights * (answers - outputs) ** 2).sum()
        assert error == pytest.approx(least_error(binned, weights, answers), abs=1e-6)


def test_its_threshold_lies_midway_between_two_values(binned: BinnedFeatures) -> None:
    found = best_stump(binned, np.full(100, 0.01), 40)
    assert found is not None
    values = np.sort(values_of(binned.table, binned.samples)[found[0].feature])
    above = int(np.searchsorted(values, np.float32(found[0].threshold)))
    assert found[0].threshold == pytest.approx((float(values[above - 1]) + float(values[above])) / 2, rel=1e-6)


def test_midway_separates_even_neighbouring_floats() -> None:
    below = np.float32(0.1)
    above = np.nextafter(below, np.float32(1))
    assert below < midway(below, above) <= above


def test_a_stage_lets_through_what_was_promised(binned: BinnedFeatures) -> None:
    stage = boost_stage(binned, 40, BoostOptions(min_hit_rate=0.95, max_false_alarm=0.1))
    assert stage.hit_rate >= 0.95
    assert stage.false_alarm <= 0.1
    assert 1 <= len(stage.stumps) < 100


def test_a_stage_ends_at_its_largest_size(binned: BinnedFeatures) -> None:
    stage = boost_stage(binned, 40, BoostOptions(min_hit_rate=1.0, max_false_alarm=0.0001, max_weak=3))
    assert len(stage.stumps) <= 3


def test_samples_that_are_all_alike_give_no_stump() -> None:
    window = face_windows(1)
    table = enumerate_haar(24, 24, "basic").select(np.arange(0, 162_336, 5003))
    same = bin_values(table, tabulate(np.repeat(window, 20, axis=0)))
    assert best_stump(same, np.full(20, 0.05), 10) is None
    assert boost_stage(same, 10, BoostOptions()).stumps == ()


def test_the_stage_threshold_loses_no_more_than_allowed() -> None:
    sums = np.arange(1000, dtype=np.float64)
    assert stage_threshold(sums, 0.995) == 5.0
    assert stage_threshold(sums, 1.0) == 0.0
    assert stage_threshold(np.array([3.0, 1.0, 2.0]), 0.995) == 1.0
