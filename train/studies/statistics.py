"""How sure a mean over seeds is, and whether two recipes differ by more than luck.

Two kinds of luck enter a score. *Training* luck (weights, order, dropout) shows in the spread over the seeds: Student's t
interval. The luck of the *test set* does not, since every seed is scored on the same examples: pictures of one shot are
right or wrong together, so whole shots are drawn again (cluster bootstrap) or swapped between the two (permutation).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from train.metrics import LEVEL, RESAMPLES, Interval

FLIPS = 10_000
"""random swaps of a permutation test"""
MOST_FLIPS, FEWEST_EXTREME = 100_000, 10
"""more swaps, up to so many, while fewer than these were as extreme (Besag & Clifford 1991): a small p is worth the work,
since a table of many pairs multiplies it by their number"""
EXACT_SHOTS = 13
"""up to so many shots that differ every swap is tried: 2**13 are fewer than FLIPS"""
CHUNK = 1000
"""swaps or resamples computed at once"""

Counts = NDArray[np.float64]
"""(K, C, C) confusion per shot, row true, column predicted, averaged over the seeds"""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A figure over seeds."""

    mean: float
    """over the seeds"""
    spread: float | None
    """standard deviation over the seeds; None with one"""
    seeds_interval: Interval
    """95 % t interval of the mean: the luck of training; None with one seed"""
    shots_interval: Interval
    """95 % bootstrap interval over shots, all seeds together: the luck of the test set; None with one shot"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Two contestants on the same test examples."""

    difference: float
    """of the means, the first minus the second"""
    p_shots: float
    """two-sided, by swapping the two within shots: the luck of the test set"""
    p_seeds: float | None
    """two-sided, Welch's t test over the seeds: the luck of training; None where no one has two seeds"""
    p: float
    """both kinds of luck together; of `p_shots` alone where `p_seeds` is None"""


def t_interval(values: Sequence[float]) -> Interval:
    """The 95 % interval of the mean by Student's t; None for fewer than two values."""
    if len(values) < 2:
        return None
    from scipy.special import stdtrit

    values_N = np.asarray(values, dtype=np.float64)
    centre, error = values_N.mean(), values_N.std(ddof=1) / np.sqrt(len(values_N))
    reach = float(stdtrit(len(values_N) - 1, (1 + LEVEL) / 2)) * error
    return float(centre - reach), float(centre + reach)


def welch_p(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Two-sided p of Welch's t test that two means are equal.

    A side with one value (a baseline that draws nothing at random) counts as exact. None where both sides are so.
    """
    from scipy.special import stdtr

    parts = [(np.var(side, ddof=1) / len(side), len(side) - 1) for side in (first, second) if len(side) > 1]
    if not parts:
        return None
    total = sum(variance for variance, _ in parts)
    difference = abs(float(np.mean(first)) - float(np.mean(second)))
    if total <= 0:
        return 1.0 if difference <= 0 else 0.0
    freedom = total**2 / sum(variance**2 / degrees for variance, degrees in parts)
    return float(2 * stdtr(freedom, -difference / np.sqrt(total)))


def accuracy_of(counts: Floats) -> Floats:
    """(...) accuracies of confusions (..., C, C)."""
    right = np.trace(counts, axis1=-2, axis2=-1)
    return np.asarray(right / np.maximum(counts.sum(axis=(-2, -1)), 1e-12), dtype=np.float64)


def macro_f1_of(counts: Floats) -> Floats:
    """(...) macro-F1 of confusions (..., C, C), over the classes that occur in the truth."""
    right, true, called = np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1), counts.sum(axis=-2)
    f1 = 2 * right / np.maximum(true + called, 1e-12)
    present = true > 0
    return np.asarray((f1 * present).sum(axis=-1) / np.maximum(present.sum(axis=-1), 1), dtype=np.float64)


METRICS = {"accuracy": accuracy_of, "macro_f1": macro_f1_of}
"""name in the tables -> confusions (..., C, C) to figures (...)"""


def counts_by_shot(truth_N: NDArray[np.int64], predicted_RN: NDArray[np.int64], shot_N: NDArray[np.int64],
                   classes: int) -> NDArray[np.float64]:  # fmt: skip
    """(R, K, C, C) confusions of R seeds per shot; `shot_N` numbers the shots 0..K-1."""
    shots = int(shot_N.max()) + 1
    cells = [
        np.bincount((shot_N * classes + truth_N) * classes + predicted_N, minlength=shots * classes * classes)
        for predicted_N in predicted_RN
    ]
    return np.stack(cells).reshape(len(cells), shots, classes, classes).astype(np.float64)


def mean_over_seeds(counts_RKCC: Floats, metric: str, *, seed: int = 0) -> Mean:
    """The mean of a metric over the seeds with both intervals (bootstrap over shots: Davison & Hinkley 1997, 3.8)."""
    values = METRICS[metric](counts_RKCC.sum(axis=1))
    return Mean(
        mean=float(values.mean()),
        spread=float(values.std(ddof=1)) if len(values) > 1 else None,
        seeds_interval=_within(t_interval(values.tolist())),
        shots_interval=_bootstrap(counts_RKCC, metric, seed),
    )


def paired_test(first_RKCC: Floats, second_RKCC: Floats, metric: str, *, seed: int = 0) -> Paired:
    """Whether two contestants differ on the same test examples; either may have any number of seeds.

    The luck of the test set: were the two alike, they could change places in any shot. So in every shot a coin decides
    whether they do, and p is how often the difference becomes at least as large as the one seen (approximate
    randomisation: Yeh 2000; swapping whole shots, since their pictures stand or fall together). With few shots all swaps
    are tried. The luck of training: Welch's t test over the seeds. The two are independent sources of error, so their
    variances add: with z as the normal deviate of each p, 1/z^2 = 1/z_shots^2 + 1/z_seeds^2 gives p.
    """
    value = METRICS[metric]
    firsts, seconds = value(first_RKCC.sum(axis=1)), value(second_RKCC.sum(axis=1))
    p_shots = _swapped(first_RKCC.mean(axis=0), second_RKCC.mean(axis=0), metric, seed)
    p_seeds = welch_p(firsts.tolist(), seconds.tolist())
    return Paired(
        difference=float(firsts.mean() - seconds.mean()),
        p_shots=p_shots,
        p_seeds=p_seeds,
        p=p_shots if p_seeds is None else _together(p_shots, p_seeds),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected for their number (Holm 1979): below 0.05 anywhere by luck in 5 % of the tables at most."""
    order = np.argsort(np.asarray(p_values), kind="stable")
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected


def _within(interval: Interval) -> Interval:
    """The part of an interval that a share can have: with few seeds Student's t reaches beyond 0 and 1."""
    return None if interval is None else (max(0.0, interval[0]), min(1.0, interval[1]))


def _together(p_shots: float, p_seeds: float) -> float:
    from scipy.special import ndtr, ndtri

    deviates = [-float(ndtri(max(p, 1e-300) / 2)) for p in (p_shots, p_seeds)]
    if min(deviates) <= 0:
        return 1.0
    return float(2 * ndtr(-1 / np.sqrt(sum(1 / z**2 for z in deviates))))


def _swapped(first_KCC: Counts, second_KCC: Counts, metric: str, seed: int) -> float:
    differing = np.abs(first_KCC - second_KCC).sum(axis=(1, 2)) > 0
    same, both = first_KCC[~differing].sum(axis=0), first_KCC + second_KCC
    first, total = first_KCC[differing], both[differing].sum(axis=0)
    if not len(first):
        return 1.0
    change = first - second_KCC[differing]
    value, flat = METRICS[metric], change.reshape(len(change), -1)
    seen, extreme, tried = None, 0, 0
    for flips_MK in _flips(len(change), seed):
        ones = first.sum(axis=0) - (flips_MK @ flat).reshape(-1, *first.shape[1:])
        differences = np.abs(value(ones + same) - value(total - ones + same))
        if seen is None:  # the first swap is none at all
            seen = differences[0]
        extreme += int((differences >= seen - 1e-12).sum())
        tried += len(differences)
        if tried > FLIPS and extreme > FEWEST_EXTREME:
            break
    return extreme / tried


def _flips(shots: int, seed: int) -> "list[Floats] | itertools.chain[Floats]":
    """Rows of 0 and 1, shot by shot whether the two change places; the first row has none that do."""
    if shots <= EXACT_SHOTS:
        return [((np.arange(2**shots)[:, None] >> np.arange(shots)) & 1).astype(np.float64)]
    draw = np.random.default_rng(seed)
    drawn = (draw.integers(2, size=(CHUNK, shots)).astype(np.float64) for _ in range(MOST_FLIPS // CHUNK))
    return itertools.chain([np.zeros((1, shots))], drawn)


def _bootstrap(counts_RKCC: Floats, metric: str, seed: int) -> Interval:
    seeds, shots, classes = counts_RKCC.shape[:3]
    if shots < 2:
        return None
    draw, means = np.random.default_rng(seed), []
    flat = counts_RKCC.transpose(1, 0, 2, 3).reshape(shots, -1)
    for start in range(0, RESAMPLES, CHUNK):
        times = draw.multinomial(shots, np.full(shots, 1 / shots), size=min(CHUNK, RESAMPLES - start))
        counts = (times.astype(np.float64) @ flat).reshape(len(times), seeds, classes, classes)
        means.append(METRICS[metric](counts).mean(axis=1))
    low, high = np.quantile(np.concatenate(means), ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)
