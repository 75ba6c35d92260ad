"""Near-duplicates as people and splits need them: groups with one kept crop, and components that may not be parted.

A component is all that near-duplicate pairs join, directly or through others: a chain of small changes makes it long,
and its ends may have nothing in common. It is what a split must not part. A group is what one crop stands for, so it
must not be a chain: the crops of a component are taken best first, and each that is in no group yet leads one of its own
with all its near-duplicates that are in none (the star algorithm of Aslam, Pelekhov & Rus 2004, with merit in place of
degree). So every marked crop is a near-duplicate of the kept one itself, and two of a group are at most twice the
distance apart.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.files import digest_of
from pipeline.core.records import Crop, DuplicateComponent, DuplicateGroup
from pipeline.duplicates import hashing, looks
from pipeline.duplicates.joining import lead, widest
from pipeline.duplicates.likeness import DedupeOptions, Likeness

LARGE_ENOUGH = 128
"""pixels of a face's shorter side: what is larger is no better"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What belongs together, sorted by id."""

    groups: list[DuplicateGroup]
    """of two crops or more"""
    components: list[DuplicateComponent]
    """of two crops or more"""


def find_groups(
    crops: Sequence[Crop], hashes: dict[str, str], looks_of: dict[str, str], options: DedupeOptions
) -> Found:
    """Groups and components of these crops; `hashes` and `looks_of` are the stored texts by crop id."""
    likeness = Likeness()
    ids = sorted(crop.id for crop in crops)
    likeness.add(
        ids,
        hashing.as_numbers([hashes[id] for id in ids]),
        looks.as_numbers([looks_of[id] for id in ids]),
        options,
    )
    return regroup(likeness, crops, options)


def regroup(likeness: Likeness, crops: Sequence[Crop], options: DedupeOptions) -> Found:
    """Makes the groups of whole components anew: those of which `crops` are all the crops."""
    ordered = sorted(crops, key=_merit)
    index_of = {id: n for n, id in enumerate(likeness.ids)}
    indices_N = np.array([index_of[crop.id] for crop in ordered], np.int64)
    fingerprints_N = likeness.fingerprints[indices_N]
    likeness.leaders[np.unique(fingerprints_N)] = -1
    for members in _parts(likeness.roots[fingerprints_N]):
        _, first = np.unique(fingerprints_N[members], return_index=True)
        by_merit = fingerprints_N[members[np.sort(first)]].astype(np.int64)
        lead(
            by_merit, likeness.hashes, likeness.looks, options.distance, options.look_limit, likeness.leaders
        )  # fmt: skip
    components = [_component([ordered[n].id for n in part]) for part in _parts(likeness.roots[fingerprints_N])]
    groups = [
        _group(likeness, [ordered[n].id for n in part], fingerprints_N[part])
        for part in _parts(likeness.leaders[fingerprints_N])
    ]
    return Found(
        groups=sorted((g for g in groups if len(g.members) > 1), key=lambda g: g.id),
        components=sorted((c for c in components if len(c.members) > 1), key=lambda c: c.id),
    )


def recorded(likeness: Likeness, indices_N: NDArray[np.int64]) -> tuple[set[str], set[str]]:
    """Ids of the groups and components that these crops, given by index, make as they stand."""
    fingerprints_N = likeness.fingerprints[indices_N]
    found: list[set[str]] = []
    for labels_N, letter in ((likeness.leaders, "g"), (likeness.roots, "k")):
        parts = _parts(labels_N[fingerprints_N])
        found.append({_id_of(letter, sorted(likeness.ids[indices_N[n]] for n in p)) for p in parts if len(p) > 1})
    return found[0], found[1]


def best_of(crops: Iterable[Crop]) -> Crop:
    """The one that stands for the others: largest face up to LARGE_ENOUGH pixels, then sharpest, then first by id."""
    return min(crops, key=_merit)


def _merit(crop: Crop) -> tuple[int, float, str]:
    return -min(crop.box.width, crop.box.height, LARGE_ENOUGH), -crop.sharpness, crop.id


def _parts(labels_N: NDArray[np.int32]) -> list[NDArray[np.int64]]:
    """Indices with the same label, in their order."""
    order_N = np.argsort(labels_N, kind="stable")
    cuts = np.flatnonzero(np.diff(labels_N[order_N])) + 1
    return np.split(order_N, cuts) if len(order_N) else []


def _id_of(letter: str, ids: list[str]) -> str:
    return f"{letter}{digest_of(ids)[:12]}"


def _component(ids: list[str]) -> DuplicateComponent:
    return DuplicateComponent(id=_id_of("k", sorted(ids)), members=tuple(sorted(ids)))


def _group(likeness: Likeness, by_merit: list[str], fingerprints_N: NDArray[np.int32]) -> DuplicateGroup:
    members = tuple(sorted(by_merit))
    diameter = int(widest(np.unique(likeness.hashes[fingerprints_N])))
    return DuplicateGroup(id=_id_of("g", list(members)), kept=by_merit[0], members=members, diameter_bits=diameter)
