"""Sampled pictures -> faces, searched only where something changed.

Between two full searches a picture is searched only around what changed since each of its pixels was last searched;
faces elsewhere are where they were. Full searches come at fixed times of the episode, so that what is found does not
depend on where mining began.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.changes import ChangeFinder, ChangeOptions
from pipeline.core.errors import UsageError
from pipeline.core.geometry import grow
from pipeline.core.images import RGB
from pipeline.core.records import Box
from pipeline.frames import WatchedFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """Where and how often faces are searched."""

    full_every: int = 8
    """of so many moments to search one has its whole picture searched; 1 searches every picture whole"""
    changes: ChangeOptions = field(default_factory=ChangeOptions)
    """what is searched between"""

    def __post_init__(self) -> None:
        if self.full_every < 1:
            raise UsageError(f"full_every must be 1 or more, got {self.full_every}")


class FaceFinder(Protocol):
    """Finds the faces on one picture (cascades.detect.Detector is one)."""

    def find(self, image_HW3: RGB, within: Sequence[Box] | None = None) -> list[tuple[Box, str, str, float]]:
        """Box, character, digest of the cascade, and score of each face; where `within` is given, at least of those
        that touch one of its boxes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFace:
    """A face on a sampled picture."""

    box: Box
    """in the picture's pixels"""
    character: str
    """whom the cascade finds"""
    cascade: str
    """its digest"""
    score: float
    """the cascade's own; no probability"""


class FaceSearch:
    """Takes sampled frames in order."""

    def __init__(self, finder: FaceFinder, options: SearchOptions) -> None:
        self.finder, self.options = finder, options
        self._changes = ChangeFinder(options.changes)
        self._faces: list[FoundFace] = []
        self._group: int | None = None

    def search(self, frame: WatchedFrame) -> list[FoundFace]:
        """The faces of a frame that has its whole picture."""
        assert frame.image is not None
        assert frame.slot is not None
        height, width = frame.image.shape[:2]
        group = frame.slot // self.options.full_every
        if group != self._group:
            self._group = group
            self._changes.forget()
        changed = self._changes.changed(frame.small, width, height)
        if changed is None:
            self._changes.forget()
            self._faces = self._found(frame.image, None)
        elif changed:
            kept = [face for face in self._faces if not _touches(face.box, changed)]
            self._faces = kept + [face for face in self._found(frame.image, changed) if _touches(face.box, changed)]
        self._changes.searched(frame.small)
        return self._faces

    def _found(self, image: RGB, within: list[Box] | None) -> list[FoundFace]:
        return [
            FoundFace(box=box, character=character, cascade=cascade, score=score)
            for box, character, cascade, score in self.finder.find(image, within)
        ]


def slack_seconds(options: SearchOptions, fps: float) -> float:
    """How long before a moment searching must begin for the finds from there on to be those of the whole episode."""
    return 2 * options.full_every / fps


def _touches(box: Box, others: Sequence[Box]) -> bool:
    """Whether the box or what lies close around it shares a pixel with one of the others."""
    near = grow(box, 0.2)
    return any(
        near.left < other.right and other.left < near.right and near.top < other.bottom and other.top < near.bottom
        for other in others
    )
