"""Crops -> train, val, test, so that nothing alike lies on both sides.

What may not be parted is one component: crops that share a shot, a track, a near-duplicate group, or (unit `episode`)
the episode, directly or through others. Components are packed greedily, largest first, into the split where they bring
the class counts closest to the wanted shares; ties fall by a seeded hash, so the result is the same everywhere.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.core.errors import UsageError
from pipeline.core.manifest import SPLITS
from pipeline.core.records import Crop, DuplicateGroup

UNITS = ("shot", "episode")


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOptions:
    """How examples are shared out."""

    shares: tuple[float, float, float] = (0.7, 0.1, 0.2)
    """wanted shares of train, val, test; they sum to 1"""
    unit: str = "shot"
    """of UNITS: what is never parted, beside tracks and near-duplicates"""
    test_episodes: tuple[str, ...] = ()
    """ids of episodes held out: all their crops are the test split, and what is tied to them elsewhere is left out"""
    seed: int = 0
    """of the tie-breaking"""

    def __post_init__(self) -> None:
        if len(self.shares) != 3 or min(self.shares) < 0 or abs(sum(self.shares) - 1) > 1e-6 or self.shares[0] <= 0:
            raise UsageError(f"--split needs three shares that sum to 1, the first above 0; got {self.shares}")
        if self.unit not in UNITS:
            raise UsageError(f"--unit must be one of {', '.join(UNITS)}; got {self.unit!r}")


def components(crops: list[Crop], groups: Iterable[DuplicateGroup], unit: str) -> list[list[str]]:
    """Crop ids that must stay together, each list sorted, the lists sorted by their first id.

    A group ties its members also when some of them are not among `crops`.
    """
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    def tie(a: str, b: str) -> None:
        parent[root(a)] = root(b)

    for crop in crops:
        tie(crop.id, f"shot {crop.shot}")
        tie(crop.id, f"track {crop.track}")
        if unit == "episode":
            tie(crop.id, f"episode {crop.episode}")
    for group in groups:
        for member in group.members:
            tie(member, f"group {group.id}")
    found: dict[str, list[str]] = defaultdict(list)
    for crop in crops:
        found[root(crop.id)].append(crop.id)
    return sorted((sorted(ids) for ids in found.values()), key=lambda ids: ids[0])


def hold_out(
    parts: list[list[str]], episode_of: dict[str, str], test_episodes: Iterable[str]
) -> tuple[set[str], set[str], list[list[str]]]:
    """Parts the held-out episodes from the rest.

    Returns the crops of those episodes (the test split), the crops elsewhere that are tied to one of them (an opening
    shown in every episode, a drawing used again: they must not be trained on), and the components that stay.
    """
    held = set(test_episodes)
    test, tied, left = set(), set(), []
    for part in parts:
        inside = {crop for crop in part if episode_of[crop] in held}
        if inside:
            test |= inside
            tied |= set(part) - inside
        else:
            left.append(part)
    return test, tied, left


def assign(parts: list[list[str]], label_of: dict[str, str], options: SplitOptions) -> dict[str, str]:
    """Crop id -> split, whole components at a time. With held-out episodes only train and val are shared out."""
    totals = Counter(label_of[crop] for part in parts for crop in part)
    shares = dict(zip(SPLITS, options.shares, strict=True))
    if options.test_episodes:
        shares["test"] = 0.0
    shares = {split: share / sum(shares.values()) for split, share in shares.items() if share > 0}
    wanted = {(split, label): share * totals[label] for split, share in shares.items() for label in totals}
    have: Counter[tuple[str, str]] = Counter()

    def cost(split: str, added: Counter[str]) -> float:
        """How much further from (or closer to) the wanted counts this split would be, relative to them."""
        return sum(
            ((have[split, label] + n - wanted[split, label]) ** 2 - (have[split, label] - wanted[split, label]) ** 2)
            / wanted[split, label]
            for label, n in added.items()
        )

    chosen: dict[str, str] = {}
    for part in sorted(parts, key=lambda ids: (-len(ids), _shuffled(ids[0], options.seed))):
        added = Counter(label_of[crop] for crop in part)
        split = min(shares, key=lambda s: (cost(s, added), SPLITS.index(s)))
        have.update({(split, label): n for label, n in added.items()})
        chosen.update(dict.fromkeys(part, split))
    return chosen


def _shuffled(key: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {key}".encode()).hexdigest()
