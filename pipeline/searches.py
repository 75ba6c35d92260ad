"""Sampled pictures -> faces, searched only where something changed.

Between two full searches a picture is searched only around what changed since each of its pixels was last searched;
faces elsewhere are where they were. Full searches come at fixed times of the episode, so that what is found does not
depend on where mining began.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cascades.detect import Region
from pipeline.changes import ChangeFinder, ChangeOptions
from pipeline.core.errors import UsageError
from pipeline.core.geometry import grow, overlap
from pipeline.core.images import RGB
from pipeline.core.records import Box
from pipeline.frames import WatchedFrame

SIZE_STEP = 1.5
"""between the smallest and the largest faces that are searched in the same regions"""
GROUP_MARGIN = 0.2
"""of a face's size; how far the windows that find it lie from it, in place and size"""


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

    def find(self, image_HW3: RGB, regions: Sequence[Region] | None = None) -> list[tuple[Box, str, str, float]]:
        """Box, character, digest of the cascade, and score of each face; of those in `regions` where they are given."""
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

    def __init__(self, finder: FaceFinder, options: SearchOptions, min_face_px: int) -> None:
        self.finder, self.options, self.min_face_px = finder, options, min_face_px
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
            regions = regions_around(changed, self.min_face_px, width, height)
            self._faces = kept + [face for face in self._found(frame.image, regions) if _touches(face.box, changed)]
        self._changes.searched(frame.small)
        return self._faces

    def _found(self, image: RGB, regions: list[Region] | None) -> list[FoundFace]:
        return [
            FoundFace(box=box, character=character, cascade=cascade, score=score)
            for box, character, cascade, score in self.finder.find(image, regions)
        ]


def regions_around(boxes: Sequence[Box], min_face_px: int, width: int, height: int) -> list[Region]:
    """Where all faces lie that touch one of `boxes`: the larger the faces, the farther around.

    Args:
        min_face_px: longer side of the smallest face.
        width, height: of the picture, pixels.
    """
    regions = []
    smallest = float(min_face_px)
    while smallest < max(width, height):
        largest = smallest * SIZE_STEP
        reach = math.ceil(largest * (1 + GROUP_MARGIN))
        around = [
            Box(left=b.left - reach, top=b.top - reach, right=b.right + reach, bottom=b.bottom + reach) for b in boxes
        ]
        regions += [
            Region(
                box=box,
                min_face_px=int(smallest / (1 + GROUP_MARGIN)),
                max_face_px=math.ceil(largest * (1 + GROUP_MARGIN)),
            )
            for box in _merged(around)
        ]
        smallest = largest
    return regions


def _merged(boxes: Sequence[Box]) -> list[Box]:
    """Boxes that overlap taken together, until none do."""
    apart: list[Box] = []
    for box in boxes:
        while (other := next((o for o in apart if overlap(box, o)), None)) is not None:
            apart.remove(other)
            box = Box(
                left=min(box.left, other.left), top=min(box.top, other.top), right=max(box.right, other.right),
                bottom=max(box.bottom, other.bottom),
            )  # fmt: skip
        apart.append(box)
    return apart


def slack_seconds(options: SearchOptions, fps: float) -> float:
    """How long before a moment searching must begin for the finds from there on to be those of the whole episode."""
    return 2 * options.full_every / fps


def _touches(box: Box, others: Sequence[Box]) -> bool:
    """Whether the box or what lies close around it shares a pixel with one of the others."""
    near = grow(box, GROUP_MARGIN)
    return any(overlap(near, other) for other in others)
