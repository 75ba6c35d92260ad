"""Linear discriminants for few examples of many features, the balance of classes, and folds that part no shot."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float64]
"""(N, D)"""
Classes = NDArray[np.int64]
"""(N,)"""

ROWS, WIDEST = 1200, 512


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """Class scores: features @ weights + bias."""

    weights: Features
    """(D, C)"""
    bias: Features
    """(C,)"""

    def sharpened(self, factor: float) -> "Linear":
        """The same decisions, surer (factor above 1) or less sure."""
        return Linear(self.weights * factor, self.bias * factor)

    def scores(self, features_ND: Features) -> Features:
        """(N, C)."""
        return features_ND @ self.weights + self.bias


def basis_of(features_ND: Features) -> Features:
    """(D, K) orthonormal directions that the features span, the strongest `WIDEST` at most.

    A discriminant of shrunk scatter lives in the span of its examples, so few examples lose nothing. Of more than `ROWS` examples
    so many are looked at, evenly spaced.
    """
    rows = features_ND[:: -(-len(features_ND) // ROWS)]
    values, vectors = np.linalg.eigh(rows @ rows.T)
    strongest = np.argsort(-values)[:WIDEST]
    strongest = strongest[values[strongest] > 1e-9 * max(values.max(), 1e-12)]
    return np.asarray(rows.T @ (vectors[:, strongest] / np.sqrt(values[strongest])), dtype=np.float64)


def fit_discriminant(features_ND: Features, targets_NC: Features, shrinkage: float, evenness: float) -> Linear:
    """Fisher's discriminant: directions in which the classes differ more than the examples within a class.

    Place, light, character and shot vary within the classes, so that their directions count little. The scatter within
    the classes is drawn towards a multiple of the identity by `shrinkage` in 0..1 (Friedman 1989). The classes' prior is
    their frequency to the power of 1 - evenness. Targets may be soft.
    """
    count_C = np.maximum(targets_NC.sum(axis=0), 1e-3)
    mean_CD = targets_NC.T @ features_ND / count_C[:, None]
    within = features_ND.T @ (features_ND * targets_NC.sum(axis=1)[:, None]) - mean_CD.T @ (mean_CD * count_C[:, None])
    within /= count_C.sum()
    width = len(within)
    spread = max(float(np.trace(within)) / max(width, 1), 1e-9)
    shrunk = (1 - shrinkage) * within + shrinkage * spread * np.eye(width)
    weights_DC = np.linalg.solve(shrunk, mean_CD.T)
    prior_C = (1 - evenness) * np.log(count_C / count_C.sum())
    return Linear(weights_DC, prior_C - (mean_CD.T * weights_DC).sum(axis=0) / 2)


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
