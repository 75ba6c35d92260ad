"""Whether a model is as often right as it says: reliability diagram and expected calibration error."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 10
FEWEST = 20
"""examples of a bin; fewer bins where there are fewer examples"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Predictions of like confidence."""

    confidence: float
    """their mean probability of the class they name"""
    accuracy: float
    """share of them that is right"""
    examples: int
    """how many"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Confidence beside truth."""

    ece: float
    """expected calibration error: mean distance between a bin's confidence and its accuracy, weighed by examples"""
    overconfidence: float
    """mean confidence minus accuracy; negative: right more often than it says"""
    bins: tuple[Bin, ...]
    """least confident first"""


def calibration_of(probabilities_NC: NDArray[np.floating], truth_N: NDArray[np.int64], bins: int = BINS) -> Calibration:
    """Calibration of the named class, in bins of equally many examples (Nguyen & O'Connor 2015).

    Bins of equal width leave most nearly empty, and what they say is noise (Nixon et al. 2019). Examples of one
    confidence share a bin, so the order of the examples changes nothing.
    """
    confidence_N = np.asarray(probabilities_NC.max(axis=1), dtype=np.float64)
    right_N = (probabilities_NC.argmax(axis=1) == truth_N).astype(np.float64)
    order = np.argsort(confidence_N, kind="stable")
    sorted_N = confidence_N[order]
    wanted = max(1, min(bins, len(truth_N) // FEWEST))
    edges = np.unique(np.searchsorted(sorted_N, sorted_N[len(sorted_N) * np.arange(wanted) // wanted]))
    found = [
        Bin(confidence=float(confidence_N[rows].mean()), accuracy=float(right_N[rows].mean()), examples=len(rows))
        for rows in np.split(order, edges[1:])
    ]
    gaps = [abs(one.confidence - one.accuracy) * one.examples for one in found]
    return Calibration(
        ece=sum(gaps) / len(truth_N), overconfidence=float(confidence_N.mean() - right_N.mean()), bins=tuple(found)
    )
