"""Crops for people: contact sheets by character, and the groups of near-duplicates."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.core.records import Crop, DuplicateGroup
from pipeline.core.workspace import Workspace
from pipeline.report import wording
from pipeline.report.holdings import Holdings
from pipeline.report.thumbnails import Gallery, Picture

CHARACTERS_SHOWN = 12
CROPS_SHOWN = 36
"""of a character"""
GROUPS_SHOWN = 24
MEMBERS_SHOWN = 12
"""of a group"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A crop as the page shows it."""

    picture: Picture | None
    """None when its file is gone, or the page has no room left"""
    title: str
    """who, where and when, for the tooltip and for those who cannot see it"""
    timecode: str
    """`H:MM:SS.mmm` in its episode"""
    emotion: str
    """what most annotators answered; empty when nobody did"""
    kept: bool = False
    """whether it stands for its group"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CharacterSheet:
    """The best crops of one character."""

    name: str
    """the character"""
    hue: str
    """colour class"""
    total: int
    """crops in the workspace"""
    faces: tuple[Face, ...]
    """best first"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CropSection:
    """All contact sheets."""

    sheets: tuple[CharacterSheet, ...]
    """most crops first"""
    characters: int
    """in all"""
    marked: int
    """near-duplicates left out of the sheets"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow:
    """One group of near-duplicates."""

    id: str
    """of the group"""
    words: str
    """size, spread and distance"""
    faces: tuple[Face, ...]
    """the kept one first"""
    total: int
    """members in all"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateSection:
    """The largest groups."""

    rows: tuple[GroupRow, ...]
    """largest first"""
    groups: int
    """in all"""
    marked: int
    """crops that another one stands for"""
    across: int
    """groups over several episodes, among all"""


def face_of(workspace: Workspace, holdings: Holdings, gallery: Gallery, crop: Crop, *, kept: bool = False) -> Face:
    """A crop with its thumbnail."""
    when = holdings.timecode(crop.episode, crop.pts)
    place = f"{holdings.episode_name(crop.episode)} at {when}"
    return Face(
        picture=gallery.of_stored(workspace.objects, crop.sha256),
        title=f"{crop.character or 'unknown'}, {place}, {crop.box.width}\u00d7{crop.box.height} px, score {crop.score:.1f}",
        timecode=when,
        emotion=holdings.emotions.get(crop.id, ""),
        kept=kept,
    )


def crop_section(workspace: Workspace, holdings: Holdings, gallery: Gallery) -> CropSection:
    """The contact sheets; crops that a better one stands for are left out."""
    passed_over = {member for group in holdings.groups for member in group.members if member != group.kept}
    by_character: dict[str, list[Crop]] = defaultdict(list)
    for crop in holdings.crops:
        if crop.id not in passed_over:
            by_character[crop.character].append(crop)
    order = sorted(by_character, key=lambda name: (-holdings.crops_by_character.get(name, 0), name))
    sheets = tuple(
        CharacterSheet(
            name=name or "unknown",
            hue=holdings.hue(name),
            total=holdings.crops_by_character.get(name, 0),
            faces=tuple(face_of(workspace, holdings, gallery, c) for c in best_first(by_character[name])[:CROPS_SHOWN]),
        )
        for name in order[:CHARACTERS_SHOWN]
    )
    return CropSection(sheets=sheets, characters=len(order), marked=holdings.marked)


def best_first(crops: Iterable[Crop]) -> list[Crop]:
    """Every track's best crop before any track's second; large faces (up to 128 px) first, then sharp ones."""
    rank: Counter[str] = Counter()
    ranked = []
    for crop in sorted(crops, key=_quality):
        ranked.append((rank[crop.track], *_quality(crop), crop))
        rank[crop.track] += 1
    return [entry[-1] for entry in sorted(ranked, key=lambda entry: entry[:-1])]


def duplicate_section(workspace: Workspace, holdings: Holdings, gallery: Gallery) -> DuplicateSection:
    """The largest groups of near-duplicates."""
    known = {crop.id: crop for crop in holdings.crops}
    rows = tuple(_row(workspace, holdings, gallery, group, known) for group in holdings.groups[:GROUPS_SHOWN])
    across = sum(1 for group in holdings.groups if len({_episode_in(member) for member in group.members}) > 1)
    return DuplicateSection(rows=rows, groups=len(holdings.groups), marked=holdings.marked, across=across)


def _row(
    workspace: Workspace, holdings: Holdings, gallery: Gallery, group: DuplicateGroup, known: Mapping[str, Crop]
) -> GroupRow:
    ordered = [group.kept, *(member for member in group.members if member != group.kept)]
    crops: Sequence[Crop | None] = [
        known.get(id) or workspace.catalogue.get(Crop, id) for id in ordered[:MEMBERS_SHOWN]
    ]
    faces = tuple(
        face_of(workspace, holdings, gallery, crop, kept=crop.id == group.kept) for crop in crops if crop is not None
    )
    episodes = len({_episode_in(member) for member in group.members})
    words = f"{wording.counted(len(group.members), 'crop')} of {wording.counted(episodes, 'episode')}"
    return GroupRow(
        id=group.id, words=f"{words}, at most {group.diameter_bits} bits apart", faces=faces, total=len(group.members)
    )


def _episode_in(crop: str) -> str:
    """The episode's id, with which a crop's id begins."""
    return crop.split(".", 1)[0]


def _quality(crop: Crop) -> tuple[float, float, str]:
    return -min(crop.box.width, crop.box.height, 128), -crop.sharpness, crop.id
