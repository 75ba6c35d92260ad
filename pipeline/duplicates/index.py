"""Every pair of hashes within a Hamming distance, exactly, without comparing all with all.

The pigeonhole principle (Norouzi, Punjani & Fleet 2012 build multi-index hashing on it): with the 64 bits dealt into
`distance + k` blocks, two hashes within the distance agree in at least k whole blocks. For each choice of k blocks the
hashes are sorted by these bits, and only those with the same bits are compared. How many blocks is measured on a sample:
hashes of pictures are far from random, a bit that is nearly always set tells nothing, so bits are dealt out by how
evenly they are set. Few hashes, or a large distance, are simply compared all with all.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.duplicates.hashing import Hashes
from pipeline.duplicates.tables import (
    DIGIT_BITS,
    compare_all,
    compare_sharers,
    equal_blocks,
    keep_shared_keys,
    keys_of,
    reorder_bits,
    sort_by_key,
)

Pairs = tuple[NDArray[np.int32], NDArray[np.int32]]
"""(i, j), i < j, indices of hashes"""

PAIRS_AT_ONCE = 1 << 20
"""least room for pairs before they are handed out"""
SAMPLE = 1500
"""hashes whose pairs tell how well a plan parts them"""
MOST_TABLES = 220
KEY_BITS = 2 * DIGIT_BITS
SORT_COST, COMPARE_COST, ALL_COST = 12.0, 0.9, 0.45
"""nanoseconds for a hash in a table, for a pair that shares a key, for a pair where all are compared: about"""


@dataclass(frozen=True, slots=True)
class Plan:
    """How the bits are dealt, and what is looked up together."""

    order: tuple[int, ...]
    """bit of the hash at each place, lowest first"""
    starts: tuple[int, ...]
    """lowest place of each block, and the end of the last"""
    tables: tuple[tuple[int, ...], ...]
    """the blocks of each table's key; none: all are compared with all"""


def pairs_within(hashes_N: Hashes, distance: int, fresh: int | None = None) -> Iterator[Pairs]:
    """Every pair i < j with at most `distance` differing bits, each once, in arrays of (i, j).

    With `fresh`, only the pairs of which one or both are among the first `fresh` hashes. The order is the same every
    time. Hashes that are equal are pairs too: where there may be many, give each value once.
    """
    count = len(hashes_N)
    fresh = count if fresh is None else fresh
    if fresh == 0 or count < 2:
        return
    plan = planned(hashes_N, distance, fresh)
    if not plan.tables:
        yield from _all_pairs(hashes_N, distance, fresh)
        return
    words_N = np.empty(count, np.uint64)
    reorder_bits(hashes_N, np.array(plan.order, np.uint8), words_N)
    for table in plan.tables:
        yield from _pairs_of_table(words_N, plan, table, distance, fresh)


def planned(hashes_N: Hashes, distance: int, fresh: int) -> Plan:
    """The plan that costs least by the sample: a matter of time only, never of what is found."""
    order = _by_evenness(hashes_N)
    pairs = fresh * (len(hashes_N) - (fresh + 1) / 2)
    best, best_cost = Plan(order, (0, 64), ()), ALL_COST * pairs
    sample = hashes_N[:: max(1, len(hashes_N) // SAMPLE)][:SAMPLE]
    for agreeing in range(1, 5):
        blocks = distance + agreeing
        tables = math.comb(blocks, agreeing)
        if blocks > 64 or tables > MOST_TABLES or SORT_COST * len(hashes_N) * tables > best_cost:
            break
        plan = _dealt(order, blocks, agreeing)
        if max(_width(plan, table) for table in plan.tables) > KEY_BITS:
            break
        words = np.empty(len(sample), np.uint64)
        reorder_bits(np.ascontiguousarray(sample), np.array(plan.order, np.uint8), words)
        histogram = np.zeros(blocks + 1, np.int64)
        equal_blocks(words, _masks(plan), histogram)
        shared = sum(int(n) * math.comb(equal, agreeing) for equal, n in enumerate(histogram)) / max(histogram.sum(), 1)
        cost = SORT_COST * len(hashes_N) * tables + COMPARE_COST * shared * pairs
        if cost < best_cost:
            best, best_cost = plan, cost
    return best


def _by_evenness(hashes_N: Hashes) -> tuple[int, ...]:
    """The bits, the most evenly set first."""
    sample = hashes_N[:: max(1, len(hashes_N) // 10_000)]
    set_share = np.array([((sample >> np.uint64(bit)) & np.uint64(1)).mean() for bit in range(64)])
    return tuple(int(bit) for bit in np.argsort(np.abs(set_share - 0.5), kind="stable"))


def _dealt(order: tuple[int, ...], blocks: int, agreeing: int) -> Plan:
    """The bits dealt to the blocks in turn, as cards are, back and forth."""
    hands: list[list[int]] = [[] for _ in range(blocks)]
    for n, bit in enumerate(order):
        turn, seat = divmod(n, blocks)
        hands[seat if turn % 2 == 0 else blocks - 1 - seat].append(bit)
    starts = itertools.accumulate((len(hand) for hand in hands), initial=0)
    tables = tuple(itertools.combinations(range(blocks), agreeing))
    return Plan(tuple(bit for hand in hands for bit in hand), tuple(starts), tables)


def _width(plan: Plan, table: tuple[int, ...]) -> int:
    return sum(plan.starts[block + 1] - plan.starts[block] for block in table)


def _masks(plan: Plan) -> NDArray[np.uint64]:
    return np.array([(1 << high) - (1 << low) for low, high in itertools.pairwise(plan.starts)], np.uint64)


def _pairs_of_table(words_N: Hashes, plan: Plan, table: tuple[int, ...], distance: int, fresh: int) -> Iterator[Pairs]:
    starts = np.array([plan.starts[block] for block in table], np.uint64)
    widths = np.array([plan.starts[block + 1] - plan.starts[block] for block in table], np.uint64)
    keys_N = np.empty(len(words_N), np.uint32)
    keys_of(words_N, starts, widths, keys_N)
    order_N = np.arange(len(words_N), dtype=np.int32)
    if fresh < len(words_N) // 8:
        kept = keep_shared_keys(keys_N, fresh, np.empty((1 << KEY_BITS) // 64, np.uint64), order_N)
        order_N = order_N[:kept].copy()
        keys_N = keys_N[order_N]
    sort_by_key(keys_N, order_N, np.empty_like(keys_N), np.empty_like(order_N), 2)
    sorted_N = words_N[order_N]
    earlier = [block for block in range(table[-1]) if block not in table]
    masks = _masks(plan)[earlier]
    left, right = _room(len(sorted_N))
    begin = 0
    while begin < len(sorted_N):
        begin, found = compare_sharers(sorted_N, keys_N, order_N, fresh, distance, masks, begin, left, right)
        if found:
            yield left[:found].copy(), right[:found].copy()


def _all_pairs(hashes_N: Hashes, distance: int, fresh: int) -> Iterator[Pairs]:
    left, right = _room(len(hashes_N))
    begin = 0
    while begin < fresh:
        begin, found = compare_all(hashes_N, fresh, distance, begin, left, right)
        if found:
            yield left[:found].copy(), right[:found].copy()


def _room(words: int) -> Pairs:
    room = max(PAIRS_AT_ONCE, words)
    return np.empty(room, np.int32), np.empty(room, np.int32)
