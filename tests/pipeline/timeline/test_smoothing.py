from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import UsageError
from pipeline.timeline.records import TimelineOptions
from pipeline.timeline.smoothing import calibrated, forward_backward, smoothed

PLAIN = TimelineOptions(independent_seconds=0.0)


def by_enumeration(likely: np.ndarray, gaps: list[float], stay: float) -> np.ndarray:
    """Every path of states, added up."""
    groups, states = likely.shape
    found = np.zeros_like(likely)
    for path in product(range(states), repeat=groups):
        weight = 1.0 / states
        for g, state in enumerate(path):
            weight *= likely[g, state]
            if g:
                fade = np.exp(-gaps[g - 1] * states / ((states - 1) * stay))
                weight *= 1 / states + (1 - 1 / states) * fade if state == path[g - 1] else (1 - fade) / states
        for g, state in enumerate(path):
            found[g, state] += weight
    return found / found.sum(axis=1, keepdims=True)


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(2, 3), st.floats(0.1, 5))
def test_the_recursion_gives_what_adding_up_all_paths_gives(seed: int, groups: int, states: int, stay: float) -> None:
    draw = np.random.default_rng(seed)
    likely, gaps = draw.uniform(0.01, 1, (groups, states)), draw.uniform(0.01, 3, groups - 1)
    found = forward_backward(np.log(likely), gaps, stay)
    np.testing.assert_allclose(found, by_enumeration(likely, list(gaps), stay), atol=1e-9)


def test_one_odd_picture_among_many_is_outvoted_and_a_real_change_is_kept() -> None:
    sure, odd = [0.8, 0.1, 0.1], [0.2, 0.7, 0.1]
    rows = np.array([sure] * 4 + [odd] + [sure] * 4 + [[0.1, 0.1, 0.8]] * 5)
    found = smoothed(rows, [n * 0.25 for n in range(len(rows))], list(range(len(rows))), TimelineOptions())
    assert list(found.argmax(axis=1)) == [0] * 9 + [2] * 5


def test_with_independent_errors_smoothing_is_right_far_more_often() -> None:
    draw = np.random.default_rng(1)
    before = after = total = 0
    for _ in range(40):
        truth = np.repeat(draw.integers(0, 4, 3), 8)
        rows = np.full((len(truth), 4), 0.15)
        said = np.where(draw.random(len(truth)) < 0.6, truth, draw.integers(0, 4, len(truth)))
        rows[np.arange(len(truth)), said] = 0.55
        found = smoothed(rows, [n * 0.25 for n in range(len(truth))], list(range(len(truth))), TimelineOptions())
        before += int((said == truth).sum())
        after += int((found.argmax(axis=1) == truth).sum())
        total += len(truth)
    assert after / total > before / total + 0.1


def test_pictures_of_one_held_drawing_are_one_piece_of_evidence() -> None:
    row = np.array([0.7, 0.2, 0.1])
    once = smoothed(row[None], [0.0], [0], PLAIN)
    held = smoothed(np.stack([row] * 6), [n * 0.25 for n in range(6)], [0] * 6, PLAIN)
    drawn = smoothed(np.stack([row] * 6), [n * 0.25 for n in range(6)], list(range(6)), PLAIN)
    np.testing.assert_allclose(held, np.repeat(once, 6, axis=0))
    assert drawn[0, 0] > once[0, 0] + 0.1


def test_a_single_picture_and_switched_off_smoothing_say_what_the_model_says() -> None:
    rows = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])
    np.testing.assert_allclose(smoothed(rows[:1], [0.0], [0], TimelineOptions()), rows[:1])
    np.testing.assert_array_equal(smoothed(rows, [0.0, 0.25], [0, 1], TimelineOptions(smooth=False)), rows)


def test_a_certain_wrong_answer_does_not_make_all_others_impossible() -> None:
    rows = np.array([[0.0, 1.0]] + [[0.9, 0.1]] * 12)
    found = smoothed(rows, [n * 0.5 for n in range(13)], list(range(13)), TimelineOptions(stay_seconds=100.0))
    assert np.isfinite(found).all()
    assert found[6, 0] > 0.9


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot smooth 2 answers at 1 times"):
        smoothed(np.ones((2, 2)), [0.0], [0, 1], PLAIN)
    with pytest.raises(UsageError, match="stay_seconds must be > 0"):
        TimelineOptions(stay_seconds=0.0)


@given(st.floats(0.05, 20), st.integers(0, 1000))
def test_calibrating_keeps_the_winner_and_one_changes_nothing(temperature: float, seed: int) -> None:
    rows = np.random.default_rng(seed).dirichlet(np.ones(4), 5)
    found = calibrated(rows, temperature)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    clear = np.sort(rows, axis=1)[:, -1] > np.sort(rows, axis=1)[:, -2] + 1e-9
    assert (found.argmax(axis=1) == rows.argmax(axis=1))[clear].all()
    np.testing.assert_allclose(calibrated(rows, 1.0), rows, atol=1e-5)
