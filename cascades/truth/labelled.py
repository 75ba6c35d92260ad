"""Boxes on pictures as values: what every kind of truth is read into, and what makes a row a bad one."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import InputError
from pipeline.core.files import inside

SMALLEST_BOX_PX = 8
"""side of the smallest box that is used"""
SHOWN_REASONS = 5
"""how many reasons an error lists"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthBox:
    """A face, a region to leave alone, or what people said is no face."""

    left: float
    top: float
    right: float
    bottom: float
    character: str
    """empty where the format knows none"""
    ignored: bool = False
    """neither positive nor negative (`iscrowd`)"""
    rejected: bool = False
    """people looked at it and said that it is no face: a hard negative"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image with its boxes: an image file, or a frame of a video by its index or by its time."""

    name: str
    """for messages"""
    path: Path
    """image file or video"""
    frame: int | None
    """0-based index in decoding order; None for an image file, and where `pts` says which frame"""
    pts: int | None = None
    """presentation time in ticks of the video; None for an image file, and where `frame` says which"""
    group: str
    """what must not be parted between fitting and held out (`shot` in the file); empty when unknown"""
    boxes: tuple[TruthBox, ...]
    is_crop: bool = False
    """whether the picture is a face cut out: there is nothing around it to take negatives from"""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was left out."""

    row: str
    reason: str


@dataclass(frozen=True, slots=True)
class Truth:
    """What a truth file holds."""

    name: str
    """of the file"""
    pictures: tuple[Picture, ...]
    patches: NDArray[np.uint8] | None
    """(N, H, W) faces that fill their window; None where there are pictures"""
    rejected: tuple[Rejected, ...]

    @property
    def characters(self) -> tuple[str, ...]:
        """Names of all characters with a face, sorted."""
        return tuple(
            sorted({b.character for p in self.pictures for b in p.boxes if not (b.ignored or b.rejected)}),
        )


class BadRow(Exception):
    """Why a row is rejected; caught where the row's name is known."""


def box_of(values: list[object], character: str = "", ignored: bool = False, rejected: bool = False) -> TruthBox:
    """A box from x, y, width, height. Raises BadRow for what is no box of a usable size."""
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)]
    if len(numbers) != 4:
        raise BadRow(f"the box {str(values)[:60]} is not four finite numbers")
    x, y, width, height = numbers
    if min(width, height) < SMALLEST_BOX_PX and not ignored:
        raise BadRow(f"the box is {width:g}x{height:g} pixels, at least {SMALLEST_BOX_PX}x{SMALLEST_BOX_PX} are needed")
    return TruthBox(
        left=x, top=y, right=x + width, bottom=y + height, character=character, ignored=ignored, rejected=rejected
    )


def find_picture(folder: Path, name: str) -> Path:
    """The file called `name` inside `folder`. Raises BadRow when it leads out of it or is not there."""
    try:
        path = inside(folder, name)
    except (InputError, ValueError, OSError) as error:  # ValueError: a zero byte in the name
        raise BadRow(str(error)) from None
    if not path.is_file():
        raise BadRow(f"{name} is not in {folder}; --images names the folder that holds it")
    return path


def reasons(rejected: Iterable[Rejected]) -> str:
    """The first few rejected rows as one line."""
    rows = list(rejected)
    shown = "; ".join(f"{r.row}: {r.reason}" for r in rows[:SHOWN_REASONS])
    return shown + (f"; and {len(rows) - SHOWN_REASONS} more" if len(rows) > SHOWN_REASONS else "")
