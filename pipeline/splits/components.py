"""What may not be parted: crops that share a shot, a track, a near-duplicate component or a repeated opening."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A picture that is to be in a split. Where a field is empty, nothing is known and nothing is tied."""

    id: str
    """of the crop"""
    label: str = ""
    """the class"""
    character: str = ""
    """whose face it is"""
    episode: str = ""
    """id of the episode"""
    shot: str = ""
    """id of the shot"""
    track: str = ""
    """id of the track"""
    seconds: Fraction = Fraction(0)
    """when in the episode, exactly"""


def components(
    candidates: Iterable[Candidate],
    ties: Iterable[Sequence[str]] = (),
    repeats: Mapping[str, str] | None = None,
    *,
    by_shot: bool = True,
) -> list[list[str]]:
    """Ids that must stay together, each list sorted, the lists sorted by their first id.

    Args:
        candidates: what is to be shared out.
        ties: ids that belong together, such as the members of a near-duplicate component. They tie also where some of
            them are no candidates.
        repeats: shot id -> name of what it shows again (an opening, reused footage): shots of one name are one.
        by_shot: whether a shot ties its crops.
    """
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(key: tuple[str, str]) -> tuple[str, str]:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    def tie(one: tuple[str, str], other: tuple[str, str]) -> None:
        parent[root(one)] = root(other)

    chosen = list(candidates)
    for candidate in chosen:
        own = ("crop", candidate.id)
        if candidate.track:
            tie(own, ("track", candidate.track))
        if by_shot and candidate.shot:
            tie(own, ("shot", candidate.shot))
            if repeats and candidate.shot in repeats:
                tie(own, ("repeat", repeats[candidate.shot]))
    for members in ties:
        for member in members[1:]:
            tie(("crop", member), ("crop", members[0]))
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for candidate in chosen:
        found[root(("crop", candidate.id))].append(candidate.id)
    return sorted((sorted(ids) for ids in found.values()), key=lambda ids: ids[0])
