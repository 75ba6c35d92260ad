"""What a workspace holds, read once for the whole page and never more than a page can use."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline.core.answers import counting
from pipeline.core.places import Timestamp
from pipeline.core.records import (
    Cascade,
    Crop,
    DatasetVersion,
    Detection,
    DuplicateGroup,
    Episode,
    Hold,
    Label,
    Run,
    Shot,
    Track,
)
from pipeline.core.workspace import Workspace
from pipeline.report.palette import hues_for

CROPS_READ = 40_000
"""crops looked through for the contact sheets; of a larger workspace those of some episodes, spread evenly"""
LABELS_READ = 400_000
"""answers counted one by one; of more only the number is told"""
FAILURES_SHOWN = 20
KINDS: tuple[type[Any], ...] = (Episode, Shot, Hold, Detection, Track, Crop, DuplicateGroup, Label)

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """The records that the page's sections share."""

    episodes: tuple[Episode, ...]
    """all, by name"""
    episode_of: Mapping[str, Episode]
    """id -> episode"""
    counts: Mapping[type[Any], int]
    """of each of KINDS"""
    crops: tuple[Crop, ...]
    """all, or at most about CROPS_READ"""
    crops_by_character: Mapping[str, int]
    """over the whole workspace, for the characters that `crops` or a cascade names"""
    groups: tuple[DuplicateGroup, ...]
    """all, largest first"""
    labels: tuple[Label, ...]
    """all, or none where there are more than LABELS_READ"""
    emotions: Mapping[str, str]
    """crop id -> the answer most annotators gave, from `labels`"""
    cascades: tuple[Cascade, ...]
    """all"""
    datasets: tuple[DatasetVersion, ...]
    """all, oldest first"""
    failures: tuple[Run, ...]
    """the latest failed runs of stages, at most FAILURES_SHOWN"""
    failed: int
    """how many failed"""
    hues: Mapping[str, str]
    """character -> colour class, most crops first"""

    @property
    def marked(self) -> int:
        """Crops marked as near-duplicates of a kept one."""
        return sum(len(group.members) - 1 for group in self.groups)

    def episode_name(self, id: str) -> str:
        """The name of an episode, or its id where it is not in the workspace."""
        episode = self.episode_of.get(id)
        return episode.name if episode else id

    def hue(self, character: str) -> str:
        """The colour class of a character; grey for one that is not among `hues`."""
        return self.hues.get(character, "k7")

    def timecode(self, episode: str, pts: int) -> str:
        """`H:MM:SS.mmm` of a pts of that episode; empty where the episode is not in the workspace."""
        found = self.episode_of.get(episode)
        return Timestamp(pts=pts, time_base=found.time_base).timecode if found else ""


def read_holdings(workspace: Workspace) -> Holdings:
    """Reads the shared records of a workspace."""
    catalogue = workspace.catalogue
    episodes = tuple(sorted(catalogue.all(Episode), key=lambda e: (e.name.casefold(), e.id)))
    counts = {kind: catalogue.count(kind) for kind in KINDS}
    crops = _crops(workspace, episodes, counts[Crop])
    cascades = tuple(catalogue.all(Cascade))
    labels = tuple(catalogue.all(Label)) if counts[Label] <= LABELS_READ else ()
    failures = sorted(catalogue.all(Run, status="failed"), key=lambda r: (r.finished, r.id), reverse=True)
    characters = {c.character for c in crops} | {c.character for c in cascades}
    crops_by_character = {name: catalogue.count(Crop, character=name) for name in sorted(characters)}
    return Holdings(
        episodes=episodes,
        episode_of={e.id: e for e in episodes},
        counts=counts,
        crops=crops,
        crops_by_character=crops_by_character,
        groups=tuple(sorted(catalogue.all(DuplicateGroup), key=lambda g: (-len(g.members), g.id))),
        labels=labels,
        emotions=_emotions(labels),
        cascades=cascades,
        datasets=tuple(sorted(catalogue.all(DatasetVersion), key=lambda d: (d.created, d.name, d.version))),
        failures=tuple(failures[:FAILURES_SHOWN]),
        failed=len(failures),
        hues=hues_for(crops_by_character),
    )


def spread(items: Sequence[Item], at_most: int) -> list[Item]:
    """At most so many of the items, evenly spread, in their order, the first among them."""
    if len(items) <= at_most:
        return list(items)
    return [items[i * len(items) // at_most] for i in range(at_most)]


def _crops(workspace: Workspace, episodes: Sequence[Episode], total: int) -> tuple[Crop, ...]:
    if total <= CROPS_READ:
        return tuple(workspace.catalogue.all(Crop))
    found: list[Crop] = []
    for episode in spread(episodes, max(1, len(episodes) * CROPS_READ // total)):
        found += workspace.catalogue.all(Crop, episode=episode.id)
        if len(found) >= CROPS_READ:
            break
    return tuple(found[:CROPS_READ])


def _emotions(labels: Sequence[Label]) -> dict[str, str]:
    """Crop id -> its most frequent answer, the first in the alphabet of equals; skips and what is withdrawn do not count."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for label in counting(labels):
        if label.emotion:
            answers[label.crop][label.emotion] += 1
    return {crop: min(found, key=lambda name: (-found[name], name)) for crop, found in answers.items()}
