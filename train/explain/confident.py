"""Likely label errors by confident learning (Northcutt, Jiang & Chuang 2021), on predictions a net made unseen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelErrors:
    """What the predictions say about the labels."""

    thresholds: NDArray[np.float64]
    """(C,) mean probability of a class over the examples labelled so; no number for a class without examples"""
    joint: NDArray[np.int64]
    """(C, C) counts: row given label, column what the net confidently says"""
    suspects: tuple[int, ...]
    """rows whose label is likely wrong, the likeliest first"""
    better: NDArray[np.int64]
    """(N,) per row what the net confidently says; the label itself where it says nothing"""
    margins: NDArray[np.float64]
    """(N,) probability of the label minus that of the likeliest other class, -1 to 1; the lower the likelier an error"""


def label_errors(labels_N: NDArray[np.int64], probabilities_NC: NDArray[np.floating]) -> LabelErrors:
    """Rows that the net confidently puts into another class than they are labelled.

    A row counts for a class when its probability reaches that class's own mean over the examples labelled so: a net that
    is unsure of a class as a whole is not taken for proof against single labels. Of several such classes the likeliest
    counts.

    Args:
        labels_N: given labels.
        probabilities_NC: of a net that never saw these examples.

    Raises:
        ValueError: shapes differ.
    """
    found_NC = np.asarray(probabilities_NC, dtype=np.float64)
    count, classes = found_NC.shape
    if len(labels_N) != count:
        raise ValueError(f"{len(labels_N)} labels and {count} predictions")
    thresholds = np.full(classes, np.nan)
    for c in range(classes):
        if (labels_N == c).any():
            thresholds[c] = found_NC[labels_N == c, c].mean()
    reached = np.where(found_NC >= np.nan_to_num(thresholds, nan=np.inf) - 1e-12, found_NC, -1.0)
    better = np.where(reached.max(axis=1, initial=-1.0) >= 0, reached.argmax(axis=1), labels_N)
    joint = np.zeros((classes, classes), dtype=np.int64)
    counted = reached.max(axis=1, initial=-1.0) >= 0
    np.add.at(joint, (labels_N[counted], better[counted]), 1)
    rows = np.arange(count)
    others = found_NC.copy()
    others[rows, labels_N] = -1.0
    margin = found_NC[rows, labels_N] - others.max(axis=1)
    wrong = rows[better != labels_N]
    order = wrong[np.lexsort((wrong, margin[wrong]))]
    return LabelErrors(
        thresholds=thresholds,
        joint=joint,
        suspects=tuple(int(row) for row in order),
        better=better,
        margins=margin,
    )
