import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.metrics import confusion_of, macro_f1_of, majority_guess, mean_colour_guess, score

CLASSES = ("angry", "happy", "sad")


def test_scores_are_those_worked_out_by_hand() -> None:
    truth = np.array([0, 0, 0, 0, 1, 1])
    predicted = np.array([0, 0, 0, 1, 1, 2])
    scores = score(truth, predicted, CLASSES, list("abcdef"))
    assert scores.confusion == [[3, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert scores.accuracy == pytest.approx(4 / 6)
    angry, happy, sad = scores.per_class.values()
    assert (angry.precision, angry.recall, angry.f1, angry.support) == (1.0, 0.75, 2 * 3 / (4 + 3), 4)
    assert (happy.precision, happy.recall, happy.f1, happy.support) == (0.5, 0.5, 0.5, 2)
    assert (sad.precision, sad.recall, sad.f1, sad.support) == (0.0, 0.0, 0.0, 0)
    assert scores.macro_f1 == pytest.approx((6 / 7 + 1 / 2) / 2), "sad is not in the truth, so it does not count"
    assert scores.balanced_accuracy == pytest.approx((0.75 + 0.5) / 2)
    assert (scores.examples, scores.clusters) == (6, 6)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60))
def test_figures_keep_within_their_bounds(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = (np.array(side, dtype=np.int64) for side in zip(*pairs, strict=True))
    confusion = confusion_of(truth, predicted, 3)
    assert confusion.sum() == len(pairs)
    assert 0 <= macro_f1_of(confusion) <= 1
    assert (macro_f1_of(confusion) == 1) == bool((truth == predicted).all())


def test_the_interval_is_wider_when_examples_come_in_shots() -> None:
    """Ten copies of the same twenty answers tell no more than the twenty."""
    draw = np.random.default_rng(1)
    truth = np.repeat(draw.integers(0, 3, 20), 10)
    predicted = np.where(np.repeat(draw.random(20) < 0.7, 10), truth, (truth + 1) % 3)
    by_shot = score(truth, predicted, CLASSES, [f"s{n // 10}" for n in range(200)])
    by_crop = score(truth, predicted, CLASSES, [f"c{n}" for n in range(200)])
    assert by_shot.accuracy_interval
    assert by_crop.accuracy_interval
    wide, narrow = (high - low for low, high in (by_shot.accuracy_interval, by_crop.accuracy_interval))
    assert wide > 2 * narrow
    assert by_shot.accuracy_interval[0] <= by_shot.accuracy <= by_shot.accuracy_interval[1]


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    draw, covered = np.random.default_rng(2), 0
    for _ in range(30):
        skill = draw.beta(8, 4, 40)  # each shot has a chance of its own; their mean is 2/3
        right = (draw.random((40, 5)) < skill[:, None]).ravel()
        scores = score(
            np.zeros(200, dtype=np.int64), (~right).astype(np.int64), CLASSES, [str(n // 5) for n in range(200)]
        )
        assert scores.accuracy_interval
        covered += scores.accuracy_interval[0] <= 2 / 3 <= scores.accuracy_interval[1]
    assert 24 <= covered <= 30


def test_one_shot_gives_no_interval() -> None:
    scores = score(np.array([0, 1]), np.array([0, 1]), CLASSES, ["s", "s"])
    assert scores.accuracy_interval is None
    assert scores.macro_f1_interval is None


def test_scoring_twice_gives_the_same() -> None:
    truth, predicted, shots = np.array([0, 1, 2, 1]), np.array([0, 1, 1, 1]), list("abcd")
    assert score(truth, predicted, CLASSES, shots) == score(truth, predicted, CLASSES, shots)


def test_nothing_cannot_be_scored() -> None:
    with pytest.raises(ValueError, match="cannot score 0 predictions"):
        score(np.array([], dtype=np.int64), np.array([], dtype=np.int64), CLASSES, [])


def test_the_majority_is_the_most_frequent_class_of_training() -> None:
    assert majority_guess(np.array([1, 2, 2, 1, 2]), 3).tolist() == [2, 2, 2]


def test_mean_colour_guesses_the_nearest_class() -> None:
    colours = np.array([[250.0, 0, 0], [240, 10, 0], [0, 0, 250]])
    guesses = mean_colour_guess(colours, np.array([0, 0, 2]), np.array([[200.0, 40, 40], [10, 10, 200]]))
    assert guesses.tolist() == [0, 2]
