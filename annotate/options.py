"""What people are asked, and how it is put to them: `[annotate]` in toonsift.toml."""

import re
from dataclasses import dataclass
from enum import StrEnum

from pipeline.core.errors import UsageError
from pipeline.core.records import NOT_A_FACE, UNSURE
from pipeline.core.workspace import NAME


class Kind(StrEnum):
    """What a project asks about."""

    emotions = "emotions"
    """one crop: emotion, character"""
    sheets = "sheets"
    """all crops of a track or of a near-duplicate group at once: emotion, character"""
    faces = "faces"
    """a frame: where the faces are, and whose"""


PROJECT = re.compile(r"(emotions|sheets|faces)(?:\.([A-Za-z0-9][A-Za-z0-9_-]{0,39}))?")
"""a project's name: its kind, and for one of several blind projects with the same tasks whose it is"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotateOptions:
    """The lists that annotators choose from, and the sizes of what they see."""

    emotions: tuple[str, ...] = ("afraid", "angry", "happy", "neutral", "sad", "surprised")
    """the classes; the first ten have the hotkeys 1 to 0"""
    characters: tuple[str, ...] = ()
    """whom one may name; empty: those that cascades and crops of the workspace name"""
    context_width: int = 640
    """of the frame beside a crop, pixels"""
    sheet_members: int = 36
    """most pictures on one sheet; a larger track or group makes several"""
    frames_per_shot: int = 2
    """frames of each shot that `faces` asks about"""
    batch: int = 500
    """tasks sent at once"""

    def __post_init__(self) -> None:
        names = [*self.emotions, *self.characters]
        for name in names:
            if not NAME.fullmatch(name) or name in (NOT_A_FACE, UNSURE):
                raise UsageError(f"[annotate] {name!r} cannot be a class or a character: letters, digits, dots, dashes")
        if len(set(self.emotions)) < max(2, len(self.emotions)) or len(set(self.characters)) < len(self.characters):
            raise UsageError(
                "[annotate] emotions needs two different classes or more, and no name may stand there twice"
            )
        for name in ("context_width", "sheet_members", "frames_per_shot", "batch"):
            if not 1 <= getattr(self, name) <= 5000:
                raise UsageError(f"[annotate] {name} must be between 1 and 5000, got {getattr(self, name)}")


def split_name(project: str) -> tuple[Kind, str]:
    """(kind, whose replica it is; empty for the only one) of a project's name. Raises UsageError."""
    found = PROJECT.fullmatch(project)
    if found is None:
        raise UsageError(
            f"no project is called {project!r}: give emotions, sheets or faces, for a blind replica emotions.NAME"
        )
    return Kind(found[1]), found[2] or ""
