"""How sure a figure is: 95 % intervals, the same for the same input on any machine."""

import math
from collections.abc import Sequence

import numpy as np

from annotate.agreement.coefficients import Patterns, alphas

RESAMPLES = 1000
SEED = 0
Z = 1.959963984540054
"""of 95 %"""
ENDS = (2.5, 97.5)
"""percentiles"""
FEWEST = 2
"""items; with fewer there is nothing to draw"""
AT_ONCE = 1 << 22
"""numbers held at a time"""

Interval = tuple[float, float]


def wilson(hits: int, tries: int) -> Interval | None:
    """Of a share of independent tries (Wilson 1927); None without tries."""
    if not tries:
        return None
    share, square = hits / tries, Z * Z
    middle = (share + square / (2 * tries)) / (1 + square / tries)
    half = Z / (1 + square / tries) * math.sqrt(share * (1 - share) / tries + square / (4 * tries * tries))
    return max(0.0, middle - half), min(1.0, middle + half)


def alpha_interval(patterns: Patterns) -> Interval | None:
    """Of Krippendorff's alpha: items drawn again with replacement (Efron 1979), RESAMPLES times.

    None with fewer than FEWEST items, or where most draws hold one answer only, so that alpha is not defined.
    """
    items = int(patterns.items.sum())
    if items < FEWEST:
        return None
    draws_BP = np.random.default_rng(SEED).multinomial(items, patterns.items / items, size=RESAMPLES)
    found_B = alphas(patterns, draws_BP)
    return _ends(found_B[~np.isnan(found_B)])


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Of a mean, its items drawn again with replacement; None with fewer than FEWEST."""
    if len(values) < FEWEST:
        return None
    values_N, random = np.asarray(values), np.random.default_rng(SEED)
    rows = max(1, AT_ONCE // len(values_N))
    means = [
        values_N[random.integers(0, len(values_N), (min(rows, RESAMPLES - start), len(values_N)))].mean(axis=1)
        for start in range(0, RESAMPLES, rows)
    ]
    return _ends(np.concatenate(means))


def _ends(found: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Interval | None:
    if len(found) < RESAMPLES // 2:
        return None
    low, high = np.percentile(found, ENDS)
    return float(low), float(high)
