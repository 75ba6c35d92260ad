"""Sampled pictures -> faces, searched only where it is needed.

A picture that looks like the one before has its faces where they were. Where parts of it changed, only those are
searched. Where most of it changed, every second one is searched whole. Those between are skimmed: around the faces of the
one before, and everywhere for large faces, which costs an eighth; afterwards around faces that turned up in the one after,
and whole after all where such a face is sure and still came from nowhere. Some are always searched whole, at fixed times
of the episode, so that what is found does not depend on where mining began.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from cascades.looked_for import USUAL_MIN_SCORE, Region
from pipeline.changes import ChangeFinder, ChangeOptions
from pipeline.core.errors import UsageError
from pipeline.core.geometry import as_array, grow, iou_matrix, match_greedily, overlap
from pipeline.core.images import RGB
from pipeline.core.places import Box
from pipeline.core.records import Detection
from pipeline.frames import WatchedFrame

WORTH_PARTS = 0.4
"""of the picture; where more than this would be searched for the smallest faces, parts cost as much as all of it"""
SIZE_CHANGE = 1.4
"""how much larger or smaller a face may be at the next moment"""
GROUP_MARGIN = 0.2
"""of a face's size; how far the windows that find it lie from it, in place and size"""
SAME_PLACE_IOU = 0.4
"""faces on one picture that overlap this much are one, found by several cascades"""
SURE = 2.0
"""times the score that makes a face likelier than not"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """Where and how often faces are searched."""

    full_every: int = 8
    """of so many moments to search, one has its whole picture searched whatever changed; 1: every one"""
    skip_moving: bool = True
    """whether, where most of the picture changes, every second one is skimmed"""
    large: float = 4.0
    """times the smallest size: faces from there on are looked for everywhere even where a picture is skimmed"""
    reach: float = 0.6
    """how far a face may have moved until the next moment, in sides of it"""
    changes: ChangeOptions = field(default_factory=ChangeOptions)
    """what is searched between"""

    def __post_init__(self) -> None:
        if self.full_every < 1 or self.reach < 0 or self.large < 1:
            raise UsageError(
                "full_every must be 1 or more, reach 0 or more, large 1 or more, "
                f"got {self.full_every}, {self.reach:g}, {self.large:g}"
            )


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a sampled picture shows."""

    faces: list[FoundFace]
    """on this picture"""
    before: list[FoundFace]
    """on the sampled picture before it, found only now"""


class FaceSearch:
    """Takes sampled frames in order."""

    def __init__(self, finder: FaceFinder, options: SearchOptions, min_face_px: int) -> None:
        self.finder, self.options, self.min_face_px = finder, options, min_face_px
        self._changes = ChangeFinder(options.changes)
        self._faces: list[FoundFace] = []
        self._group: int | None = None
        self._skimmed: RGB | None = None

    def search(self, frame: WatchedFrame) -> Search:
        """The faces of a frame that has its whole picture."""
        assert frame.image is not None
        assert frame.slot is not None
        image, skimmed, known = frame.image, self._skimmed, self._faces
        group, changed = frame.slot // self.options.full_every, self._changed(frame)
        begins, self._group, self._skimmed = group != self._group, group, None
        if begins or skimmed is not None or (changed is None and not self._may_skim()):
            self._changes.forget()
            self._faces = self._found(image, None)
        elif changed is None:
            self._faces, self._skimmed = self._skim(image, known), image
            return Search(faces=self._faces, before=[])
        elif changed:
            regions = [Region(box=box, touching=True) for box in changed]
            kept = [face for face in known if not _touches(face.box, changed)]
            self._faces = kept + [face for face in self._found(image, regions) if _touches(face.box, changed)]
        self._changes.searched(frame.small)
        return Search(faces=self._faces, before=[] if skimmed is None else self._missed(skimmed, known))

    def _changed(self, frame: WatchedFrame) -> list[Box] | None:
        """None where so much changed that searching its parts is not worth it."""
        assert frame.image is not None
        height, width = frame.image.shape[:2]
        changed = self._changes.changed(frame.small, width, height)
        if not changed:
            return changed
        around = 2 * (1 + GROUP_MARGIN) * self.min_face_px
        searched = sum((box.width + around) * (box.height + around) for box in changed)
        return changed if searched <= WORTH_PARTS * width * height else None

    def _may_skim(self) -> bool:
        return self.options.skip_moving and self.options.full_every > 1

    def _around(self, face: FoundFace) -> Region:
        longer = _longer(face.box)
        return Region(
            box=grow(face.box, self.options.reach + GROUP_MARGIN),
            min_face_px=int(longer / SIZE_CHANGE),
            max_face_px=math.ceil(longer * SIZE_CHANGE),
        )

    def _skim(self, image: RGB, known: list[FoundFace]) -> list[FoundFace]:
        """Faces around known ones, and large ones anywhere."""
        height, width = image.shape[:2]
        everywhere = Box(left=0, top=0, right=width, bottom=height)
        large = Region(box=everywhere, min_face_px=int(self.min_face_px * self.options.large))
        found = self._found(image, [*map(self._around, known), large])
        new = self._new(found, known)  # the smallest of them are found by part of their windows: look properly
        return self._found(image, [self._around(face) for face in known + new]) if new else found

    def _missed(self, image: RGB, known: list[FoundFace]) -> list[FoundFace]:
        """Faces on the picture before, around those of now that were not known then; anywhere, if a sure one is not there."""
        new = self._new(self._faces, known)
        found = self._found(image, [self._around(face) for face in new])
        if self._new([face for face in new if face.score >= SURE * USUAL_MIN_SCORE], found):
            found = self._found(image, None)
        return [face for face in found if not any(overlap(face.box, old.box) for old in known)]

    def _new(self, faces: list[FoundFace], known: list[FoundFace]) -> list[FoundFace]:
        """Faces that none of the known ones has become, each of which is at most one now; the best at each place."""
        faces, known = _one_per_place(faces), _one_per_place(known)
        near = as_array([grow(face.box, self.options.reach) for face in known])
        sides, before = (np.array([_longer(face.box) for face in of]) for of in (faces, known))
        alike = np.abs(np.log(sides[:, None] / before)) <= np.log(SIZE_CHANGE) + 0.02  # whole pixels
        likeness = iou_matrix(as_array([face.box for face in faces]), near) * alike
        taken = match_greedily(likeness, likeness.max(axis=1, initial=0.0), 1e-9)
        return [face for face, old in zip(faces, taken.tolist(), strict=True) if old < 0]

    def _found(self, image: RGB, regions: list[Region] | None) -> list[FoundFace]:
        if regions is not None and not regions:
            return []
        return [
            FoundFace(box=box, character=character, cascade=cascade, score=score)
            for box, character, cascade, score in self.finder.find(image, regions)
        ]


class KnownFaces:
    """What an earlier search found, in place of searching."""

    def __init__(self, detections: Iterable[Detection]) -> None:
        self._by_pts: dict[int, list[FoundFace]] = {}
        for d in detections:
            face = FoundFace(box=d.box, character=d.character, cascade=d.cascade, score=d.score)
            self._by_pts.setdefault(d.pts, []).append(face)

    def search(self, frame: WatchedFrame) -> Search:
        """The faces of a frame."""
        return Search(faces=self._by_pts.get(frame.pts, []), before=[])


class ContinuedSearch:
    """What an earlier call found before it was cut off, and searching from there on."""

    def __init__(self, known: KnownFaces, end_pts: int, search: FaceSearch, begin_pts: int) -> None:
        """Args:
        end_pts: of the first frame that is not among the known ones.
        begin_pts: from where on `search` sees frames: `slack_seconds` before, so that it finds what it would have found.
        """
        self.known, self.end_pts, self.real, self.begin_pts = known, end_pts, search, begin_pts
        self._goes_on = False

    def search(self, frame: WatchedFrame) -> Search:
        """The faces of a frame that has its whole picture."""
        if frame.pts < self.begin_pts:
            return self.known.search(frame)
        found = self.real.search(frame)
        if frame.pts < self.end_pts:
            return self.known.search(frame)
        first, self._goes_on = not self._goes_on, True
        return Search(faces=found.faces, before=[]) if first else found  # what is before the first one is known already


def slack_seconds(options: SearchOptions, fps: float) -> float:
    """How long before a moment searching must begin for the finds from there on to be those of the whole episode."""
    return 2 * options.full_every / fps


def _one_per_place(faces: list[FoundFace]) -> list[FoundFace]:
    """The best of those that several cascades found at one place."""
    ranked = sorted(faces, key=lambda face: -face.score)
    places = as_array([face.box for face in ranked])
    same = iou_matrix(places, places) >= SAME_PLACE_IOU
    kept: list[int] = []
    for i in range(len(ranked)):
        if not same[i, kept].any():
            kept.append(i)
    return [ranked[i] for i in kept]


def _longer(box: Box) -> int:
    return max(box.width, box.height)


def _touches(box: Box, others: Sequence[Box]) -> bool:
    """Whether the box or what lies close around it shares a pixel with one of the others."""
    near = grow(box, GROUP_MARGIN)
    return any(overlap(near, other) for other in others)
