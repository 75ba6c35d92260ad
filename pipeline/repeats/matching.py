"""Shots of one episode that another shows too: looked up by a few drawings, compared drawing by drawing.

Two shots are one when, laid over one another at some offset, they show the same at the same time: nearly all cells agree
(a title cut in, a logo and credits may differ), and so do most of the cells in which something moves: the same room with
other acting agrees in the walls alone.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import UsageError
from pipeline.core.records import ShotPrint
from pipeline.repeats.prints import Film, hashes_of, telling

WORD_BITS, WORDS = 16, 4
"""a hash is looked up by its words: two with at most three different bits share one at least"""
OFFSET_STEP = 80
"""milliseconds; lookups whose offsets differ less speak for the same one"""
OFFSETS_TRIED, SHOTS_TRIED = 3, 12
STEP = 80
"""milliseconds between the moments at which two shots are compared"""
INDEXED_OF_GROUP = 4
"""members of a group that are looked up: an opening of a thousand episodes costs no more than one of four"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatOptions:
    """When two shots are one."""

    distance: int = 8
    """bits; largest Hamming distance of two drawings' hashes that are a reason to look closer"""
    tolerance: int = 3
    """of 64 levels; cells that differ by no more agree"""
    alike: float = 0.8
    """share of the cells that must agree"""
    alike_moving: float = 0.6
    """share of the cells with movement that must agree"""
    alike_still: float = 0.93
    """share of the cells that must agree where next to nothing moves"""
    overlap: float = 0.7
    """of the shorter shot"""
    min_seconds: float = 0.4
    """shorter overlaps say nothing"""

    def __post_init__(self) -> None:
        shares = (self.alike, self.alike_moving, self.alike_still, self.overlap)
        if not 0 <= self.distance <= 32 or not 0 <= self.tolerance <= 63 or not all(0 < s <= 1 for s in shares):
            raise UsageError(
                f"repeats need a distance of 0 to 32 bits, a tolerance of 0 to 63 and shares above 0 up to 1, got "
                f"{self.distance}, {self.tolerance}, {', '.join(f'{s:g}' for s in shares)}"
            )


class RepeatIndex:
    """The anchors of many episodes, in memory: 16 bytes each."""

    def __init__(self) -> None:
        self._shots: list[tuple[str, str]] = []
        self._indexed: Counter[str] = Counter()
        self._shot = self._time = np.zeros(0, dtype=np.int64)
        self._hash = np.zeros(0, dtype=np.uint64)
        self._sort()

    def add(self, prints: Iterable[ShotPrint], groups: Mapping[str, str]) -> None:
        """Indexes shots by their anchors; of each group (shot -> group) only the first few."""
        shots, hashes, times = [], [], []
        for one in sorted(prints, key=lambda p: p.id):
            group = groups.get(one.id)
            if group:
                self._indexed[group] += 1
                if self._indexed[group] > INDEXED_OF_GROUP:
                    continue
            for anchor in one.anchors.split():
                milliseconds, _, value = anchor.partition(":")
                shots.append(len(self._shots))
                times.append(one.start_milliseconds + int(milliseconds))
                hashes.append(int(value, 16))
            self._shots.append((one.id, one.episode))
        self._shot = np.concatenate([self._shot, np.array(shots, dtype=np.int64)])
        self._time = np.concatenate([self._time, np.array(times, dtype=np.int64)])
        self._hash = np.concatenate([self._hash, np.array(hashes, dtype=np.uint64)])
        self._sort()

    def _sort(self) -> None:
        words = _words(self._hash)
        self._orders = [np.argsort(one, kind="stable") for one in words]
        self._sorted = [one[order] for one, order in zip(words, self._orders, strict=True)]

    def candidates(
        self, film: Film, episode: str, options: RepeatOptions
    ) -> dict[int, list[tuple[str, str, list[int]]]]:
        """For each shot of the film, (shot, its episode, likely offsets) of those that may show the same, best first.

        An offset is the other's time less the film's, in milliseconds.
        """
        if not len(self._hash) or not len(film.times):
            return {}
        likely: dict[int, list[tuple[int, str, str, list[int]]]] = defaultdict(list)
        for (mine, other), steps in self._votes(film, options.distance).items():
            if self._shots[other][1] != episode:
                best = sorted(steps, key=lambda step: (-step[0], abs(step[1]), step[1]))[:OFFSETS_TRIED]
                likely[mine].append((best[0][0], *self._shots[other], [offset for _, offset in best]))
        return {
            mine: [other[1:] for other in sorted(others, key=lambda o: (-o[0], o[1]))[:SHOTS_TRIED]]
            for mine, others in likely.items()
        }

    def _votes(self, film: Film, distance: int) -> dict[tuple[int, int], list[tuple[int, int]]]:
        """(row of the film's shot, indexed shot) -> (votes, offset) of each offset that drawings speak for."""
        able = np.nonzero(telling(film.cells))[0]
        asked, found = self._pairs(hashes_of(film.cells[able]), distance)
        offsets = self._time[found] - film.times[able[asked]]
        steps = np.round(offsets / OFFSET_STEP).astype(np.int64)
        claims = np.stack([film.shot[able[asked]], self._shot[found], steps], axis=1)
        each, first, counts = np.unique(claims, axis=0, return_index=True, return_counts=True)
        votes: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for (mine, other, _), row, count in zip(each.tolist(), first.tolist(), counts.tolist(), strict=True):
            votes[mine, other].append((count, int(offsets[row])))
        return votes

    def _pairs(self, hashes: NDArray[np.uint64], distance: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(asked, indexed) rows whose hashes share a word and are no farther apart than that; once per shared word."""
        all_asked, all_found = [], []
        for words, order, ordered in zip(_words(hashes), self._orders, self._sorted, strict=True):
            begins, ends = (np.searchsorted(ordered, words, side) for side in ("left", "right"))
            counts = ends - begins
            asked = np.repeat(np.arange(len(hashes)), counts)
            within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            found = order[np.repeat(begins, counts) + within]
            near = np.bitwise_count(hashes[asked] ^ self._hash[found]) <= distance
            all_asked.append(asked[near])
            all_found.append(found[near])
        return np.concatenate(all_asked), np.concatenate(all_found)


def _words(hashes: NDArray[np.uint64]) -> list[NDArray[np.uint64]]:
    mask = np.uint64((1 << WORD_BITS) - 1)
    return [(hashes >> np.uint64(WORD_BITS * n)) & mask for n in range(WORDS)]


def repeats_of(
    film: Film, episode: str, index: RepeatIndex, film_of_episode: Callable[[str], Film], options: RepeatOptions
) -> list[tuple[str, str]]:
    """Pairs (shot of the film, shot of another episode) that show the same."""
    found = []
    for mine, others in sorted(index.candidates(film, episode, options).items()):
        for shot, other_episode, offsets in others:
            other = film_of_episode(other_episode)
            theirs = other.shots.index(shot)
            if any(shows_the_same(film, mine, other, theirs, offset, options) for offset in offsets):
                found.append((film.shots[mine], shot))
    return found


def shows_the_same(film: Film, mine: int, other: Film, theirs: int, offset: int, options: RepeatOptions) -> bool:
    """Whether two shots show the same where they overlap when the other's clock is `offset` milliseconds ahead."""
    start = max(film.spans[mine, 0], other.spans[theirs, 0] - offset)
    end = min(film.spans[mine, 1], other.spans[theirs, 1] - offset)
    shorter = min(np.diff(film.spans[mine])[0], np.diff(other.spans[theirs])[0])
    if end - start < max(options.overlap * shorter, 1000 * options.min_seconds):
        return False
    moments = np.arange(start + STEP // 2, end, STEP)
    here, there = _shown(film, moments), _shown(other, moments + offset)
    said = telling(here) | telling(there)
    if said.sum() * STEP < 1000 * options.min_seconds:
        return False
    ours, theirs_then = here[said].astype(np.int16), there[said].astype(np.int16)
    agree = np.abs(ours - theirs_then) <= options.tolerance
    share = float(agree.mean())
    moving = _moving(ours, options.tolerance) | _moving(theirs_then, options.tolerance)
    if moving.sum() < agree.shape[1] // 10:
        return share >= options.alike_still
    return share >= options.alike and float(agree[moving].mean()) >= options.alike_moving


def _shown(film: Film, moments: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The cells that are seen at these moments, (moments, CELLS)."""
    return film.cells[np.maximum(np.searchsorted(film.times, moments, side="right") - 1, 0)]


def _moving(cells: NDArray[np.int16], tolerance: int) -> NDArray[np.bool_]:
    """Which cells differ from the moment before."""
    return np.asarray(np.abs(np.diff(cells, axis=0, prepend=cells[:1])) > tolerance)


def join(groups: Mapping[str, str], pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Shot -> group after the pairs were put together; a group bears the name of its first shot by id."""
    members: dict[str, set[str]] = defaultdict(set)
    for shot, group in groups.items():
        members[group].add(shot)
    of = dict(groups)
    for pair in pairs:
        united = set(pair).union(*(members.pop(of[shot], set()) for shot in pair if shot in of))
        name = min(united)
        members[name] = united
        of |= dict.fromkeys(united, name)
    return of
