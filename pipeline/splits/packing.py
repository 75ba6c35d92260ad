"""Parts of all sizes into splits, so that every class, character and both together have the wanted share in each.

Largest first, each part goes where the counts then fit best; after that single parts are moved and pairs exchanged as
long as the fit gets better. The misfit is a chi-square: squared deviations over what is wanted, summed over splits and
over all examples, each class, each character and each class of each character. No split stays empty where there are
parts enough. Equal choices fall by a seeded hash and sums are in a fixed order, so the outcome is the same everywhere.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cascades.compiled import compiled

ROUNDS = 30
"""most rounds of moves and exchanges"""
PARTNERS = 24
"""parts that each part is tried against in a round"""


def pack(
    parts: Sequence[Sequence[str]],
    kind_of: Mapping[str, tuple[str, str]],
    shares: Sequence[float],
    seed: int,
) -> list[int]:
    """The split of each part.

    Args:
        parts: ids that stay together.
        kind_of: id -> its class and its character.
        shares: what each split is to have, all above 0, summing to 1.
        seed: of the choices between equals.
    """
    if not parts:
        return []
    names = sorted({cell for kind in kind_of.values() for cell in _cells(kind)})
    number = {cell: n for n, cell in enumerate(names)}
    counted = [Counter(number[cell] for id in part for cell in _cells(kind_of[id])) for part in parts]
    begins = np.cumsum([0, *(len(cells) for cells in counted)])
    cells = np.array([cell for part in counted for cell in sorted(part)], np.int64)
    counts = np.array([part[cell] for part in counted for cell in sorted(part)], np.float64)
    totals = np.bincount(cells, counts, len(names))
    wanted_SC = np.outer(np.array(shares), totals)
    order = sorted(range(len(parts)), key=lambda n: (-len(parts[n]), _shuffled(min(parts[n]), seed)))
    split_P = np.full(len(parts), -1, np.int64)
    _fill(np.array(order), begins, cells, counts, wanted_SC, split_P)
    _improve(np.array(order), begins, cells, counts, wanted_SC, split_P, ROUNDS, PARTNERS, np.uint64(seed))
    return _none_empty([int(split) for split in split_P], order, len(shares))


def _none_empty(splits: list[int], order: Sequence[int], count: int) -> list[int]:
    """Gives a split that has nothing the smallest part of one that has two or more: without any it is of no use."""
    for empty in range(count):
        if empty not in splits:
            spare = [part for part in order if splits.count(splits[part]) > 1]
            if spare:
                splits[spare[-1]] = empty
    return splits


def _cells(kind: tuple[str, str]) -> list[tuple[str, ...]]:
    label, character = kind
    return [("all",), ("class", label), ("character", character), ("both", label, character)]


def _shuffled(key: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {key}".encode()).hexdigest()


@compiled
def _change(
    sign: float,
    part: int,
    split: int,
    begins: NDArray[np.int64],
    cells: NDArray[np.int64],
    counts: NDArray[np.float64],
    off_SC: NDArray[np.float64],
    wanted_SC: NDArray[np.float64],
) -> float:
    """How much worse the fit is with the part added to the split (sign 1), or taken away (-1)."""
    total = 0.0
    for n in range(begins[part], begins[part + 1]):
        now = off_SC[split, cells[n]]
        then = now + sign * counts[n]
        total += (then * then - now * now) / wanted_SC[split, cells[n]]
    return total


@compiled
def _put(
    sign: float,
    part: int,
    split: int,
    begins: NDArray[np.int64],
    cells: NDArray[np.int64],
    counts: NDArray[np.float64],
    off_SC: NDArray[np.float64],
) -> None:
    for n in range(begins[part], begins[part + 1]):
        off_SC[split, cells[n]] += sign * counts[n]


@compiled
def _fill(
    order_P: NDArray[np.int64],
    begins: NDArray[np.int64],
    cells: NDArray[np.int64],
    counts: NDArray[np.float64],
    wanted_SC: NDArray[np.float64],
    split_P: NDArray[np.int64],
) -> None:
    off_SC = -wanted_SC
    for place in range(len(order_P)):
        part = int(order_P[place])
        best, least = 0, np.inf
        for split in range(len(wanted_SC)):
            cost = _change(1.0, part, split, begins, cells, counts, off_SC, wanted_SC)
            if cost < least:
                best, least = split, cost
        split_P[part] = best
        _put(1.0, part, best, begins, cells, counts, off_SC)


@compiled
def _improve(
    order_P: NDArray[np.int64],
    begins: NDArray[np.int64],
    cells: NDArray[np.int64],
    counts: NDArray[np.float64],
    wanted_SC: NDArray[np.float64],
    split_P: NDArray[np.int64],
    rounds: int,
    partners: int,
    seed: np.uint64,
) -> None:
    off_SC = -wanted_SC
    for part in range(len(split_P)):
        _put(1.0, part, int(split_P[part]), begins, cells, counts, off_SC)
    state = seed * np.uint64(2654435761) + np.uint64(88172645463325252)
    for _ in range(rounds):
        better = False
        for place in range(len(order_P)):
            part = int(order_P[place])
            home = int(split_P[part])
            # where does the part itself fit best?
            away = _change(-1.0, part, home, begins, cells, counts, off_SC, wanted_SC)
            _put(-1.0, part, home, begins, cells, counts, off_SC)
            best, least = home, -1e-9
            for split in range(len(wanted_SC)):
                if split != home:
                    cost = away + _change(1.0, part, split, begins, cells, counts, off_SC, wanted_SC)
                    if cost < least:
                        best, least = split, cost
            # or in exchange for another part?
            other = -1
            for _try in range(partners):
                state ^= state << np.uint64(13)
                state ^= state >> np.uint64(7)
                state ^= state << np.uint64(17)
                candidate = int(np.int64(state % np.uint64(len(split_P))))
                there = int(split_P[candidate])
                if there == home or candidate == part:
                    continue
                cost = away + _change(-1.0, candidate, there, begins, cells, counts, off_SC, wanted_SC)
                _put(-1.0, candidate, there, begins, cells, counts, off_SC)
                cost += _change(1.0, candidate, home, begins, cells, counts, off_SC, wanted_SC)
                cost += _change(1.0, part, there, begins, cells, counts, off_SC, wanted_SC)
                _put(1.0, candidate, there, begins, cells, counts, off_SC)
                if cost < least:
                    best, least, other = there, cost, candidate
            split_P[part] = best
            _put(1.0, part, best, begins, cells, counts, off_SC)
            if other >= 0:
                split_P[other] = home
                _put(-1.0, other, best, begins, cells, counts, off_SC)
                _put(1.0, other, home, begins, cells, counts, off_SC)
            better = better or best != home
        if not better:
            return
