"""Labelled crops -> train, val, test, so that nothing alike lies on both sides.

With unit `shot`, what may not be parted is a component (see components.py). With `episode` or `character` it is the
whole of one of these, and what is alike across two (an opening shown every time, a drawing used again) stays where most
of it is and is left out elsewhere: tying them would tie all episodes to one. With `character`, shots may be parted: two
characters who never share a shot are rare. An embargo keeps the seconds around another split's crops free.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pipeline.core.errors import UsageError
from pipeline.core.manifest import SPLITS
from pipeline.splits.components import Candidate, components
from pipeline.splits.packing import pack

UNITS = ("shot", "episode", "character")
HELD_OUT = "tied to a held-out episode"
ELSEWHERE = "tied to another split"
EMBARGO = "within the embargo"


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOptions:
    """How examples are shared out."""

    shares: tuple[float, float, float] = (0.7, 0.1, 0.2)
    """wanted shares of train, val, test; they sum to 1"""
    unit: str = "shot"
    """of UNITS: what is never parted, beside tracks and near-duplicates"""
    test_episodes: tuple[str, ...] = ()
    """ids of episodes held out: all their crops are the test split, and what is tied to them elsewhere is left out"""
    embargo_seconds: float = 0.0
    """least time between two crops of one episode in different splits; what is closer is left out, of train first"""
    seed: int = 0
    """of the choices between equals"""

    def __post_init__(self) -> None:
        if len(self.shares) != 3 or min(self.shares) < 0 or abs(sum(self.shares) - 1) > 1e-6 or self.shares[0] <= 0:
            raise UsageError(f"--split needs three shares that sum to 1, the first above 0; got {self.shares}")
        if self.unit not in UNITS:
            raise UsageError(f"--unit must be one of {', '.join(UNITS)}; got {self.unit!r}")
        if not 0 <= self.embargo_seconds < 1e6:
            raise UsageError(f"--embargo must be 0 seconds or more; got {self.embargo_seconds:g}")
        if self.unit == "character" and self.test_episodes:
            raise UsageError("--unit character holds out characters and --test-episode episodes; give one of them")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What is where."""

    split_of: dict[str, str]
    """id -> train, val or test"""
    left_out: dict[str, str]
    """id -> why it is in none"""
    balance: dict[str, Any]
    """how close the shares came, see `balance_of`"""


def share_out(
    candidates: Sequence[Candidate],
    ties: Iterable[Sequence[str]],
    options: SplitOptions,
    repeats: Mapping[str, str] | None = None,
    bridges: Iterable[Candidate] = (),
) -> Shared:
    """Gives each candidate a split, or the reason why it has none. The order of the candidates does not matter.

    Args:
        candidates: what is to be shared out.
        ties: ids that belong together, such as the members of a near-duplicate component.
        options: how.
        repeats: shot id -> name of what it shows again.
        bridges: what is not to be shared out, but through which the candidates may hang together.
    """
    by_id = {candidate.id: candidate for candidate in sorted(candidates, key=lambda c: c.id)}
    everything = [*by_id.values(), *(bridge for bridge in bridges if bridge.id not in by_id)]
    together = _only(components(everything, ties, repeats, by_shot=options.unit != "character"), by_id)
    split_of, left_out = _held_out(by_id, together, set(options.test_episodes))
    free = {id: candidate for id, candidate in by_id.items() if id not in split_of and id not in left_out}
    parts = _units(_only(together, free), by_id, options.unit)
    split_of |= _packed(parts, by_id, options)
    left_out |= _parted(together, split_of)
    left_out |= _too_close([by_id[id] for id in split_of if id not in left_out], split_of, options.embargo_seconds)
    kept = {id: split_of[id] for id in by_id if id in split_of and id not in left_out}
    balance = balance_of([(by_id[id], split) for id, split in kept.items()], options)
    sizes = sorted((len(part) for part in parts), reverse=True)
    return Shared(
        split_of=kept,
        left_out=left_out,
        balance=balance | {"components": len(parts), "largest_component": sizes[0] if sizes else 0},
    )


def balance_of(placed: Sequence[tuple[Candidate, str]], options: SplitOptions) -> dict[str, Any]:
    """How close the splits came to the wanted shares.

    `wanted` and `got`: share of all examples by split; `misplaced`: share of the examples that would have to change
    split for every class of every character to have the wanted shares (every class, where characters are the unit);
    `absent`: classes that a split lacks. With held-out episodes the test split is what it is: only train and val count.
    """
    shares = _wanted(options)
    cells = Counter((_kind(c, options), split) for c, split in placed if split in shares)
    totals = Counter[tuple[str, str]]()
    inside = Counter[str]()
    for (kind, split), count in cells.items():
        totals[kind] += count
        inside[split] += count
    size = max(inside.total(), 1)
    off = sum(
        abs(cells[kind, split] - share * totals[kind]) for kind in sorted(totals) for split, share in shares.items()
    )
    there = {(split, candidate.label) for candidate, split in placed}
    wanted = {*shares, *(split for split, _ in there)}
    return {
        "wanted": {split: round(share, 6) for split, share in shares.items()},
        "got": {split: round(inside[split] / size, 6) for split in shares},
        "misplaced": round(off / 2 / size, 6),
        "absent": [
            {"split": split, "class": label}
            for split in SPLITS
            for label in sorted({candidate.label for candidate, _ in placed})
            if split in wanted and (split, label) not in there
        ],
    }


def _kind(candidate: Candidate, options: SplitOptions) -> tuple[str, str]:
    """What is to have the wanted share in each split; a character that is never parted cannot."""
    return candidate.label, "" if options.unit == "character" else candidate.character


def _only(parts: list[list[str]], by_id: Mapping[str, Candidate]) -> list[list[str]]:
    """The parts without bridges."""
    return [kept for kept in ([id for id in part if id in by_id] for part in parts) if kept]


def _wanted(options: SplitOptions) -> dict[str, float]:
    """The splits that are shared out, with their shares."""
    shares = dict(zip(SPLITS, options.shares, strict=True))
    if options.test_episodes:
        shares["test"] = 0.0
    return {split: share / sum(shares.values()) for split, share in shares.items() if share > 0}


def _held_out(
    by_id: Mapping[str, Candidate], together: list[list[str]], held: set[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """The crops of held-out episodes, which are the test split, and those elsewhere that are tied to one of them."""
    test = {id: "test" for id, candidate in by_id.items() if candidate.episode in held}
    tied = [id for part in together if any(id in test for id in part) for id in part if id not in test]
    return test, dict.fromkeys(tied, HELD_OUT)


def _units(parts: list[list[str]], by_id: Mapping[str, Candidate], unit: str) -> list[list[str]]:
    """What goes into one split as a whole."""
    if unit == "shot":
        return parts
    found: dict[str, list[str]] = defaultdict(list)
    for id in sorted(id for part in parts for id in part):
        found[by_id[id].episode if unit == "episode" else by_id[id].character].append(id)
    return [found[name] for name in sorted(found)]


def _packed(parts: list[list[str]], by_id: Mapping[str, Candidate], options: SplitOptions) -> dict[str, str]:
    shares = _wanted(options)
    kind_of = {id: _kind(by_id[id], options) for part in parts for id in part}
    chosen = pack(parts, kind_of, list(shares.values()), options.seed)
    names = list(shares)
    return {id: names[split] for part, split in zip(parts, chosen, strict=True) for id in part}


def _parted(together: list[list[str]], split_of: Mapping[str, str]) -> dict[str, str]:
    """What to leave out so that each component is in one split: the one that most of it is in."""
    out: dict[str, str] = {}
    for part in together:
        sides = Counter(split_of[id] for id in part if id in split_of)
        if len(sides) > 1:
            stays = min(sides, key=lambda split: (-sides[split], SPLITS.index(split)))
            out |= {id: ELSEWHERE for id in part if split_of.get(id, stays) != stays}
    return out


def _too_close(placed: list[Candidate], split_of: Mapping[str, str], embargo_seconds: float) -> dict[str, str]:
    """What lies closer in time to a split that matters more: train gives way to val and test, val to test."""
    out: dict[str, str] = {}
    if embargo_seconds <= 0:
        return out
    times: dict[tuple[str, str], list[Fraction]] = defaultdict(list)
    for candidate in sorted(placed, key=lambda c: c.seconds):
        times[candidate.episode, split_of[candidate.id]].append(candidate.seconds)
    embargo = Fraction(embargo_seconds)
    for split, others in (("train", ("val", "test")), ("val", ("test",))):
        for candidate in placed:
            if (
                candidate.episode
                and split_of[candidate.id] == split
                and any(_near(times[candidate.episode, other], candidate.seconds, embargo) for other in others)
            ):
                out[candidate.id] = EMBARGO
    return out


def _near(times: list[Fraction], moment: Fraction, embargo: Fraction) -> bool:
    """Whether one of the sorted times is less than the embargo away."""
    at = bisect_left(times, moment)
    return any(abs(times[n] - moment) < embargo for n in (at - 1, at) if 0 <= n < len(times))
