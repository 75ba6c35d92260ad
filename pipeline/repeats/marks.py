"""What a repeated shot is: opening, ending, recap, or a picture used again; by where it stands in its episodes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.core.records import Repeat

HEAD, TAIL = 1 / 3, 2 / 3
"""of an episode; an opening lies before, an ending after"""
SAME_PLACE = 15.0
"""seconds; an opening seen in two episodes only begins at about the same time in both"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a shot stands."""

    shot: str
    """its id"""
    episode: str
    """id of its episode"""
    rank: int
    """of the episode, in the order of the series"""
    start: float
    """seconds from the episode's first frame"""
    length: float
    """seconds of the whole episode"""

    @property
    def share(self) -> float:
        """of the episode that has passed when it begins"""
        return self.start / self.length if self.length > 0 else 0.0


def marks_of(groups: Mapping[str, str], places: Sequence[Placed]) -> list[Repeat]:
    """A mark for every shot of a group that spans two episodes or more, sorted by id.

    All of an opening or an ending is marked so. Of other groups the first in the series is the `original`, the rest a
    `recap` where it stands at the head of its episode and a `repeat` elsewhere.
    """
    members: dict[str, list[Placed]] = defaultdict(list)
    for place in places:
        if place.shot in groups:
            members[groups[place.shot]].append(place)
    marks = []
    for group, shots in members.items():
        if len({shot.episode for shot in shots}) < 2:
            continue
        for shot, kind in zip(shots, _kinds(shots), strict=True):
            marks.append(Repeat(id=shot.shot, episode=shot.episode, group=group, kind=kind))
    return sorted(marks, key=lambda mark: mark.id)


def _kinds(shots: Sequence[Placed]) -> list[str]:
    many = len({shot.episode for shot in shots}) > 2
    if all(shot.share < HEAD for shot in shots) and (many or _spread([s.start for s in shots]) <= SAME_PLACE):
        return ["opening"] * len(shots)
    if all(s.share >= TAIL for s in shots) and (many or _spread([s.length - s.start for s in shots]) <= SAME_PLACE):
        return ["ending"] * len(shots)
    original = min(shots, key=lambda shot: (shot.rank, shot.start, shot.shot))
    return ["original" if shot is original else "recap" if shot.share < HEAD else "repeat" for shot in shots]


def _spread(values: Sequence[float]) -> float:
    return max(values) - min(values)
