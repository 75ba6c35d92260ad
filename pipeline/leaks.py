"""The leak certificate: what lies on both sides of a split, counted on the finished rows.

It knows nothing of how the splits were made: shots, tracks and times are read from the rows, near-duplicates are looked
for again among all rows of different splits.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.manifest import SPLITS, Example
from pipeline.duplicates import DedupeOptions, pairs_within
from pipeline.duplicates.hashing import as_numbers
from pipeline.duplicates.likeness import first_of_equal
from pipeline.duplicates.looks import LOOK_SIZE, Looks
from pipeline.duplicates.looks import as_numbers as looks_from
from pipeline.splits import SplitOptions

DISTANCES = range(9)
"""bits at which cross-split pairs are counted"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinship:
    """What is known to belong together beyond what the rows say."""

    ties: Sequence[Sequence[str]] = ()
    """ids of crops that belong together: near-duplicate components, groups"""
    repeats: Mapping[str, str] = field(default_factory=dict)
    """shot id -> name of what it shows again: an opening, reused footage"""
    looks: Mapping[str, str] = field(default_factory=dict)
    """crop id -> its look, as stored; without any, a near hash alone makes no near-duplicate"""
    near: DedupeOptions = field(default_factory=DedupeOptions)
    """when two crops are near-duplicates"""


def leak_certificate(examples: Sequence[Example], options: SplitOptions, kinship: Kinship) -> dict[str, Any]:
    """What is shared between splits; `leaks` sums what must not be, given the unit of the split.

    `cross_split_pairs` counts pairs by the distance of their hashes alone, each distance including the smaller ones;
    `near_duplicate_pairs` those within the distance of `dedupe` whose looks are alike as well.
    """
    by_id = {example.id: example for example in examples}
    pairs, alike = _cross_split_pairs(examples, kinship)
    gap = smallest_gap(examples)
    found = {
        "shared_tracks": _shared((e.track, e.split) for e in examples),
        "shared_components": _shared(
            (str(n), by_id[m].split) for n, members in enumerate(kinship.ties) for m in members if m in by_id
        ),
        "near_duplicate_pairs": alike,
        "shared_shots": _shared((e.shot, e.split) for e in examples),
        "shared_openings": _shared((kinship.repeats.get(e.shot, ""), e.split) for e in examples),
        "shared_episodes": _shared((e.episode, e.split) for e in examples),
        "shared_characters": _shared((e.character, e.split) for e in examples),
    }
    forbidden = ["shared_tracks", "shared_components", "near_duplicate_pairs"]
    forbidden += ["shared_characters"] if options.unit == "character" else ["shared_shots", "shared_openings"]
    forbidden += ["shared_episodes"] if options.unit == "episode" else []
    too_close = gap is not None and gap < options.embargo_seconds
    return {
        "leaks": sum(found[name] for name in forbidden) + too_close,
        "unit": options.unit,
        "distance": kinship.near.distance,
        **found,
        "cross_split_pairs": {str(distance): pairs[distance] for distance in DISTANCES},
        "smallest_gap_seconds": gap,
    }


def smallest_gap(examples: Iterable[Example]) -> float | None:
    """Seconds between the two closest crops of one episode that lie in different splits; None when there are none."""
    gaps = []
    by_episode: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        if example.episode:
            by_episode[example.episode].append(example)
    for same in by_episode.values():
        same.sort(key=lambda e: e.pts)
        gaps += [float((b.pts - a.pts) * a.time_base) for a, b in itertools.pairwise(same) if a.split != b.split]
    return round(min(gaps), 3) if gaps else None


def _shared(keys: Iterable[tuple[str, str]]) -> int:
    """How many keys lie in more than one split; an empty one is none."""
    sides: dict[str, set[str]] = defaultdict(set)
    for key, split in keys:
        if key:
            sides[key].add(split)
    return sum(len(splits) > 1 for splits in sides.values())


def _cross_split_pairs(examples: Sequence[Example], kinship: Kinship) -> tuple[dict[int, int], int]:
    """Pairs of rows in different splits: at most so many bits apart, and near-duplicates."""
    if not examples:
        return dict.fromkeys(DISTANCES, 0), 0
    hashes_N = as_numbers([e.phash for e in examples])
    blank = "00" * LOOK_SIZE
    looks_NL = looks_from([kinship.looks.get(e.id, blank) for e in examples])
    known_N = np.array([e.id in kinship.looks for e in examples])
    splits_N = np.array([SPLITS.index(e.split) for e in examples])
    first_N = first_of_equal(hashes_N, looks_NL)  # rows with the same hash and look are counted together
    kinds, kind_N = np.unique(first_N, return_inverse=True)
    counts_KS = np.zeros((len(kinds), len(SPLITS)), np.int64)
    np.add.at(counts_KS, (kind_N, splits_N), 1)
    within = _crossing(counts_KS, counts_KS) // 2
    by_bits: Counter[int] = Counter({0: int(within.sum())})
    alike = int(within[known_N[kinds]].sum())
    near = kinship.near
    for left, right in pairs_within(hashes_N[kinds], max(DISTANCES[-1], near.distance)):
        crossing = _crossing(counts_KS[left], counts_KS[right])
        left, right, crossing = left[crossing > 0], right[crossing > 0], crossing[crossing > 0]
        bits = np.bitwise_count(hashes_N[kinds[left]] ^ hashes_N[kinds[right]])
        by_bits.update({int(b): int(crossing[bits == b].sum()) for b in np.unique(bits)})
        close = (bits <= near.distance) & known_N[kinds[left]] & known_N[kinds[right]]
        same = _look_alike(looks_NL, kinds[left[close]], kinds[right[close]], near.look_limit)
        alike += int(crossing[close][same].sum())
    return {d: sum(n for bits, n in by_bits.items() if bits <= d) for d in DISTANCES}, alike


def _crossing(one_KS: NDArray[np.int64], other_KS: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs of one row of each that lie in different splits."""
    every: NDArray[np.int64] = one_KS.sum(axis=1) * other_KS.sum(axis=1) - (one_KS * other_KS).sum(axis=1)
    return every


def _look_alike(looks_NL: Looks, left: NDArray[np.int64], right: NDArray[np.int64], limit: int) -> NDArray[np.bool_]:
    alike = np.empty(len(left), np.bool_)
    for start in range(0, len(left), 4096):
        part = slice(start, start + 4096)
        off = looks_NL[left[part]].astype(np.int16) - looks_NL[right[part]]
        alike[part] = np.abs(off).sum(axis=1, dtype=np.int64) <= limit
    return alike
