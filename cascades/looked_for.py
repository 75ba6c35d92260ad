"""What is looked for, and where: cascades, options, parts of a picture. `cascades.detect` looks.

Apart from it, so that what only hands them on does not wait for kernels to be loaded.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

from pipeline.core.errors import UsageError
from pipeline.core.places import Box

USUAL_MIN_SCORE = 4.0
"""a face is likelier than not from here on"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectOptions:
    """Which faces are looked for, and when windows are one face."""

    scale_factor: float = 1.1
    """between two sizes that are searched"""
    min_face_px: int = 0
    """longer side of the smallest face, pixels; 0 for as small as the window"""
    max_face_px: int = 0
    """longer side of the largest face, pixels; 0 for as large as the image"""
    min_neighbors: int = 3
    """windows that a face needs"""
    min_score: float = USUAL_MIN_SCORE
    """sum of the strengths of the windows that a face needs, or what the verifier gives it"""
    group_iou: float = 0.5
    """windows that overlap the best one of a group by this are in it"""
    nms_overlap: float = 0.4
    """of two faces of one cascade the lower is dropped when they share this much of the smaller one"""
    grouping: Literal["score", "opencv"] = "score"
    """`score`: by overlap, with the options above; `opencv`: what detectMultiScale gives for `min_neighbors`, all of it"""

    mode: Literal["exact", "fast"] = "exact"
    """`fast`: every second size, the others only around what is found there; regions, and torch, are searched exactly"""

    device: str = "cpu"
    """`cpu`: kernels on all cores; `auto`, `cuda` or `torch:cpu`: torch, on a GPU where there is one"""

    def __post_init__(self) -> None:
        if not 1.01 <= self.scale_factor <= 2.0:
            raise UsageError(f"scale_factor must be 1.01 to 2, got {self.scale_factor:g}")
        _check_sizes(self.min_face_px, self.max_face_px)
        if self.min_neighbors < 1:
            raise UsageError(f"min_neighbors must be 1 or more, got {self.min_neighbors}")
        if self.grouping not in ("score", "opencv"):
            raise UsageError(f"grouping must be score or opencv, got {self.grouping!r}")
        if self.mode not in ("exact", "fast"):
            raise UsageError(f"mode must be exact or fast, got {self.mode!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedCascade:
    """A cascade ready to be sent anywhere: its XML and whose face it finds."""

    character: str
    """whom it finds"""
    digest: str
    """SHA-256 of the XML"""
    content: bytes
    """the XML"""
    verifier: bytes = b""
    """of `cascades.verifier.model`, which scores what the cascade finds; empty for none"""
    min_score: float | None = None
    """what its faces need in place of the options' `min_score`"""

    @property
    def key(self) -> str:
        """The same for cascades that find the same: changes with the XML, the verifier and the score needed."""
        more = [hashlib.sha256(self.verifier).hexdigest()[:16]] if self.verifier else []
        return "+".join([self.digest, *more, *([] if self.min_score is None else [f"{self.min_score:g}"])])


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A part of a picture to search: faces that lie in it."""

    box: Box
    """pixels of the picture; it may reach outside"""
    min_face_px: int = 0
    """longer side of the smallest face there; the detector's own bounds hold as well"""
    max_face_px: int = 0
    """longer side of the largest face there; 0 for no bound"""
    touching: bool = False
    """whether faces that touch the box are wanted, not only those that lie in it"""

    def __post_init__(self) -> None:
        _check_sizes(self.min_face_px, self.max_face_px)


def _check_sizes(smallest: int, largest: int) -> None:
    if smallest < 0 or largest < 0 or 0 < largest < smallest:
        raise UsageError(
            f"face sizes must be 0 or more and the smallest below the largest, got {smallest} to {largest}"
        )
