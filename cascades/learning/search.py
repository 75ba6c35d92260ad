"""The best split of a node among the features of a stage: Haar features screened and refined, LBP features all looked at."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cascades.learning.features import SampleTable
from cascades.learning.haar import BINS, HaarTable, bin_values, values_of
from cascades.learning.lbp import LbpTable, codes_of
from cascades.learning.screen import Screen
from cascades.learning.splits import MAX_CODES, gain_of_none, left_codes, split_gains

Columns = NDArray[np.int64]
"""samples of a node, ascending"""
Weights = NDArray[np.float64]
"""of all samples of the stage"""
REFINED = 16
"""features whose neighbours are looked at"""
REFINEMENTS = 3
"""times that the neighbours of the best are looked at"""
MAX_TABLE_BYTES = 384 << 20
"""of binned values kept for a stage; beyond it they are computed anew for every split"""
SMOOTHING = 0.004
"""share of a node's weight that holds back rare LBP codes"""
BLOCK = 8192
"""features binned at a time"""


@dataclass(frozen=True, slots=True)
class Split:
    """A decision, and where it sends each sample of the stage."""

    feature: int
    """row of the enumeration"""
    threshold: float
    """float32; values below it go left. Haar only"""
    subset: tuple[int, ...]
    """eight signed 32-bit words of the codes that go left. LBP only"""
    left: NDArray[np.bool_]
    """(N,) whether each sample of the stage goes left"""


class Search(Protocol):
    """Finds splits of the samples of one stage, the first of which are positives."""

    def split(self, columns_K: Columns, weights_N: Weights) -> Split | None:
        """The split of least weighted squared error of the samples in `columns_K`; None where nothing parts them."""
        ...


class HaarSearch:
    """Looks at random features and at those that a linear fit ranks highest, then at the neighbours of the best."""

    def __init__(
        self, table: HaarTable, samples: SampleTable, positives: int, pool: NDArray[np.int64], screen: Screen | None
    ) -> None:
        self.table, self.samples, self.positives = table, samples, positives
        self.blocks = [pool[at : at + BLOCK] for at in range(0, len(pool), BLOCK)]
        fits = len(pool) * len(samples) <= MAX_TABLE_BYTES
        self.binned = [bin_values(table.select(block), samples) for block in self.blocks] if fits else None
        self.whole = len(pool) >= len(table)
        self.screen = None if self.whole else screen
        if self.screen is not None:
            self.screen.take_variances(samples, positives)

    def split(self, columns_K: Columns, weights_N: Weights) -> Split | None:
        node = _Node(self.table, self.samples, columns_K, weights_N, self.positives)
        for number, block in enumerate(self.blocks):
            bins = None if self.binned is None else self.binned[number]
            node.look_at(block, bins if bins is None or node.is_whole else np.take(bins, columns_K, axis=1))
        if self.screen is not None:
            node.look_at(self.screen.best(node.samples, node.weights, node.positives))
        for _ in range(0 if self.whole else REFINEMENTS):
            if not node.look_around():
                break
        return node.best()


class _Node:
    """What was looked at for one split."""

    def __init__(
        self, table: HaarTable, samples: SampleTable, columns_K: Columns, weights_N: Weights, positives: int
    ) -> None:
        self.table, self.all_samples = table, samples
        self.is_whole = len(columns_K) == len(samples)
        self.samples = samples if self.is_whole else samples.select(columns_K)
        self.weights = weights_N if self.is_whole else weights_N[columns_K]
        self.positives = int(np.searchsorted(columns_K, positives))
        self.features = np.zeros(0, dtype=np.int64)
        self.gains = np.zeros(0)
        self.cuts = np.zeros(0, dtype=np.int64)
        self.columns = columns_K
        self.binned_whole = 0
        """how many of the features, the first ones, have the bins of the whole stage"""

    def look_at(self, features: NDArray[np.int64], bins: NDArray[np.uint8] | None = None) -> None:
        """Tries these rows of the table, whose bins on the node's samples may be known."""
        if bins is None:
            bins = bin_values(self.table.select(features), self.samples)
        else:
            self.binned_whole += len(features)
        gains, cuts = split_gains(bins, self.weights, self.positives, categories=False, codes=BINS)
        self.features = np.concatenate([self.features, features])
        self.gains = np.concatenate([self.gains, gains])
        self.cuts = np.concatenate([self.cuts, cuts])

    def look_around(self) -> bool:
        """Tries the neighbours of the best ones; whether one is better than all so far."""
        before = self.gains.max()
        top = self.features[np.argsort(-self.gains, kind="stable")[:REFINED]]
        fresh = np.setdiff1d(self.table.neighbours(top), self.features)
        if not len(fresh):
            return False
        self.look_at(fresh)
        return bool(self.gains.max() > before)

    def best(self) -> Split | None:
        """The best of all, the lowest feature among equals, with the threshold midway between two exact values."""
        highest = self.gains.max()
        if highest <= gain_of_none(self.weights, self.positives):
            return None
        ties = np.flatnonzero(self.gains == highest)
        at = ties[self.features[ties].argmin()]
        row = self.table.select(self.features[at : at + 1])
        values = values_of(row, self.samples)[0]
        everywhere = values if self.is_whole else values_of(row, self.all_samples)[0]
        if at < self.binned_whole:
            bins = bin_values(row, self.all_samples)[0][self.columns]
        else:
            bins = bin_values(row, self.samples)[0]
        left = bins <= self.cuts[at]
        threshold = midway(values[left].max(), values[~left].min())
        return Split(int(self.features[at]), float(threshold), (), everywhere < threshold)


class LbpSearch:
    """Looks at every feature of the pool; a split is a subset of the 256 codes."""

    def __init__(self, table: LbpTable, samples: SampleTable, positives: int, pool: NDArray[np.int64]) -> None:
        self.positives, self.pool = positives, pool
        self.codes_FN = codes_of(table.select(pool), samples)

    def split(self, columns_K: Columns, weights_N: Weights) -> Split | None:
        is_whole = len(columns_K) == self.codes_FN.shape[1]
        codes = self.codes_FN if is_whole else np.take(self.codes_FN, columns_K, axis=1)
        weights, positives = weights_N[columns_K], int(np.searchsorted(columns_K, self.positives))
        gains, cuts = split_gains(codes, weights, positives, categories=True, smoothing=SMOOTHING)
        at = int(gains.argmax())
        if gains[at] <= gain_of_none(weights, positives):
            return None
        left = left_codes(codes[at], weights, positives, int(cuts[at]), SMOOTHING)
        return Split(int(self.pool[at]), 0.0, as_words(left), left[self.codes_FN[at]])


def as_words(left_256: NDArray[np.bool_]) -> tuple[int, ...]:
    """The codes that go left as OpenCV keeps them: bit `code % 32` of word `code // 32`, signed 32 bits each."""
    assert left_256.shape == (MAX_CODES,)
    return tuple(np.packbits(left_256, bitorder="little").view("<i4").tolist())


def midway(below: np.float32, above: np.float32) -> np.float32:
    """A float32 t with `below < t <= above`, as near the middle as there is."""
    middle = np.float32((float(below) + float(above)) / 2)
    return middle if middle > below else above
