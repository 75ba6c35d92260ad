"""Boxes, names and emotions onto a frame."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.core.images import RGB
from pipeline.core.places import Box
from pipeline.core.records import UNSURE
from pipeline.timeline.records import Followed, Timeline
from pipeline.timeline.spans import said_emotions

Colour = tuple[int, int, int]
PALETTE: tuple[Colour, ...] = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (213, 94, 0), (86, 180, 233), (204, 121, 167), (240, 228, 66), (120, 94, 240),
)  # fmt: skip
"""after Okabe & Ito 2008: told apart by colour-blind people; one per emotion"""
GREY: Colour = (150, 150, 150)
"""of an unsure face"""
LONGEST_NAME = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What is drawn around one face."""

    box: Box
    """pixels of the frame; may reach outside"""
    text: str
    """one line"""
    colour: Colour
    """of the emotion"""


class Marks:
    """The marks of every moment of a timeline; ask in time order or not."""

    def __init__(self, timeline: Timeline) -> None:
        self._colours = {name: PALETTE[n % len(PALETTE)] for n, name in enumerate(timeline.emotions)} | {UNSURE: GREY}
        least = timeline.options.min_confidence
        self._faces = [(face, said_emotions(face.smoothed, timeline.emotions, least)) for face in timeline.tracks]
        self._faces.sort(key=lambda one: one[0].extents[0][0])
        self._starts = [face.extents[0][0] for face, _ in self._faces]
        self._longest = max((face.extents[-1][1] - face.extents[0][0] for face, _ in self._faces), default=0)

    def at(self, pts: int) -> list[Mark]:
        """The marks of the frame shown at `pts`."""
        first, last = bisect_right(self._starts, pts - self._longest - 1), bisect_right(self._starts, pts)
        shown = [one for one in self._faces[first:last] if pts < one[0].extents[-1][1]]
        return [self._mark(face, names, pts) for face, names in shown]

    def _mark(self, face: Followed, names: list[str], pts: int) -> Mark:
        place = bisect_right([begin for begin, _ in face.extents], pts) - 1
        emotion = names[place]
        sure = "" if emotion == UNSURE else f" {face.smoothed[place].max():.0%}"
        name = " ".join(face.track.character.split())[:LONGEST_NAME]
        return Mark(box=box_at(face, pts), text=f"{name} {emotion}{sure}".strip(), colour=self._colours[emotion])


def box_at(face: Followed, pts: int) -> Box:
    """Where a face is at `pts`: between two sightings on the line between them, else where it was seen nearest."""
    times = [one.pts for one in face.sightings]
    after = bisect_right(times, pts)
    if after in (0, len(times)):
        return face.sightings[min(after, len(times) - 1)].box
    a, b = face.sightings[after - 1], face.sightings[after]
    share = (pts - a.pts) / (b.pts - a.pts)

    def between(x: int, y: int) -> int:
        return round(x + share * (y - x))

    left, top = between(a.box.left, b.box.left), between(a.box.top, b.box.top)
    return Box(
        left=left,
        top=top,
        right=max(left + 1, between(a.box.right, b.box.right)),
        bottom=max(top + 1, between(a.box.bottom, b.box.bottom)),
    )


def drawn(image_HW3: RGB, marks: list[Mark]) -> RGB:
    """The frame with its marks; the frame itself where there are none."""
    if not marks:
        return image_HW3
    picture = image_HW3.copy()
    height, width = picture.shape[:2]
    line = max(2, height // 240)
    for mark in marks:
        box = mark.box
        for left, top, right, bottom in (
            (box.left, box.top, box.right, box.top + line), (box.left, box.bottom - line, box.right, box.bottom),
            (box.left, box.top, box.left + line, box.bottom), (box.right - line, box.top, box.right, box.bottom),
        ):  # fmt: skip
            picture[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = mark.colour
        label = _label(mark.text, mark.colour, max(11, height // 26))
        rows, columns = min(label.shape[0], height), min(label.shape[1], width)
        top = min(max(0, box.top - rows), height - rows)
        left = min(max(0, box.left), width - columns)
        picture[top : top + rows, left : left + columns] = label[:rows, :columns]
    return picture


@lru_cache(maxsize=512)
def _label(text: str, colour: Colour, size: int) -> RGB:
    """The text on its colour, black or white, whichever is read better."""
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    pad = max(2, size // 5)
    picture = Image.new("RGB", (int(right - left) + 2 * pad, int(bottom - top) + 2 * pad), colour)
    bright = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140
    ImageDraw.Draw(picture).text((pad - left, pad - top), text, fill="black" if bright else "white", font=font)
    return np.asarray(picture, dtype=np.uint8)
