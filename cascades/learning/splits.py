"""The search for the best split: plain arrays in, plain arrays out, so that it can run anywhere.

The split of least weighted squared error against +1 and -1, found on histograms over the 256 codes of each feature (as
Appel et al. 2013 and gradient boosting libraries do). Of ordered codes a split is a cut; of categories the best of all
subsets is among those that take them by rising mean answer (Breiman et al. 1984; Fisher 1958).
"""

import numpy as np
from numpy.typing import NDArray

from cascades.compiled import compiled, in_slices

MAX_CODES = 256
"""of a feature on a sample; a code is one byte"""
EMPTY = 1e-12
"""weight that counts as none"""
LEAST_GAIN = 1e-6
"""share of the weight by which a split must lower the squared error"""


def split_gains(
    codes_FN: NDArray[np.uint8],
    weights_N: NDArray[np.float64],
    positives: int,
    categories: bool,
    codes: int = MAX_CODES,
    smoothing: float = 0.0,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(F,) what each feature's best split takes off the squared error, and (F,) its cut.

    Args:
        codes_FN: every feature's code on every sample; the first `positives` samples are the positives.
        weights_N: the samples' weights.
        categories: whether codes are names rather than numbers in order.
        codes: how many there are; all lie below.
        smoothing: weight, as a share of all, that pulls the mean answer of a category towards none when they are put in
            order, so that rare ones do not come first or last by chance; 0 for the best subset of these samples.

    Codes up to the cut go left; of categories that many of `by_mean_answer`, less one. The gain is -1 where a feature
    parts nothing, and for categories also where it cannot be the best of all. The lowest of equally good cuts is taken.
    """
    gains_F, cuts_F = np.empty(len(codes_FN)), np.empty(len(codes_FN), dtype=np.int64)
    if categories:
        arguments = (codes_FN, weights_N, positives, codes, smoothing * float(weights_N.sum()), gains_F, cuts_F)
        in_slices(lambda first, end: _gains_of_subsets(*arguments, first, end), len(codes_FN), 64)
    else:
        ordered = (codes_FN, weights_N, positives, codes, gains_F, cuts_F)
        in_slices(lambda first, end: _gains_of_cuts(*ordered, first, end), len(codes_FN), 64)
    return gains_F, cuts_F


def gain_of_none(weights_N: NDArray[np.float64], positives: int) -> float:
    """What one leaf for all samples takes off the squared error, and a little more: a split must be better."""
    hits, misses = float(weights_N[:positives].sum()), float(weights_N[positives:].sum())
    total = hits + misses
    return (hits - misses) ** 2 / total + LEAST_GAIN * total if total > EMPTY else np.inf


def left_codes(
    codes_N: NDArray[np.uint8], weights_N: NDArray[np.float64], positives: int, cut: int, smoothing: float = 0.0
) -> NDArray[np.bool_]:
    """(256,): which categories the split of `split_gains` sends left; with the most negative ones those never seen."""
    hits, misses = histograms(codes_N, weights_N, positives)
    left = hits + misses <= 0
    left[by_mean_answer(hits, misses, smoothing * float(weights_N.sum()))[: cut + 1]] = True
    return left


def histograms(
    codes_N: NDArray[np.uint8], weights_N: NDArray[np.float64], positives: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight of the positives and of the negatives at each code."""
    hits = np.bincount(codes_N[:positives], weights_N[:positives], MAX_CODES)
    return hits.astype(np.float64), np.bincount(codes_N[positives:], weights_N[positives:], MAX_CODES).astype(
        np.float64
    )


def by_mean_answer(hits: NDArray[np.float64], misses: NDArray[np.float64], extra: float = 0.0) -> NDArray[np.int64]:
    """The codes that occur, from the most negative to the most positive; `extra` weight answers 0 at each."""
    occur = np.flatnonzero(hits + misses > 0)
    answers = (hits[occur] - misses[occur]) / (hits[occur] + misses[occur] + extra)
    return np.asarray(occur[np.argsort(answers, kind="stable")])


@compiled
def _fill_histograms(
    row_N: NDArray[np.uint8],
    weights_N: NDArray[np.float64],
    positives: int,
    hits: NDArray[np.float64],
    misses: NDArray[np.float64],
) -> None:
    hits[:] = 0.0
    misses[:] = 0.0
    for i in range(positives):
        hits[row_N[i]] += weights_N[i]
    for i in range(positives, row_N.size):
        misses[row_N[i]] += weights_N[i]


@compiled
def _gains_of_cuts(
    codes_FN: NDArray[np.uint8],
    weights_N: NDArray[np.float64],
    positives: int,
    code_count: int,
    gains_F: NDArray[np.float64],
    cuts_F: NDArray[np.int64],
    first: int,
    end: int,
) -> None:
    """Per feature the best cut (codes up to it go left) and what it takes off the squared error; -1 for none."""
    hits, misses = np.empty(code_count), np.empty(code_count)
    for f in range(first, end):
        _fill_histograms(codes_FN[f], weights_N, positives, hits, misses)
        all_hits, all_misses = hits.sum(), misses.sum()
        left_hits, left_misses, best, cut = 0.0, 0.0, -1.0, -1
        for b in range(code_count - 1):
            if hits[b] == 0.0 and misses[b] == 0.0:
                continue
            left_hits += hits[b]
            left_misses += misses[b]
            right_hits, right_misses = all_hits - left_hits, all_misses - left_misses
            left, right = left_hits + left_misses, right_hits + right_misses
            if right <= EMPTY:  # everything is to the left
                break
            gain = (left_hits - left_misses) ** 2 / left + (right_hits - right_misses) ** 2 / right
            if gain > best:
                best, cut = gain, b
        gains_F[f], cuts_F[f] = best, cut


@compiled
def _gains_of_subsets(
    codes_FN: NDArray[np.uint8],
    weights_N: NDArray[np.float64],
    positives: int,
    code_count: int,
    extra: float,
    gains_F: NDArray[np.float64],
    cuts_F: NDArray[np.int64],
    first: int,
    end: int,
) -> None:
    """The same over the codes by rising mean answer; a feature that cannot reach the best so far is left at -1.

    No subset gains more than a leaf for every code would.
    """
    hits, misses = np.empty(code_count), np.empty(code_count)
    means, codes = np.empty(code_count), np.empty(code_count, dtype=np.int64)
    so_far = -1.0
    for f in range(first, end):
        _fill_histograms(codes_FN[f], weights_N, positives, hits, misses)
        gains_F[f], cuts_F[f] = -1.0, -1
        found, limit, all_hits, all_misses = 0, 0.0, 0.0, 0.0
        for b in range(code_count):
            both = hits[b] + misses[b]
            if both > 0.0:
                difference = hits[b] - misses[b]
                means[found], codes[found] = difference / (both + extra), b
                limit += difference * difference / both
                found += 1
            all_hits += hits[b]
            all_misses += misses[b]
        if limit <= so_far:
            continue
        order = np.argsort(means[:found], kind="mergesort")
        left_hits, left_misses, best, cut = 0.0, 0.0, -1.0, -1
        for k in range(found - 1):
            left_hits += hits[codes[order[k]]]
            left_misses += misses[codes[order[k]]]
            right_hits, right_misses = all_hits - left_hits, all_misses - left_misses
            left, right = left_hits + left_misses, right_hits + right_misses
            if right <= EMPTY:
                break
            gain = (left_hits - left_misses) ** 2 / left + (right_hits - right_misses) ** 2 / right
            if gain > best:
                best, cut = gain, k
        gains_F[f], cuts_F[f] = best, cut
        so_far = max(so_far, best)
