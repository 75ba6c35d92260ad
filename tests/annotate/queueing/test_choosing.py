"""What is chosen next, on looks made up for the purpose."""

import numpy as np
import pytest

from annotate.queueing.choosing import Candidates, Looks, Weights, choose, margin_uncertainty

DIMENSIONS = 192


def looks(levels: list[int], seed: int = 0) -> Looks:
    """Plain pictures of these grey levels, with a little noise."""
    noise = np.random.default_rng(seed).integers(0, 3, (len(levels), DIMENSIONS))
    return np.asarray(np.array(levels)[:, None] + noise, dtype=np.uint8)


def candidates(levels: list[int], labelled: list[int] | None = None, **more: object) -> Candidates:
    fields: dict[str, object] = {
        "looks": looks(levels), "episodes": np.zeros(len(levels), np.int64),
        "labelled": looks(labelled or [], 1).reshape(-1, DIMENSIONS), "asked": np.array([len(labelled or [])]),
    }  # fmt: skip
    return Candidates(**(fields | more))  # type: ignore[arg-type]


def test_a_batch_takes_one_of_each_kind_before_a_second_of_any() -> None:
    levels = [10] * 8 + [90] * 8 + [200] * 8
    chosen = [levels[one.row] for one in choose(candidates(levels), 3)]
    assert sorted(chosen) == [10, 90, 200]


def test_what_is_labelled_already_comes_last() -> None:
    levels = [10] * 20 + [200] * 5
    chosen = [levels[one.row] for one in choose(candidates(levels, labelled=[10, 10]), 1)]
    assert chosen == [200]


def test_what_is_typical_comes_before_what_is_odd() -> None:
    """A crop unlike all others teaches little about them; k-centre would take it first."""
    levels = [10] * 20 + [100] * 20 + [250]
    chosen = [levels[one.row] for one in choose(candidates(levels), 2)]
    assert 250 not in chosen


def test_the_model_is_asked_where_it_doubts() -> None:
    levels = [100] * 6
    probabilities = np.full((6, 2), 0.5, dtype=np.float32)
    probabilities[:4] = (0.99, 0.01)
    found = candidates(levels, probabilities=probabilities, labelled_classes=np.array([5, 5]))
    assert {one.row for one in choose(found, 2)} == {4, 5}
    assert [one.factors.uncertainty for one in choose(found, 1)] == [1.0]


def test_a_class_with_few_labels_comes_first() -> None:
    probabilities = np.array([[0.6, 0.4], [0.4, 0.6]], dtype=np.float32)
    for lacking, wanted in ((np.array([50, 1]), 1), (np.array([1, 50]), 0)):
        found = candidates([100, 100], probabilities=probabilities, labelled_classes=lacking)
        only_deficit = Weights(uncertainty=0, diversity=0, episode=0, deficit=1)
        assert choose(found, 1, only_deficit)[0].row == wanted


def test_an_episode_without_labels_comes_first() -> None:
    found = candidates([100] * 4, episodes=np.array([0, 0, 1, 1]), asked=np.array([9, 0]))
    assert [one.row // 2 for one in choose(found, 2, Weights(diversity=0))] == [1, 1]


def test_all_are_handed_out_once_and_then_no_more() -> None:
    found = choose(candidates([10, 10, 10, 200]), 99)
    assert sorted(one.row for one in found) == [0, 1, 2, 3]
    assert choose(candidates([]), 5) == []


def test_equal_pictures_and_a_sure_model_break_nothing() -> None:
    same = np.full((5, DIMENSIONS), 255, dtype=np.uint8)
    probabilities = np.tile(np.array([1.0, 0.0], dtype=np.float32), (5, 1))
    found = choose(
        Candidates(
            looks=same, episodes=np.zeros(5, np.int64), labelled=same[:2], asked=np.array([2]),
            probabilities=probabilities, labelled_classes=np.array([0, 0]),
        ),
        5,
    )  # fmt: skip
    assert sorted(one.row for one in found) == list(range(5))
    assert all(np.isfinite(one.score) for one in found)


def test_the_choice_is_the_same_every_time() -> None:
    levels = [int(n) for n in np.random.default_rng(4).integers(0, 250, 60)]
    first, again = choose(candidates(levels), 20, seed=3), choose(candidates(levels), 20, seed=3)
    assert first == again


def test_margins() -> None:
    said = np.array([[0.5, 0.5, 0], [0.9, 0.05, 0.05], [0.4, 0.35, 0.25]], dtype=np.float32)
    assert margin_uncertainty(said) == pytest.approx([1, 0.15, 0.95])
    assert margin_uncertainty(said[:, :1]).tolist() == [0, 0, 0]
