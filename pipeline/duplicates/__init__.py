"""Crops -> near-duplicates over all episodes: exact pairs, groups with a kept crop, components that may not be parted."""

from pipeline.duplicates.groups import Found, best_of, find_groups
from pipeline.duplicates.hashing import HASH_KIND, hashes_of, phash
from pipeline.duplicates.index import pairs_within
from pipeline.duplicates.likeness import DedupeOptions, Likeness
from pipeline.duplicates.looks import LOOK_KIND, look, looks_of

__all__ = [
    "HASH_KIND",
    "LOOK_KIND",
    "DedupeOptions",
    "Found",
    "Likeness",
    "best_of",
    "find_groups",
    "hashes_of",
    "look",
    "looks_of",
    "pairs_within",
    "phash",
]
