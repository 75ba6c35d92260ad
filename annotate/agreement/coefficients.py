"""Coefficients of agreement for nominal data: Krippendorff's alpha, Cohen's kappa, plain shares, coincidences."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Votes = Iterable[Mapping[str, int]]
"""per item: answer -> how many gave it"""


@dataclass(frozen=True, slots=True, eq=False)
class Patterns:
    """Items that were answered alike, counted together: what alpha depends on. Items with one answer are left out."""

    answers: tuple[str, ...]
    """sorted; the columns"""
    counts: NDArray[np.float64]
    """how often each answer was given to an item of the pattern"""
    items: NDArray[np.int64]
    """how many items are so"""

    def as_class(self, name: str) -> "Patterns":
        """The same with two answers: that class, or any other."""
        one_P1 = self.counts[:, [self.answers.index(name)]]
        rest_P1 = self.counts.sum(axis=1, keepdims=True) - one_P1
        return Patterns((name, "other"), np.hstack([one_P1, rest_P1]), self.items)


def patterns_of(votes: Votes) -> Patterns:
    """The patterns of these items, in an order that does not depend on theirs."""
    seen = Counter(
        tuple(sorted((answer, n) for answer, n in counts.items() if n)) for counts in votes if _total(counts) > 1
    )
    answers = tuple(sorted({answer for pattern in seen for answer, _ in pattern}))
    ordered = sorted(seen)
    counts_PC = np.zeros((len(ordered), len(answers)))
    for row, pattern in enumerate(ordered):
        for answer, n in pattern:
            counts_PC[row, answers.index(answer)] = n
    return Patterns(answers, counts_PC, np.array([seen[pattern] for pattern in ordered], dtype=np.int64))


def alphas(patterns: Patterns, items_BP: NDArray[np.int64]) -> NDArray[np.float64]:
    """(B,) Krippendorff's alpha for each row of how many items have each pattern; NaN where nothing can be compared.

    `1 - (n - 1) * sum of disagreeing pairs / expected ones` (Krippendorff 2011, Computing Krippendorff's
    Alpha-Reliability): 1 is full agreement, 0 what chance gives.
    """
    size_P = patterns.counts.sum(axis=1)
    disagreeing_P = (size_P**2 - (patterns.counts**2).sum(axis=1)) / np.maximum(size_P - 1, 1)
    weights_BP = items_BP.astype(np.float64)
    totals_BC = weights_BP @ patterns.counts
    n_B = totals_BC.sum(axis=1)
    expected_B = n_B**2 - (totals_BC**2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(expected_B > 0, 1 - (n_B - 1) * (weights_BP @ disagreeing_P) / expected_B, np.nan)


def alpha_of(patterns: Patterns) -> float | None:
    """Krippendorff's alpha; None where no item has two answers, or only one answer was ever given."""
    [alpha] = alphas(patterns, patterns.items[None])
    return None if np.isnan(alpha) else float(alpha)


def nominal_alpha(votes: Votes) -> float | None:
    """Krippendorff's alpha of answers per item, as `alpha_of`."""
    return alpha_of(patterns_of(votes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kappa:
    """Two annotators on the items that both answered (Cohen 1960)."""

    first: str
    """annotator, the lesser name"""
    second: str
    """annotator"""
    items: int
    """that both answered"""
    same: int
    """of them with one answer"""
    kappa: float | None
    """1 full agreement, 0 what chance gives; None where both gave one and the same answer throughout"""
    table: dict[tuple[str, str], int]
    """(answer of the first, of the second) -> items"""


def kappas(rated: Mapping[str, Mapping[str, str]]) -> list[Kappa]:
    """Cohen's kappa of every two annotators with an item in common, in the order of their names."""
    tables: dict[tuple[str, str], Counter[tuple[str, str]]] = defaultdict(Counter)
    for answers in rated.values():
        for first, second in combinations(sorted(answers), 2):
            tables[first, second][answers[first], answers[second]] += 1
    return [_kappa(first, second, table) for (first, second), table in sorted(tables.items())]


def raw_agreement(votes: Votes) -> float | None:
    """Share of pairs of answers about one item that are the same, every item counting alike; None without any."""
    shares = [pairs_alike(counts) for counts in votes if _total(counts) > 1]
    return sum(shares) / len(shares) if shares else None


def pairs_alike(counts: Mapping[str, int]) -> float:
    """Share of the pairs of two or more answers that are the same."""
    n = _total(counts)
    return sum(count * (count - 1) for count in counts.values()) / (n * (n - 1))


def coincidences(patterns: Patterns) -> NDArray[np.float64]:
    """(C, C) Krippendorff's coincidence matrix: how often two answers met on one item, each item counting its answers."""
    counts_PC = patterns.counts
    weight_P = patterns.items / np.maximum(counts_PC.sum(axis=1) - 1, 1)
    pairs_CC = np.einsum("p,pi,pj->ij", weight_P, counts_PC, counts_PC)
    return np.asarray(pairs_CC - np.diag(weight_P @ counts_PC), dtype=np.float64)


def _kappa(first: str, second: str, table: Counter[tuple[str, str]]) -> Kappa:
    n, same = table.total(), sum(count for (a, b), count in table.items() if a == b)
    by_first, by_second = Counter[str](), Counter[str]()
    for (a, b), count in table.items():
        by_first[a] += count
        by_second[b] += count
    chance = sum(by_first[answer] * by_second[answer] for answer in by_first)
    return Kappa(
        first=first, second=second, items=n, same=same, table=dict(sorted(table.items())),
        kappa=(same * n - chance) / (n * n - chance) if n * n > chance else None,
    )  # fmt: skip


def _total(counts: Mapping[str, int]) -> int:
    return sum(counts.values())


def rows_of(table: Mapping[tuple[str, str], int], answers: Sequence[str]) -> list[list[int]]:
    """A table as rows in the order of the answers."""
    return [[table.get((a, b), 0) for b in answers] for a in answers]
