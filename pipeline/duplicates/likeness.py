"""What is known of all crops' likeness: fingerprints, what they are joined to, and which one leads their group.

Crops with the same hash and look share one fingerprint, so a thousand equal crops cost what one does. New crops are
compared with all that are known; what was compared before is not compared again. The whole is a cache that can be
written to a file and made anew from the catalogue at any time.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import UsageError
from pipeline.core.files import write_bytes
from pipeline.duplicates.hashing import HASH_KINDS, Hashes
from pipeline.duplicates.index import pairs_within
from pipeline.duplicates.joining import digests_of, flatten, join_classes, join_equal, sums_of
from pipeline.duplicates.looks import LOOK_SIZE, Looks


@dataclass(frozen=True, slots=True, kw_only=True)
class DedupeOptions:
    """When two crops are near-duplicates."""

    distance: int = 6
    """bits; largest Hamming distance of their hashes"""
    hash_name: str = "phash"
    """of HASH_KINDS"""
    look_difference: float = 9.0
    """grey levels; largest mean difference of their 8x8 colour pictures"""

    def __post_init__(self) -> None:
        if not 0 <= self.distance <= 64:
            raise UsageError(f"--distance must be 0 to 64 bits, got {self.distance}")
        if self.hash_name not in HASH_KINDS:
            raise UsageError(f"--hash must be one of {', '.join(HASH_KINDS)}; got {self.hash_name!r}")
        if not 0 <= self.look_difference <= 255:
            raise UsageError(f"look_difference must be 0 to 255 grey levels, got {self.look_difference:g}")

    @property
    def look_limit(self) -> int:
        """Largest sum of differences over a look."""
        return int(self.look_difference * LOOK_SIZE + 1e-9)


@dataclass(slots=True)
class Likeness:
    """All crops so far. There are N crops with F fingerprints."""

    ids: list[str] = field(default_factory=list)
    """of the crops, in the order they came"""
    fingerprints: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    """(N,): of each crop"""
    hashes: Hashes = field(default_factory=lambda: np.zeros(0, np.uint64))
    """(F,): all different, together with the looks"""
    looks: Looks = field(default_factory=lambda: np.zeros((0, LOOK_SIZE), np.uint8))
    """(F, LOOK_SIZE)"""
    roots: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    """(F,): the fingerprint that stands for the component"""
    leaders: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    """(F,): the fingerprint that leads the group; -1 for none yet"""

    def add(self, ids: Sequence[str], hashes_N: Hashes, looks_NL: Looks, options: DedupeOptions) -> None:
        """Takes new crops in and joins them to what they are near-duplicates of."""
        before = len(self.roots)
        self.take_in(ids, hashes_N, looks_NL)
        fresh_F = np.arange(len(self.hashes)) >= before
        self._join(fresh_F, options)

    def join_anew(self, options: DedupeOptions) -> None:
        """Forgets what is joined and compares all with all: with other options, all may be different."""
        self.roots = np.arange(len(self.hashes), dtype=np.int32)
        self.leaders = np.full(len(self.hashes), -1, np.int32)
        self._join(np.ones(len(self.hashes), np.bool_), options)

    def take_in(self, ids: Sequence[str], hashes_N: Hashes, looks_NL: Looks) -> None:
        """Takes new crops in without joining them to anything."""
        old = len(self.hashes)
        first_of = first_of_equal(hashes_N, looks_NL)
        known_N = self._known(hashes_N, looks_NL)
        is_new = (first_of == np.arange(len(hashes_N))) & (known_N < 0)
        number_of = np.where(known_N >= 0, known_N, old + np.cumsum(is_new) - 1)
        self.ids = [*self.ids, *ids]
        self.fingerprints = np.concatenate([self.fingerprints, number_of[first_of].astype(np.int32)])
        self.hashes = np.concatenate([self.hashes, hashes_N[is_new]])
        self.looks = np.concatenate([self.looks, looks_NL[is_new]])
        new = np.arange(old, len(self.hashes), dtype=np.int32)
        self.roots = np.concatenate([self.roots, new])
        self.leaders = np.concatenate([self.leaders, np.full(len(new), -1, np.int32)])

    def _known(self, hashes_N: Hashes, looks_NL: Looks) -> NDArray[np.int64]:
        """The fingerprint that each of these is; -1 where it is new."""
        known_N = np.full(len(hashes_N), -1, np.int64)
        digests_N, digests_F = _digests(hashes_N, looks_NL), _digests(self.hashes, self.looks)
        order_N = np.argsort(digests_N, kind="stable")
        sorted_N = digests_N[order_N]
        first_F = np.searchsorted(sorted_N, digests_F)
        hit_F = first_F < len(sorted_N)
        hit_F[hit_F] = sorted_N[first_F[hit_F]] == digests_F[hit_F]
        for fingerprint in np.flatnonzero(hit_F):
            end = np.searchsorted(sorted_N, digests_F[fingerprint], side="right")
            for n in order_N[first_F[fingerprint] : end]:
                if hashes_N[n] == self.hashes[fingerprint] and (looks_NL[n] == self.looks[fingerprint]).all():
                    known_N[n] = fingerprint
        return known_N

    def _join(self, fresh_F: NDArray[np.bool_], options: DedupeOptions) -> None:
        if not fresh_F.any():
            return
        sums_F = np.empty(len(self.looks), np.int64)
        sums_of(self.looks, sums_F)
        order_F, starts = _classes(self.hashes, sums_F, fresh_F)
        limit = options.look_limit
        join_equal(starts, order_F, sums_F, self.looks, fresh_F, limit, self.roots)
        fresh_classes = int(np.logical_or.reduceat(fresh_F[order_F], starts[:-1]).sum())
        for left, right in pairs_within(self.hashes[order_F[starts[:-1]]], options.distance, fresh_classes):
            join_classes(left, right, starts, order_F, sums_F, self.looks, fresh_F, limit, self.roots)
        flatten(self.roots)

    def save(self, path: Path, key: str) -> None:
        """Writes all to a file; `key` says what it holds for."""
        stream = io.BytesIO()
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        np.savez(stream, key=_letters(key), ids=_letters("\n".join(self.ids)), **arrays)
        write_bytes(path, stream.getvalue())

    @staticmethod
    def load(path: Path, key: str) -> "Likeness | None":
        """What `save` wrote under that key; None when it is absent, damaged, or of another key."""
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                if stored["key"].tobytes().decode() != key:
                    return None
                text = stored["ids"].tobytes().decode()
                found = Likeness(ids=text.split("\n") if text else [], **{name: stored[name] for name in _ARRAYS})
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return found if found._is_sound() else None

    def _is_sound(self) -> bool:
        size = len(self.hashes)
        shapes = {name: getattr(self, name).shape for name in _ARRAYS}
        return (
            shapes == {
                "fingerprints": (len(self.ids),), "hashes": (size,), "looks": (size, LOOK_SIZE),
                "roots": (size,), "leaders": (size,),
            }
            and all(getattr(self, name).dtype == dtype for name, dtype in _ARRAYS.items())
            and all(_within(getattr(self, name), low, size) for name, low in _INDICES)
            and bool((self.roots[self.roots] == self.roots).all())
        )  # fmt: skip


_ARRAYS = {
    "fingerprints": np.int32, "hashes": np.uint64, "looks": np.uint8, "roots": np.int32, "leaders": np.int32,
}  # fmt: skip
_INDICES = (("fingerprints", 0), ("roots", 0), ("leaders", -1))


def _letters(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)


def _within(indices: NDArray[np.int32], low: int, end: int) -> bool:
    return len(indices) == 0 or bool(indices.min() >= low and indices.max() < end)


def _digests(hashes_N: Hashes, looks_NL: Looks) -> NDArray[np.uint64]:
    digests_N = np.empty(len(hashes_N), np.uint64)
    digests_of(hashes_N, np.ascontiguousarray(looks_NL).view(np.uint64), digests_N)
    return digests_N


def first_of_equal(hashes_N: Hashes, looks_NL: Looks) -> NDArray[np.int64]:
    """Of each fingerprint the index of the first that is the same."""
    digests_N = _digests(hashes_N, looks_NL)
    order_N = np.argsort(digests_N, kind="stable")  # of equal ones the first comes first
    digests_N = digests_N[order_N]
    at = np.flatnonzero(digests_N[1:] == digests_N[:-1])
    same = np.zeros(max(len(order_N) - 1, 0), np.bool_)
    same[at] = hashes_N[order_N[at + 1]] == hashes_N[order_N[at]]
    same[at] &= (looks_NL[order_N[at + 1]] == looks_NL[order_N[at]]).all(axis=1)
    begins = np.concatenate([np.ones(min(len(order_N), 1), np.bool_), ~same])
    first_N = np.empty(len(order_N), np.int64)
    first_N[order_N] = order_N[np.flatnonzero(begins)[np.cumsum(begins) - 1]]
    return first_N


def _classes(
    hashes_F: Hashes, sums_F: NDArray[np.int64], fresh_F: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Fingerprints in classes of equal hashes, those with a fresh member first, each by its sums; where each begins."""
    order_F = np.argsort(hashes_F)
    starts = np.concatenate([[True], hashes_F[order_F[1:]] != hashes_F[order_F[:-1]]])
    alone = starts & np.concatenate([starts[1:], [True]])
    shared = order_F[~alone]  # few: only these need a second key, and a third for the order to be the same every time
    order_F[~alone] = shared[np.lexsort((shared, sums_F[shared], hashes_F[shared]))]
    begins = np.flatnonzero(starts)
    lengths = np.diff(np.concatenate([begins, [len(order_F)]]))
    is_fresh = np.logical_or.reduceat(fresh_F[order_F], begins)
    if not is_fresh.all():
        stale_N = np.repeat(~is_fresh, lengths)
        order_F = np.concatenate([order_F[~stale_N], order_F[stale_N]])
        lengths = np.concatenate([lengths[is_fresh], lengths[~is_fresh]])
    return order_F, np.concatenate([[0], np.cumsum(lengths)])
