"""The compiled part of the search for near pairs: keys, sorting by key, and the comparison of what shares a key.

All of it works on the hashes with their bits put in the order of the plan, so that a block is a run of bits.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from cascades.compiled import compiled

DIGIT_BITS = 11
"""of a key sorted at once: 2048 counters stay in the fastest memory"""


@intrinsic  # type: ignore[untyped-decorator]
def popcount(_typing: Any, word: Any) -> Any:
    """How many bits of a uint64 are set, as int64; the compiler makes vectors of it."""

    def build(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        del context, signature
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), build


@compiled
def reorder_bits(hashes_N: NDArray[np.uint64], order_64: NDArray[np.uint8], reordered_N: NDArray[np.uint64]) -> None:
    """Puts bit `order_64[n]` of each hash at place n, lowest first, by eight look-ups."""
    table = np.zeros((8, 256), np.uint64)
    for n in range(64):
        source = order_64[n]
        for value in range(256):
            if value >> (source % 8) & 1:
                table[source // 8, value] |= np.uint64(1) << np.uint64(n)
    for i in range(len(hashes_N)):
        word, whole = hashes_N[i], np.uint64(0)
        for byte in range(8):
            whole |= table[byte, np.int64((word >> np.uint64(8 * byte)) & np.uint64(255))]
        reordered_N[i] = whole


@compiled
def equal_blocks(sample_S: NDArray[np.uint64], masks: NDArray[np.uint64], histogram: NDArray[np.int64]) -> None:
    """Adds to `histogram[e]` the pairs of the sample that agree in exactly e blocks."""
    for i in range(len(sample_S)):
        for j in range(i + 1, len(sample_S)):
            different = sample_S[i] ^ sample_S[j]
            count = 0
            for mask in masks:
                count += (different & mask) == 0
            histogram[count] += 1


@compiled
def keys_of(
    words_N: NDArray[np.uint64], starts: NDArray[np.uint64], widths: NDArray[np.uint64], keys_N: NDArray[np.uint32]
) -> None:
    """The bits of the chosen blocks of each word, side by side."""
    for i in range(len(words_N)):
        key = np.uint64(0)
        for block in range(len(starts)):
            bits = (words_N[i] >> starts[block]) & ((np.uint64(1) << widths[block]) - np.uint64(1))
            key = (key << widths[block]) | bits
        keys_N[i] = key


@compiled
def keep_shared_keys(
    keys_N: NDArray[np.uint32], fresh: int, seen: NDArray[np.uint64], kept_N: NDArray[np.int32]
) -> int:
    """Indices of the first `fresh` words and of those that share a key with one of them; returns how many."""
    seen[:] = 0
    for i in range(fresh):
        seen[keys_N[i] >> 6] |= np.uint64(1) << np.uint64(keys_N[i] & 63)
        kept_N[i] = i
    count = fresh
    for i in range(fresh, len(keys_N)):
        kept_N[count] = i
        count += (seen[keys_N[i] >> 6] >> np.uint64(keys_N[i] & 63)) & np.uint64(1)
    return count


@compiled
def sort_by_key(
    keys_N: NDArray[np.uint32],
    order_N: NDArray[np.int32],
    keys_spare_N: NDArray[np.uint32],
    order_spare_N: NDArray[np.int32],
    passes: int,
) -> None:
    """Sorts the keys with their indices, equal keys in the order they came (radix sort, lowest digit first).

    `passes` is even, so that the result ends up where it began.
    """
    counts = np.empty(1 << DIGIT_BITS, np.int64)
    source, source_order, target, target_order = keys_N, order_N, keys_spare_N, order_spare_N
    for digit in range(passes):
        shift = np.uint32(DIGIT_BITS * digit)
        counts[:] = 0
        for i in range(len(source)):
            counts[(source[i] >> shift) & np.uint32((1 << DIGIT_BITS) - 1)] += 1
        total = 0
        for value in range(len(counts)):
            total, counts[value] = total + counts[value], total
        for i in range(len(source)):
            value = (source[i] >> shift) & np.uint32((1 << DIGIT_BITS) - 1)
            target[counts[value]] = source[i]
            target_order[counts[value]] = source_order[i]
            counts[value] += 1
        source, source_order, target, target_order = target, target_order, source, source_order


@compiled
def near_in_row(words: NDArray[np.uint64], word: np.uint64, distance: int) -> int:
    """How many of the words are within the distance of one; a loop of its own, so that it becomes vectors."""
    count = 0
    for j in range(len(words)):
        count += popcount(words[j] ^ word) <= distance
    return count


@compiled
def compare_sharers(
    words_N: NDArray[np.uint64],
    keys_N: NDArray[np.uint32],
    order_N: NDArray[np.int32],
    fresh: int,
    distance: int,
    earlier_masks: NDArray[np.uint64],
    begin: int,
    left: NDArray[np.int32],
    right: NDArray[np.int32],
) -> tuple[int, int]:
    """Fills `left`, `right` with the pairs that share a key, are within the distance, and belong to this table.

    A pair belongs to the first table that it shares a key in: to no later one that skips a block it agrees in
    (`earlier_masks`). Rows that are not among the first `fresh` indices are passed over. Returns where to go on, and how
    many pairs there are; it stops before the arrays, which must hold as many pairs as there are words, could overflow.
    """
    found, i, size = 0, begin, len(words_N)
    while i < size:
        end = i + 1
        while end < size and keys_N[end] == keys_N[i]:
            end += 1
        while i < end:
            if found + end - i > len(left):
                return i, found
            if order_N[i] >= fresh:
                i = end
                break
            word = words_N[i]
            j = i + 1
            while j < end:
                stop = min(j + 64, end)
                if stop - j > 8 and near_in_row(words_N[j:stop], word, distance) == 0:
                    j = stop
                    continue
                for other in range(j, stop):
                    different = word ^ words_N[other]
                    if popcount(different) <= distance:
                        belongs = True
                        for mask in earlier_masks:
                            belongs &= (different & mask) != 0
                        if belongs:
                            left[found] = min(order_N[i], order_N[other])
                            right[found] = max(order_N[i], order_N[other])
                            found += 1
                j = stop
            i += 1
    return size, found


@compiled
def compare_all(
    words_N: NDArray[np.uint64],
    fresh: int,
    distance: int,
    begin: int,
    left: NDArray[np.int32],
    right: NDArray[np.int32],
) -> tuple[int, int]:
    """As `compare_sharers`, for every pair with one of the first `fresh` words."""
    found = 0
    for i in range(begin, fresh):
        if found + len(words_N) - i > len(left):
            return i, found
        j = i + 1
        while j < len(words_N):
            stop = min(j + 64, len(words_N))
            if near_in_row(words_N[j:stop], words_N[i], distance) > 0:
                for other in range(j, stop):
                    if popcount(words_N[i] ^ words_N[other]) <= distance:
                        left[found] = i
                        right[found] = other
                        found += 1
            j = stop
    return fresh, found
