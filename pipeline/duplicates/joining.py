"""The compiled part of grouping: which fingerprints are near-duplicates, what they join, and who leads a group.

A fingerprint is a hash and a look. Fingerprints are in classes of equal hashes, each class sorted by the sum of the look:
looks whose sums differ by more than the limit need not be compared.
"""

import numpy as np
from numpy.typing import NDArray

from cascades.compiled import compiled
from pipeline.duplicates.tables import popcount


@compiled
def digests_of(hashes_N: NDArray[np.uint64], words_NW: NDArray[np.uint64], digests_N: NDArray[np.uint64]) -> None:
    """A number by which equal fingerprints are brought together (others may share it); looks are given as words."""
    for i in range(len(hashes_N)):
        mixed = hashes_N[i] * np.uint64(0x9E3779B97F4A7C15)
        for n in range(words_NW.shape[1]):
            mixed = (mixed ^ words_NW[i, n]) * np.uint64(0x2545F4914F6CDD1D)
            mixed ^= mixed >> np.uint64(31)
        digests_N[i] = mixed


@compiled
def sums_of(looks_FL: NDArray[np.uint8], sums_F: NDArray[np.int64]) -> None:
    """The sum of each look."""
    for i in range(len(looks_FL)):
        total = np.int32(0)
        for value in looks_FL[i]:
            total += np.int32(value)
        sums_F[i] = total


@compiled
def find_root(parent_F: NDArray[np.int32], i: int) -> int:
    """The fingerprint that stands for all that i was joined to; the way there is halved."""
    while parent_F[i] != i:
        parent_F[i] = parent_F[parent_F[i]]
        i = parent_F[i]
    return i


@compiled
def flatten(parent_F: NDArray[np.int32]) -> None:
    """Makes every fingerprint point at its root."""
    for i in range(len(parent_F)):
        parent_F[i] = find_root(parent_F, i)


@compiled
def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> np.int32:
    """Sum of the absolute differences of two looks."""
    total = np.int32(0)
    for n in range(len(a)):
        total += abs(np.int32(a[n]) - np.int32(b[n]))
    return total


@compiled
def _join(i: int, j: int, looks_FL: NDArray[np.uint8], limit: int, parent_F: NDArray[np.int32]) -> None:
    root_i, root_j = find_root(parent_F, i), find_root(parent_F, j)
    if root_i != root_j and difference(looks_FL[i], looks_FL[j]) <= limit:
        parent_F[max(root_i, root_j)] = min(root_i, root_j)


@compiled
def join_equal(
    starts: NDArray[np.int64],
    order_F: NDArray[np.int64],
    sums_F: NDArray[np.int64],
    looks_FL: NDArray[np.uint8],
    fresh_F: NDArray[np.bool_],
    limit: int,
    parent_F: NDArray[np.int32],
) -> None:
    """Joins, within each class, what looks alike; only pairs of which one is fresh."""
    for c in range(len(starts) - 1):
        for a in range(starts[c], starts[c + 1]):
            i = order_F[a]
            for b in range(a + 1, starts[c + 1]):
                j = order_F[b]
                if sums_F[j] - sums_F[i] > limit:
                    break
                if fresh_F[i] or fresh_F[j]:
                    _join(i, j, looks_FL, limit, parent_F)


@compiled
def join_classes(
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    starts: NDArray[np.int64],
    order_F: NDArray[np.int64],
    sums_F: NDArray[np.int64],
    looks_FL: NDArray[np.uint8],
    fresh_F: NDArray[np.bool_],
    limit: int,
    parent_F: NDArray[np.int32],
) -> None:
    """Joins what looks alike of each pair of classes; only pairs of which one is fresh."""
    for pair in range(len(left)):
        begin, end = starts[right[pair]], starts[right[pair] + 1]
        for a in range(starts[left[pair]], starts[left[pair] + 1]):
            i = order_F[a]
            while begin < end and sums_F[order_F[begin]] < sums_F[i] - limit:
                begin += 1
            for b in range(begin, end):
                j = order_F[b]
                if sums_F[j] - sums_F[i] > limit:
                    break
                if fresh_F[i] or fresh_F[j]:
                    _join(i, j, looks_FL, limit, parent_F)


@compiled
def lead(
    members: NDArray[np.int64],
    hashes_F: NDArray[np.uint64],
    looks_FL: NDArray[np.uint8],
    distance: int,
    limit: int,
    leader_F: NDArray[np.int32],
) -> None:
    """Parts a component, its members in order of merit: the first without a leader leads all near-duplicates of it."""
    for a in range(len(members)):
        i = members[a]
        if leader_F[i] >= 0:
            continue
        leader_F[i] = i
        for b in range(a + 1, len(members)):
            j = members[b]
            if leader_F[j] >= 0 or popcount(hashes_F[i] ^ hashes_F[j]) > distance:
                continue
            if difference(looks_FL[i], looks_FL[j]) <= limit:
                leader_F[j] = i


@compiled
def widest(hashes_F: NDArray[np.uint64]) -> int:
    """The largest Hamming distance between two of the hashes."""
    most = 0
    for i in range(len(hashes_F)):
        for j in range(i + 1, len(hashes_F)):
            most = max(most, popcount(hashes_F[i] ^ hashes_F[j]))
    return most
