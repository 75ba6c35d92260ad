"""Confident learning finds labels that were planted wrong; beside cleanlab where it is installed."""

import numpy as np
import pytest

from train.explain.confident import label_errors


def planted(
    seed: int, count: int = 1200, wrong: float = 0.1, sharpness: float = 1.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(labels, probabilities of a good model, rows whose label is wrong); class 2 is hard to tell."""
    draw = np.random.default_rng(seed)
    truth = draw.choice(4, count, p=[0.4, 0.3, 0.2, 0.1])
    scores = draw.normal(0, 1, (count, 4))
    scores[np.arange(count), truth] += np.where(truth == 2, 1.0, 2.0) * sharpness
    found = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = truth.copy()
    changed = draw.random(count) < wrong
    labels[changed] = (truth[changed] + draw.integers(1, 4, changed.sum())) % 4
    return labels, found, changed


def test_planted_wrong_labels_are_found() -> None:
    for seed in range(3):
        labels, found, changed = planted(seed)
        suspects = np.array(label_errors(labels, found).suspects)
        precision, recall = changed[suspects].mean(), changed[suspects].sum() / changed.sum()
        half = suspects[: len(suspects) // 2]
        print(
            f"seed {seed}: precision {precision:.2f}, recall {recall:.2f}, of the first half {changed[half].mean():.2f}"
        )
        assert precision > 0.7
        assert recall > 0.55
        assert changed[half].mean() >= precision  # the likeliest come first


def test_cleanlab_finds_the_same_rows() -> None:
    pytest.importorskip("cleanlab", reason="cleanlab is not installed: pip install cleanlab")
    from cleanlab.filter import find_label_issues

    for seed in range(5):
        labels, found, _ = planted(seed)
        theirs = find_label_issues(labels, found, filter_by="confident_learning", n_jobs=1)
        assert set(np.flatnonzero(theirs)) == set(label_errors(labels, found).suspects)


def test_a_class_the_model_is_unsure_of_is_not_doubted_as_a_whole() -> None:
    """Every example of class 1 gets 0.4, less than class 0 gets; its own mean is what counts."""
    labels = np.array([0] * 10 + [1] * 10)
    found = np.array([[0.9, 0.1]] * 10 + [[0.6, 0.4]] * 10)
    assert label_errors(labels, found).suspects == ()


def test_nothing_is_concluded_from_a_class_without_examples_or_from_no_examples() -> None:
    found = np.array([[0.1, 0.2, 0.7], [0.2, 0.1, 0.7]])
    errors = label_errors(np.array([0, 1]), found)
    assert 2 not in errors.better
    assert np.isnan(errors.thresholds[2])
    assert label_errors(np.zeros(0, dtype=np.int64), np.zeros((0, 3))).suspects == ()
    with pytest.raises(ValueError, match="1 labels and 2 predictions"):
        label_errors(np.array([0]), found)
