"""Near-duplicate crops over all episodes: every pair within a Hamming distance, groups, and the crop each one keeps.

pHash (Zauner 2010) as `imagehash.phash` computes it: 64 bits from the low frequencies of a 32x32 DCT. Because it
collides on small, flat pictures, a pair must also look alike pixel by pixel. Nothing is deleted.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import UsageError
from pipeline.core.files import digest_of
from pipeline.core.images import RGB
from pipeline.core.records import Crop, DuplicateGroup

HASH_KIND = "phash64-imagehash4"
"""name and version kept with each stored value; values of different kinds are never compared"""
LOOK_KIND = "look8x8x3-v1"
"""the small picture of the second check, as hex"""
BLOCK = 2048
"""rows compared at once: BLOCK x N x 8 bytes is what a comparison needs"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DedupeOptions:
    """When two crops are near-duplicates."""

    distance: int = 6
    """bits; largest Hamming distance of their pHashes"""
    look_difference: float = 9.0
    """grey levels; largest mean difference of their 8x8 colour pictures"""

    def __post_init__(self) -> None:
        if not 0 <= self.distance <= 64:
            raise UsageError(f"--distance must be 0 to 64 bits, got {self.distance}")
        if not 0 <= self.look_difference <= 255:
            raise UsageError(f"look_difference must be 0 to 255 grey levels, got {self.look_difference:g}")


def phash(image_HW3: RGB) -> str:
    """64-bit pHash as 16 hex digits, equal to `str(imagehash.phash(image))`."""
    import imagehash
    from PIL import Image

    return str(imagehash.phash(Image.fromarray(image_HW3)))


def look(image_HW3: RGB) -> str:
    """The picture area-averaged to 8x8 RGB, as 384 hex digits."""
    from PIL import Image

    return Image.fromarray(image_HW3).resize((8, 8), Image.Resampling.BOX).tobytes().hex()


def pairs_within(hashes_N: NDArray[np.uint64], distance: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Every pair i < j with at most `distance` differing bits, exactly, in blocks of (i, j) arrays."""
    for start in range(0, len(hashes_N), BLOCK):
        rows = hashes_N[start : start + BLOCK]
        bits = np.bitwise_count(rows[:, None] ^ hashes_N[None, start:])
        i, j = np.nonzero(bits <= distance)
        ahead = j > i
        yield i[ahead] + start, j[ahead] + start


def find_groups(
    crops: list[Crop], hashes: dict[str, str], looks: dict[str, str], options: DedupeOptions
) -> list[DuplicateGroup]:
    """Groups of near-duplicates (connected components of the pairs), each with its kept crop, sorted by id."""
    if not crops:
        return []
    ordered = sorted(crops, key=lambda c: c.id)
    hashes_N = np.array([int(hashes[c.id], 16) for c in ordered], dtype=np.uint64)
    looks_N = np.stack([np.frombuffer(bytes.fromhex(looks[c.id]), dtype=np.uint8) for c in ordered]).astype(np.float32)
    parent = np.arange(len(ordered))
    for rows, columns in pairs_within(hashes_N, options.distance):
        alike = np.abs(looks_N[rows] - looks_N[columns]).mean(axis=1) <= options.look_difference
        for i, j in zip(rows[alike], columns[alike], strict=True):
            parent[_root(parent, int(i))] = _root(parent, int(j))
    members: dict[int, list[int]] = {}
    for i in range(len(ordered)):
        members.setdefault(_root(parent, i), []).append(i)
    groups = []
    for indices in members.values():
        if len(indices) > 1:
            own = hashes_N[indices]
            ids = tuple(ordered[i].id for i in indices)
            groups.append(
                DuplicateGroup(
                    id=f"g{digest_of(ids)[:12]}",
                    kept=best_of([ordered[i] for i in indices]).id,
                    members=ids,
                    diameter_bits=int(np.bitwise_count(own[:, None] ^ own[None]).max()),
                )
            )
    return sorted(groups, key=lambda g: g.id)


def best_of(crops: list[Crop]) -> Crop:
    """The one that stands for the others: largest face up to 128 pixels, then sharpest, then first by id."""
    return min(crops, key=lambda c: (-min(c.box.width, c.box.height, 128), -c.sharpness, c.id))


def _root(parent: NDArray[np.int64], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = int(parent[i])
    return i
