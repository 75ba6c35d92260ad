"""How good a classifier is on one split, how sure that figure is, and what would be trivial."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEVEL = 0.95

Classes = NDArray[np.int64]
"""(N,) class numbers"""
Interval = tuple[float, float] | None
"""from, to; None where there are fewer than two clusters to draw from"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScores:
    """One class against the rest."""

    precision: float
    """share of those called so that are; 0 when none is called so"""
    recall: float
    """share of those that are so which are called so; 0 when there is none"""
    f1: float
    """harmonic mean of the two"""
    support: int
    """examples whose truth it is"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """A classifier on one split."""

    examples: int
    """how many were scored"""
    clusters: int
    """how many shots they come from"""
    accuracy: float
    """share that is right"""
    accuracy_interval: Interval
    """95 % bootstrap interval over shots"""
    macro_f1: float
    """mean F1 of the classes that occur in the truth"""
    macro_f1_interval: Interval
    """95 % bootstrap interval over shots"""
    balanced_accuracy: float
    """mean recall of the classes that occur in the truth"""
    per_class: dict[str, ClassScores]
    """in the order of the classes"""
    confusion: list[list[int]]
    """row: true class, column: predicted class"""


def score(truth_N: Classes, predicted_N: Classes, classes: Sequence[str], clusters: Sequence[str]) -> Scores:
    """Scores predictions against the truth; `clusters` names the shot (or other source) of each example.

    Raises:
        ValueError: nothing to score, or lengths differ.
    """
    if not len(truth_N) == len(predicted_N) == len(clusters) or not len(truth_N):
        raise ValueError(
            f"cannot score {len(predicted_N)} predictions, {len(truth_N)} truths, {len(clusters)} clusters"
        )
    confusion = confusion_of(truth_N, predicted_N, len(classes))
    precision, recall, f1 = per_class_of(confusion)
    present = confusion.sum(axis=1) > 0
    accuracy_interval, macro_f1_interval = _intervals(truth_N, predicted_N, len(classes), clusters)
    return Scores(
        examples=len(truth_N),
        clusters=len(set(clusters)),
        accuracy=float(np.trace(confusion) / confusion.sum()),
        accuracy_interval=accuracy_interval,
        macro_f1=float(f1[present].mean()),
        macro_f1_interval=macro_f1_interval,
        balanced_accuracy=float(recall[present].mean()),
        per_class={
            name: ClassScores(precision=float(p), recall=float(r), f1=float(f), support=int(n))
            for name, p, r, f, n in zip(classes, precision, recall, f1, confusion.sum(axis=1), strict=True)
        },
        confusion=[[int(count) for count in row] for row in confusion],
    )


def confusion_of(truth_N: Classes, predicted_N: Classes, classes: int, weights_N: Classes | None = None) -> Classes:
    """(C, C) counts, row true, column predicted; an example counts `weights_N` times."""
    counts = np.bincount(truth_N * classes + predicted_N, weights=weights_N, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def macro_f1_of(confusion_CC: Classes) -> float:
    """Mean F1 of the classes that occur in the truth."""
    return float(per_class_of(confusion_CC)[2][confusion_CC.sum(axis=1) > 0].mean())


def majority_guess(train_labels_N: Classes, count: int) -> Classes:
    """(count,) guesses: the class most frequent in training, the first of equals."""
    return np.full(count, np.bincount(train_labels_N).argmax(), dtype=np.int64)


def mean_colour_guess(
    train_colours_N3: NDArray[np.float64], train_labels_N: Classes, colours_M3: NDArray[np.float64]
) -> Classes:
    """(M,) guesses: the class whose pictures' mean colour (R, G, B) is nearest. Says how far colour alone goes."""
    names = np.unique(train_labels_N)
    centres = np.stack([train_colours_N3[train_labels_N == name].mean(axis=0) for name in names])
    distances_MC = ((colours_M3[:, None, :] - centres[None]) ** 2).sum(axis=2)
    return np.asarray(names[distances_MC.argmin(axis=1)], dtype=np.int64)


def per_class_of(confusion_CC: Classes) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and F1, each (C,), of a confusion (C, C), row true, column predicted; 0 where undefined."""
    right, true, called = np.diagonal(confusion_CC), confusion_CC.sum(axis=1), confusion_CC.sum(axis=0)
    return right / np.maximum(called, 1), right / np.maximum(true, 1), 2 * right / np.maximum(true + called, 1)


def _intervals(
    truth_N: Classes, predicted_N: Classes, classes: int, clusters: Sequence[str]
) -> tuple[Interval, Interval]:
    """95 % percentile bootstrap intervals (Efron 1979) of accuracy and macro-F1, drawing whole clusters.

    Crops of one shot are nearly the same picture: they are right or wrong together. Drawing them one by one would take
    each for independent evidence and make the interval far too narrow; drawing whole shots does not (the cluster
    bootstrap: Davison & Hinkley 1997, section 3.8). In a resample macro-F1 is over the classes that occur in it.
    """
    names, cluster_N = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    if len(names) < 2:
        return None, None
    draw = np.random.default_rng(0)
    accuracies, macro_f1s = np.empty(RESAMPLES), np.empty(RESAMPLES)
    for index in range(RESAMPLES):
        drawn = np.bincount(draw.integers(len(names), size=len(names)), minlength=len(names))
        confusion = confusion_of(truth_N, predicted_N, classes, drawn[cluster_N])
        accuracies[index] = np.trace(confusion) / confusion.sum()
        macro_f1s[index] = macro_f1_of(confusion)
    return _middle(accuracies), _middle(macro_f1s)


def _middle(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(values, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)
