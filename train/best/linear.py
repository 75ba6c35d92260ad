"""Multinomial logistic regression for few examples of many features, and its strength chosen by grouped cross-validation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

Features = NDArray[np.float64]
"""(N, D)"""
Classes = NDArray[np.int64]
"""(N,)"""

STEPS = 200
"""of L-BFGS at most"""
ROWS, WIDEST = 1200, 512


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """Class scores: features @ weights + bias."""

    weights: Features
    """(D, C)"""
    bias: Features
    """(C,)"""

    def scores(self, features_ND: Features) -> Features:
        """(N, C)."""
        return features_ND @ self.weights + self.bias


def basis_of(features_ND: Features) -> Features:
    """(D, K) orthonormal directions that the features span, the strongest `WIDEST` at most.

    A penalised regression lives in the span of its examples, so few examples lose nothing. Of more than `ROWS` examples
    so many are looked at, evenly spaced.
    """
    rows = features_ND[:: -(-len(features_ND) // ROWS)]
    values, vectors = np.linalg.eigh(rows @ rows.T)
    strongest = np.argsort(-values)[:WIDEST]
    strongest = strongest[values[strongest] > 1e-9 * max(values.max(), 1e-12)]
    return np.asarray(rows.T @ (vectors[:, strongest] / np.sqrt(values[strongest])), dtype=np.float64)


def fit_linear(features_ND: Features, targets_NC: Features, importance_N: Features, strength: float) -> Linear:
    """The regression with the least weighted mean cross-entropy plus strength / 2 * |weights|^2; the bias is free."""
    width, classes = features_ND.shape[1], targets_NC.shape[1]
    share_N1 = (importance_N / importance_N.sum())[:, None]

    def loss(flat: Features) -> tuple[float, Features]:
        weights, bias = flat[classes:].reshape(width, classes), flat[:classes]
        scores = features_ND @ weights + bias
        value = -(share_N1 * targets_NC * log_softmax(scores, axis=1)).sum() + strength / 2 * (weights**2).sum()
        slope_NC = share_N1 * (softmax(scores, axis=1) * targets_NC.sum(axis=1, keepdims=True) - targets_NC)
        return float(value), np.concatenate(
            [slope_NC.sum(axis=0), (features_ND.T @ slope_NC + strength * weights).ravel()]
        )

    start = np.zeros(classes * (width + 1))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "gtol": 1e-6})
    return Linear(found.x[classes:].reshape(width, classes), found.x[:classes])


def balance(labels_N: Classes, classes: int, share: float) -> Features:
    """(N,) importance of each example: its class's frequency to the power of -share; 1 makes all classes weigh the same."""
    counts = np.maximum(np.bincount(labels_N, minlength=classes), 1)
    weights = (counts[labels_N] / counts.mean()) ** -share
    return np.asarray(weights / weights.mean(), dtype=np.float64)


def fold_of(groups: Sequence[str], labels_N: Classes, folds: int, seed: int) -> Classes:
    """(N,) the fold of each example: no group is parted, the folds are alike in size and in classes.

    Groups are dealt out, the largest first, each to the fold that has least of its classes (StratifiedGroupKFold's way).
    """
    names, group_N = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    counts_GC = np.zeros((len(names), labels_N.max() + 1))
    np.add.at(counts_GC, (group_N, labels_N), 1.0)
    chance = np.random.default_rng(seed)
    order = sorted(range(len(names)), key=lambda g: (-counts_GC[g].std(), chance.random()))
    held, total_C = np.zeros((folds, counts_GC.shape[1])), np.maximum(counts_GC.sum(axis=0), 1)
    fold_G = np.empty(len(names), dtype=np.int64)
    for group in order:
        spread = []
        for fold in range(folds):
            tried = held.copy()
            tried[fold] += counts_GC[group]
            spread.append(((tried / total_C).std(axis=0).mean(), tried[fold].sum()))
        fold_G[group] = min(range(folds), key=lambda fold: spread[fold])
        held[fold_G[group]] += counts_GC[group]
    return np.asarray(fold_G[group_N], dtype=np.int64)
