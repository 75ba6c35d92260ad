"""Where in the frame of a copy a box of the episode lies: copies are scaled, squeezed, and cropped a little at the edges.

A recipe holds no picture to compare with, but the pHash of every box. So the framing is found as the one under which the
boxes of some items hash as they should: coordinate descent from the whole frame, in ever smaller steps.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

from pipeline.core.geometry import clip
from pipeline.core.images import RGB, cut
from pipeline.core.manifest import Example
from pipeline.core.places import Box

STEPS = (0.02, 0.01, 0.005)
"""of the frame"""
FURTHEST = 0.12
"""of the frame, that a copy may be scaled or moved against the episode"""
GOOD_BITS = 3.0
"""of 64, in the mean: nothing needs to be looked for"""
WORST_BITS = 24
"""an item further off counts as this: it may be at another moment altogether"""
GAIN_BITS = 0.75
"""in the mean, for a framing to replace the whole frame"""

Hash = Callable[[RGB], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """How places map: `theirs = scale * ours + shift`, both as shares of the frame's width and height."""

    scale_x: float = 1.0
    """across"""
    shift_x: float = 0.0
    """across"""
    scale_y: float = 1.0
    """down"""
    shift_y: float = 0.0
    """down"""

    def box(self, box: Box, size: tuple[int, int], frame_HW3: RGB) -> Box | None:
        """The box, of a frame of `size` (width, height), in the copy's frame; None when nothing of it is inside."""
        height, width = frame_HW3.shape[:2]
        left, right = (round(width * (self.scale_x * x / size[0] + self.shift_x)) for x in (box.left, box.right))
        top, bottom = (round(height * (self.scale_y * y / size[1] + self.shift_y)) for y in (box.top, box.bottom))
        if right <= left or bottom <= top:
            return None
        return clip(Box(left=left, top=top, right=right, bottom=bottom), width, height)


WHOLE = Framing()
"""the copy shows what the episode shows, from edge to edge"""


def find_framing(samples: Sequence[tuple[Example, RGB]], size: tuple[int, int], phash: Hash) -> Framing:
    """The framing under which the samples (item, frame that should show it) hash best."""
    if not samples:
        return WHOLE
    first = _bits(samples, size, WHOLE, phash)
    if first <= GOOD_BITS:
        return WHOLE
    best, bits = WHOLE, first
    for step in STEPS:
        improved = True
        while improved:
            improved = False
            for framing in _neighbours(best, step):
                found = _bits(samples, size, framing, phash)
                if found < bits - 1e-9:
                    best, bits, improved = framing, found, True
    return best if first - bits >= GAIN_BITS else WHOLE


def _neighbours(framing: Framing, step: float) -> list[Framing]:
    """The framings one step away in one direction, and those that keep the middle where it is."""
    found = []
    for field in fields(Framing):
        for signed in (-step, step):
            value = getattr(framing, field.name) + signed
            found.append(replace(framing, **{field.name: value}))
            if field.name.startswith("scale"):
                other = f"shift{field.name.removeprefix('scale')}"
                shift = getattr(framing, other) - signed / 2
                found.append(replace(framing, **{field.name: value, other: shift}))
    return [f for f in found if max(abs(f.scale_x - 1), abs(f.scale_y - 1), abs(f.shift_x), abs(f.shift_y)) <= FURTHEST]


def _bits(samples: Sequence[tuple[Example, RGB]], size: tuple[int, int], framing: Framing, phash: Hash) -> float:
    """Mean Hamming distance of the samples' hashes under a framing."""
    total = 0
    for item, frame_HW3 in samples:
        box = framing.box(item.box, size, frame_HW3)
        bits = WORST_BITS
        if box is not None:
            picture = cut(frame_HW3, box.left, box.top, box.right, box.bottom)
            bits = min(WORST_BITS, (int(phash(picture), 16) ^ int(item.phash, 16)).bit_count())
        total += bits
    return total / len(samples)
