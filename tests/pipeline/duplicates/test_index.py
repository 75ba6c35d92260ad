import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.duplicates.index import PAIRS_AT_ONCE, pairs_within, planned


def planted(count: int, seed: int = 0, varied_bits: int = 64) -> NDArray[np.uint64]:
    """Random hashes, a fifth of them a few bits from another."""
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 2**varied_bits, count, dtype=np.uint64)
    for target, source in random.integers(0, count, (count // 5, 2)):
        flips = random.choice(varied_bits, random.integers(0, 11), replace=False)
        hashes[target] = hashes[source] ^ np.bitwise_or.reduce(np.uint64(1) << flips.astype(np.uint64), initial=0)
    return hashes


def found(hashes: NDArray[np.uint64], distance: int, fresh: int | None = None) -> list[tuple[int, int]]:
    pairs = [np.stack(pair, axis=1) for pair in pairs_within(hashes, distance, fresh)]
    return sorted(map(tuple, np.concatenate(pairs).tolist())) if pairs else []


def compared(hashes: NDArray[np.uint64], distance: int) -> list[tuple[int, int]]:
    near = np.bitwise_count(hashes[:, None] ^ hashes[None]) <= distance
    return sorted(map(tuple, np.argwhere(np.triu(near, 1)).tolist()))


@pytest.mark.parametrize("distance", [0, 1, 2, 4, 6, 8, 11, 20, 64])
@pytest.mark.parametrize("varied_bits", [64, 20])
def test_every_pair_is_found_once_as_by_comparing_all(distance: int, varied_bits: int) -> None:
    hashes = planted(2500 if varied_bits == 64 and distance < 20 else 400, varied_bits=varied_bits)
    assert found(hashes, distance) == compared(hashes, distance)


def test_many_tables_find_what_comparing_all_finds() -> None:
    hashes = planted(5_000)
    for distance in (4, 6):
        assert len(planned(hashes, distance, len(hashes)).tables) > 1
        assert found(hashes, distance) == compared(hashes, distance)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=40), st.integers(0, 64), st.integers(0, 40))
def test_only_pairs_with_a_fresh_hash_are_given_where_asked(values: list[int], distance: int, fresh: int) -> None:
    hashes = np.array(values, dtype=np.uint64)
    fresh = min(fresh, len(hashes))
    assert found(hashes, distance, fresh) == [pair for pair in compared(hashes, distance) if pair[0] < fresh]


def test_a_few_new_hashes_are_compared_with_many_old_ones() -> None:
    hashes = planted(30_000, seed=3)
    hashes[:100] = hashes[20_000:20_100] ^ np.uint64(5)
    pairs = found(hashes, 4, 100)
    assert pairs == [pair for pair in found(hashes, 4) if pair[0] < 100]
    assert len(pairs) >= 100


def test_more_pairs_than_fit_at_once_come_in_parts() -> None:
    hashes = np.random.default_rng(0).permutation(np.arange(2048, dtype=np.uint64))  # all within 11 bits
    parts = [len(left) for left, _ in pairs_within(hashes, 11)]
    assert sum(parts) == 2048 * 2047 // 2
    assert len(parts) > 1
    assert max(parts) <= PAIRS_AT_ONCE


@pytest.mark.slow
def test_fifty_thousand_hashes_give_what_comparing_all_gives() -> None:
    hashes = planted(50_000, seed=5)
    near = []
    for start in range(0, len(hashes), 500):
        rows, columns = np.nonzero(np.bitwise_count(hashes[start : start + 500, None] ^ hashes[None]) <= 6)
        ahead = columns > rows + start
        near.append(np.stack([rows[ahead] + start, columns[ahead]], axis=1))
    assert found(hashes, 6) == sorted(map(tuple, np.concatenate(near).tolist()))
