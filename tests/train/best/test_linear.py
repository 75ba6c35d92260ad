import numpy as np
import pytest

from train.best.linear import ROWS, balance, basis_of, fit_discriminant, fold_of


def clouds(count: int = 60, width: int = 5) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    labels = np.arange(count) % 3
    return draw.normal(size=(count, width)) * 0.3 + np.eye(3, width)[labels], labels


def test_clouds_are_told_apart_by_what_varies_little_within_them() -> None:
    features, labels = clouds()
    loud = np.column_stack([features, np.random.default_rng(1).normal(size=len(labels)) * 30])
    head = fit_discriminant(loud, np.eye(3)[labels], 1e-6, 0.0)
    assert (head.scores(loud).argmax(axis=1) == labels).mean() > 0.9
    assert np.abs(head.weights[-1]).max() < np.abs(head.weights[:3]).max() / 100


def test_a_sharper_head_decides_the_same() -> None:
    features, labels = clouds()
    head = fit_discriminant(features, np.eye(3)[labels], 0.3, 0.5)
    np.testing.assert_allclose(head.sharpened(2.0).scores(features), 2.0 * head.scores(features))


def test_the_span_of_few_examples_loses_nothing() -> None:
    features = np.random.default_rng(1).normal(size=(12, 200))
    basis = basis_of(features)
    assert basis.shape == (200, 12)
    np.testing.assert_allclose(basis.T @ basis, np.eye(12), atol=1e-9)
    np.testing.assert_allclose(features @ basis @ basis.T, features, atol=1e-9)


def test_features_that_are_all_the_same_span_nothing_and_leave_the_priors() -> None:
    basis = basis_of(np.zeros((4, 3)))
    assert basis.shape == (3, 0)
    targets = np.eye(2)[[0, 0, 0, 1]]
    scores = fit_discriminant(np.zeros((4, 0)), targets, 0.3, 0.0).scores(np.zeros((1, 0)))[0]
    assert scores[0] - scores[1] == pytest.approx(np.log(3), abs=1e-3)


def test_one_example_of_each_class_makes_a_finite_head() -> None:
    head = fit_discriminant(np.eye(3), np.eye(3), 0.3, 0.5)
    assert (head.scores(np.eye(3)).argmax(axis=1) == np.arange(3)).all()


def test_many_examples_are_looked_at_in_part() -> None:
    features = np.random.default_rng(2).normal(size=(2 * ROWS + 1, 6))
    assert basis_of(features).shape == (6, 6)


def test_balancing_makes_classes_weigh_the_same_or_meets_them_half_way() -> None:
    labels = np.array([0] * 9 + [1])
    whole, half, none = (balance(labels, 2, share) for share in (1.0, 0.5, 0.0))
    assert whole[:9].sum() == pytest.approx(whole[9:].sum())
    assert half[9] / half[0] == pytest.approx(3.0)
    assert none.tolist() == [1.0] * 10


def test_folds_part_no_group_and_are_alike() -> None:
    groups = [f"shot{number // 3}" for number in range(90)]
    labels = np.array([(number // 3) % 3 for number in range(90)])
    folds = fold_of(groups, labels, 5, 0)
    assert all(len(set(folds[3 * shot : 3 * shot + 3])) == 1 for shot in range(30))
    assert [np.bincount(labels[folds == fold], minlength=3).tolist() for fold in range(5)] == [[6, 6, 6]] * 5
    assert np.array_equal(folds, fold_of(groups, labels, 5, 0))
