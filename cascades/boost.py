"""Gentle AdaBoost with regression stumps (Friedman, Hastie & Tibshirani 2000, algorithm 4): one stage of a cascade.

Each round takes the feature and threshold with the least weighted squared error against +1 (positives come first) and
-1, found on histograms of the binned values (as Appel et al. 2013 and gradient boosting libraries do); the threshold
is then put midway between the two exact values it separates. The stage's own threshold lets `min_hit_rate` of the
positives through; the stage is done when it lets through no more than `max_false_alarm` of the negatives.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascades.compiled import compiled, in_slices
from cascades.features import MAX_BINS, BinnedFeatures, values_of
from cascades.model import THRESHOLD_SLACK


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostOptions:
    """When a stage is good enough."""

    min_hit_rate: float = 0.995
    """share of the positives that the stage must let through"""
    max_false_alarm: float = 0.5
    """share of the negatives that it may let through"""
    max_weak: int = 100
    """stumps at most"""


@dataclass(frozen=True, slots=True)
class Stump:
    """A weak classifier: `left` where the value is below the threshold, else `right`; all float32."""

    feature: int
    """row of the table it was chosen from"""
    threshold: float
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class BoostedStage:
    """A stage and what it does on the samples it was boosted on."""

    stumps: tuple[Stump, ...]
    threshold: float
    """float32; passes where sum >= threshold - THRESHOLD_SLACK"""
    hit_rate: float
    false_alarm: float


def boost_stage(binned: BinnedFeatures, positives: int, options: BoostOptions) -> BoostedStage:
    """Boosts until the false alarm is low enough, `max_weak` stumps are there, or no stump separates anything.

    The first `positives` samples are the positives, all others negatives. Both sides start with half the weight.
    """
    total = len(binned.samples)
    answers_N = np.where(np.arange(total) < positives, 1.0, -1.0)
    weights_N = np.where(answers_N > 0, 0.5 / positives, 0.5 / max(total - positives, 1))
    sums_N = np.zeros(total)
    stumps: list[Stump] = []
    stage = BoostedStage((), 0.0, 1.0, 1.0)
    while len(stumps) < options.max_weak:
        found = best_stump(binned, weights_N, positives)
        if found is None:
            break
        stump, outputs_N = found
        stumps.append(stump)
        sums_N += outputs_N
        weights_N *= np.exp(-answers_N * outputs_N)
        weights_N /= weights_N.sum()
        threshold = stage_threshold(sums_N[:positives], options.min_hit_rate)
        passes_N = sums_N >= np.float32(threshold) - THRESHOLD_SLACK
        stage = BoostedStage(
            tuple(stumps), threshold, float(passes_N[:positives].mean()), float(passes_N[positives:].mean())
        )
        if stage.false_alarm <= options.max_false_alarm:
            break
    return stage


def stage_threshold(sums_P: NDArray[np.float64], min_hit_rate: float) -> float:
    """The highest float32 threshold that at least `min_hit_rate` of the positives' sums reach."""
    lost = int(np.floor((1.0 - min_hit_rate) * len(sums_P) + 1e-9))
    return float(np.float32(np.partition(sums_P, lost)[lost]))


def best_stump(
    binned: BinnedFeatures, weights_N: NDArray[np.float64], positives: int
) -> tuple[Stump, NDArray[np.float64]] | None:
    """The stump of least weighted squared error and its output on every sample; None where no feature varies.

    Equal errors go to the lower feature, then the lower threshold.
    """
    count = len(binned.bins)
    gains_F, cuts_F = np.empty(count), np.empty(count, dtype=np.int64)
    in_slices(lambda a, b: _best_cuts(binned.bins, weights_N, positives, gains_F, cuts_F, a, b), count, 64)
    feature = int(gains_F.argmax())
    if gains_F[feature] < 0:
        return None
    left_N = binned.bins[feature] <= cuts_F[feature]
    values_N = values_of(binned.table.select(np.array([feature])), binned.samples)[0]
    threshold = midway(values_N[left_N].max(), values_N[~left_N].min())
    answers_N = np.where(np.arange(len(weights_N)) < positives, weights_N, -weights_N)
    left = np.float32(answers_N[left_N].sum() / weights_N[left_N].sum())
    right = np.float32(answers_N[~left_N].sum() / weights_N[~left_N].sum())
    outputs_N = np.where(left_N, left, right).astype(np.float64)
    return Stump(feature, float(threshold), float(left), float(right)), outputs_N


def midway(below: np.float32, above: np.float32) -> np.float32:
    """A float32 t with `below < t <= above`, as near the middle as there is."""
    middle = np.float32((float(below) + float(above)) / 2)
    return middle if middle > below else above


@compiled
def _best_cuts(
    bins_FN: NDArray[np.uint8],
    weights_N: NDArray[np.float64],
    positives: int,
    gains_F: NDArray[np.float64],
    cuts_F: NDArray[np.int64],
    first: int,
    end: int,
) -> None:
    """Per feature the best cut (bins up to it go left) and its gain: what it takes off the squared error; -1 for none."""
    hits, misses = np.empty(MAX_BINS), np.empty(MAX_BINS)
    for f in range(first, end):
        hits[:] = 0.0
        misses[:] = 0.0
        row = bins_FN[f]
        for i in range(positives):
            hits[row[i]] += weights_N[i]
        for i in range(positives, row.size):
            misses[row[i]] += weights_N[i]
        all_hits, all_misses = hits.sum(), misses.sum()
        left_hits, left_misses, best, cut = 0.0, 0.0, -1.0, -1
        for b in range(MAX_BINS - 1):
            if hits[b] == 0.0 and misses[b] == 0.0:
                continue
            left_hits += hits[b]
            left_misses += misses[b]
            right_hits, right_misses = all_hits - left_hits, all_misses - left_misses
            left, right = left_hits + left_misses, right_hits + right_misses
            if right <= 1e-12:  # everything is to the left
                break
            gain = (left_hits - left_misses) ** 2 / left + (right_hits - right_misses) ** 2 / right
            if gain > best:
                best, cut = gain, b
        gains_F[f], cuts_F[f] = best, cut
