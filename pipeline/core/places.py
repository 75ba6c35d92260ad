"""Where and when something is seen: exact times and boxes, in the episode's own ticks and pixels."""

import re
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Timestamp:
    """A presentation time, exact: `pts * time_base` seconds."""

    pts: int
    """ticks since the container's zero; may be negative"""
    time_base: Fraction
    """seconds per tick"""

    def __post_init__(self) -> None:
        if self.time_base <= 0:
            raise ValueError(f"time_base must be positive, got {self.time_base}")

    @property
    def seconds(self) -> float:
        return float(self.pts * self.time_base)

    @property
    def timecode(self) -> str:
        """`H:MM:SS.mmm`, for people; rounded down to the millisecond."""
        sign = "-" if self.pts < 0 else ""
        total_ms = int(abs(self.pts) * self.time_base * 1000)
        seconds, ms = divmod(total_ms, 1000)
        return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ms:03d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """An upright rectangle in pixels of the source frame; it may reach outside the frame."""

    left: int
    """first column inside"""
    top: int
    """first row inside"""
    right: int
    """first column outside"""
    bottom: int
    """first row outside"""

    def __post_init__(self) -> None:
        if self.right <= self.left or self.bottom <= self.top:
            raise ValueError(
                f"a box needs left < right and top < bottom, got {self.left},{self.top},{self.right},{self.bottom}"
            )

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def area(self) -> int:
        return self.width * self.height

    @property
    def center(self) -> tuple[float, float]:
        """(x, y) in pixels"""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A box on a frame. A label may be about a place where no crop was kept: a face that mining missed, a suspect."""

    episode: str
    """id of the episode"""
    pts: int
    """of the frame"""
    box: Box
    """pixels of the source frame"""

    @property
    def id(self) -> str:
        """`{episode}.p{pts}.{left}.{top}.{right}.{bottom}`: it says everything about the place."""
        b = self.box
        return f"{self.episode}.p{self.pts}.{b.left}.{b.top}.{b.right}.{b.bottom}"

    @staticmethod
    def read(id: str) -> "Place | None":
        """The place of that id; None when it is no place's."""
        found = re.fullmatch(r"([A-Za-z0-9_-]+)\.p(-?\d{1,18})" + r"\.(-?\d{1,9})" * 4, id)
        if found is None:
            return None
        left, top, right, bottom = (int(found[n]) for n in range(3, 7))
        if right <= left or bottom <= top:
            return None
        return Place(episode=found[1], pts=int(found[2]), box=Box(left=left, top=top, right=right, bottom=bottom))
