"""A copy of an episode -> the pictures that a recipe asks of it, each with how well it matches."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.core.images import cut, encode_png
from pipeline.core.manifest import Example
from pipeline.datasets.recipes.alignment import Alignment
from pipeline.datasets.recipes.document import RecipeEpisode
from pipeline.datasets.recipes.fingerprints import Film, distances, good_frames, read_words
from pipeline.datasets.recipes.framing import WHOLE, Framing, Hash, find_framing
from pipeline.frames import frames_at

AROUND_SECONDS = 0.17
"""how far around the expected time a better picture is looked for: two frames of 12 per second"""
ELSEWHERE = 3
"""frames that look most like the item's own are tried too, wherever they lie: a copy may be cut otherwise"""
ELSEWHERE_BITS = 32
"""of 256, at most, for such a frame"""
SAMPLES = 16
"""items that the framing is found by"""
AS_GOOD_BITS = 2
"""a picture that is no better than this than the one at the expected time does not replace it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What was found for one item."""

    item: Example
    """its row, as it is in the rebuilt version"""
    png: bytes
    """the picture"""
    bits: int
    """Hamming distance of its pHash to the recipe's, of 64"""
    identical: bool
    """whether it is the same file to the bit"""
    shift_seconds: float
    """how far from the expected time it was found"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A file that is taken for an episode."""

    path: Path
    """where it lies"""
    episode: str
    """its own id"""
    alignment: Alignment
    """how the episode's times map to its"""
    film: Film | None
    """what was seen of it; None for the file itself, whose frames are known by their pts"""
    framing: Framing = WHOLE
    """where in its frames a place of the episode's lies"""


@dataclass(slots=True)
class _Best:
    bits: int
    rank: float
    match: Match


def rebuild_items(
    episode: RecipeEpisode, items: Sequence[Example], copy: Copy, phash: Hash, tick: Callable[[float], None]
) -> dict[str, Match]:
    """Item id -> its best picture in the copy, in one decode; an item whose moment the copy has not is absent.

    Raises:
        VideoError: nothing decodes.
    """
    if copy.film is None:
        wanted: dict[int, list[tuple[Example, float]]] = {}
        by_pts = defaultdict(list)
        for item in items:
            by_pts[item.pts].append(item)
    else:
        wanted, by_pts = _wanted(episode, items, copy.alignment, copy.film), defaultdict(list)
    best: dict[str, _Best] = {}
    for frame in good_frames(copy.path):
        tick(1)
        here = [(item, 0.0) for item in by_pts.get(frame.pts, [])] + wanted.get(frame.index, [])
        for item, shift in here:
            box = copy.framing.box(item.box, (episode.width, episode.height), frame.image)
            if box is None:
                continue
            picture = cut(frame.image, box.left, box.top, box.right, box.bottom)
            found = phash(picture)
            bits = (int(found, 16) ^ int(item.phash, 16)).bit_count()
            before = best.get(item.id)
            if before and not _better(bits, shift, before):
                continue
            png = encode_png(picture)
            row = replace(
                item, episode=copy.episode, pts=frame.pts, time_base=frame.time_base, box=box, phash=found,
                sha256=hashlib.sha256(png).hexdigest(),
            )  # fmt: skip
            identical = row.sha256 == item.sha256
            match = Match(item=row, png=png, bits=bits, identical=identical, shift_seconds=round(shift, 4))
            best[item.id] = _Best(bits, abs(shift), match)
    return {id: found.match for id, found in best.items()}


def framed(episode: RecipeEpisode, items: Sequence[Example], copy: Copy, phash: Hash) -> Copy:
    """The copy with its framing found, by some of the items at the times where they are expected."""
    if copy.film is None or not len(copy.film.prints.seconds):
        return copy
    ordered = sorted(items, key=lambda item: hashlib.sha256(item.id.encode()).digest())
    expected: dict[int, list[Example]] = defaultdict(list)
    for item in ordered[:SAMPLES]:
        second = copy.alignment.theirs(float(item.pts * episode.time_base))
        place = int(np.abs(copy.film.prints.seconds - second).argmin())
        if abs(float(copy.film.prints.seconds[place]) - second) <= AROUND_SECONDS:
            expected[int(copy.film.indices[place])].append(item)
    samples = [(item, frame.image) for frame in frames_at(copy.path, expected.keys()) for item in expected[frame.index]]
    return replace(copy, framing=find_framing(samples, (episode.width, episode.height), phash))


def _better(bits: int, shift: float, before: _Best) -> bool:
    """Whether a picture at that distance from the expected time replaces the one before: much closer, or not further."""
    if abs(shift) >= before.rank:
        return bits < before.bits - AS_GOOD_BITS
    return bits <= before.bits + AS_GOOD_BITS


def _wanted(
    episode: RecipeEpisode, items: Sequence[Example], alignment: Alignment, film: Film
) -> dict[int, list[tuple[Example, float]]]:
    """Frame index -> the items to look for there, each with how far that is from where it is expected, in seconds."""
    seconds_N, prints = film.prints.seconds, dict(zip(episode.pts, episode.prints, strict=True))
    wanted: dict[int, list[tuple[Example, float]]] = defaultdict(list)
    for item in items:
        expected = alignment.theirs(float(item.pts * episode.time_base))
        places = set(np.flatnonzero(np.abs(seconds_N - expected) <= AROUND_SECONDS).tolist())
        text = prints.get(item.pts)
        if text:
            bits = distances(read_words([text]), film.prints.words)[0]
            near = np.argsort(bits, kind="stable")[:ELSEWHERE]
            places |= {int(n) for n in near if bits[n] <= ELSEWHERE_BITS}
        for place in sorted(places):
            wanted[int(film.indices[place])].append((item, float(seconds_N[place]) - expected))
    return wanted
