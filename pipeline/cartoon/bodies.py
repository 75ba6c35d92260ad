"""Bodies under the heads: plain shapes drawn straight into the frame, none of them tells the emotion."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.cartoon.cast import Actor
from pipeline.core.images import RGB

INK = (31, 26, 30)
TROUSERS = (58, 62, 84)
_SHIFT = 4
"""fractional bits of OpenCV's drawing coordinates"""

_TURNS = np.linspace(0, 2 * math.pi, 20, endpoint=False)
_CIRCLE = np.stack([np.cos(_TURNS), np.sin(_TURNS)], axis=1)

Points = NDArray[np.float64]
"""(N, 2) of x, y"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """Where a body stands in the picture."""

    x: float
    """pixels, of the face's center when the head is upright"""
    y: float
    """pixels, of the face's center when the head is upright"""
    unit: float
    """pixels per face width"""
    mirrored: bool
    """faces the other way"""

    def at(self, points: list[tuple[float, float]]) -> Points:
        """Pixels of points given in face widths from the face's center."""
        side = -1.0 if self.mirrored else 1.0
        return np.array([(self.x + side * x * self.unit, self.y + y * self.unit) for x, y in points])


def rgb_of(color: str) -> tuple[int, int, int]:
    """`#rrggbb` as three integers."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def neck_of(actor: Actor) -> tuple[float, float]:
    """Where head and body meet, in face widths from the face's center: what a head turns about."""
    x, _, half_width, half_height = actor.anatomy.face
    if actor.build == "blob":
        return 0.0, half_height / (2 * half_width)
    _, left, right = actor.anatomy.neck
    return ((left + right) / 2 - x) / (2 * half_width), half_height / (2 * half_width) + 0.12


class Brush:
    """Fills shapes in the picture and takes their pixels from whatever face was there."""

    def __init__(self, picture: RGB, owner: NDArray[np.uint8], line: int) -> None:
        self.picture, self.owner, self.line = picture, owner, line

    def shape(self, points: Points, color: tuple[int, int, int]) -> None:
        """A filled polygon with an inked outline."""
        fixed = [np.round(points * 2**_SHIFT).astype(np.int32)]
        cv2.fillPoly(self.picture, fixed, color, cv2.LINE_AA, _SHIFT)
        cv2.fillPoly(self.owner, fixed, (0,), cv2.LINE_8, _SHIFT)
        cv2.polylines(self.picture, fixed, True, INK, self.line, cv2.LINE_AA, _SHIFT)

    def limb(self, points: Points, thickness: float, color: tuple[int, int, int]) -> None:
        """A thick inked stroke."""
        fixed = [np.round(points * 2**_SHIFT).astype(np.int32)]
        inner = max(round(thickness), 1)
        cv2.polylines(self.picture, fixed, False, INK, inner + 2 * self.line, cv2.LINE_AA, _SHIFT)
        cv2.polylines(self.owner, fixed, False, (0,), inner + 2 * self.line, cv2.LINE_8, _SHIFT)
        cv2.polylines(self.picture, fixed, False, color, inner, cv2.LINE_AA, _SHIFT)

    def disc(self, center: Points, radius: float, color: tuple[int, int, int]) -> None:
        """A filled circle with an inked outline."""
        self.shape(center + radius * _CIRCLE, color)


def _arm(stand: Stand, shoulder: tuple[float, float], side: int, degrees: int, length: float) -> tuple[Points, Points]:
    """Shoulder, elbow and hand in pixels; the hand's center apart."""
    turn = math.radians(degrees)
    elbow = shoulder[0] + side * 0.55 * length * math.cos(turn), shoulder[1] + 0.55 * length * math.sin(turn)
    bend = turn - math.radians(25)
    hand = elbow[0] + side * 0.5 * length * math.cos(bend), elbow[1] + 0.5 * length * math.sin(bend)
    points = stand.at([shoulder, elbow, hand])
    return points, points[2:3]


def draw_person(brush: Brush, stand: Stand, actor: Actor, arms: tuple[int, int]) -> None:
    """Legs, torso and arms of a person, over the lower end of the neck."""
    neck_x, neck_y = neck_of(actor)
    shirt, skin, unit = rgb_of(actor.shirt), rgb_of(actor.skin), stand.unit
    hip = neck_y + 1.55
    for side in (-1, 1):
        x = neck_x + side * 0.27
        brush.limb(stand.at([(x, hip - 0.1), (x + side * 0.04, hip + 0.95)]), 0.34 * unit, TROUSERS)
        brush.limb(stand.at([(x, hip + 1.0), (x + 0.18, hip + 1.02)]), 0.2 * unit, INK)
    outline = [
        (-0.27, -0.03), (-0.12, 0.07), (0.05, 0.09), (0.2, 0.05), (0.3, -0.03), (0.52, 0.06), (0.68, 0.22), (0.72, 0.5),
        (0.6, 1.6), (-0.6, 1.6), (-0.72, 0.5), (-0.68, 0.22), (-0.52, 0.06),
    ]  # fmt: skip
    brush.shape(stand.at([(neck_x + x, neck_y + y) for x, y in outline]), shirt)
    for side, degrees in zip((-1, 1), arms, strict=True):
        points, hand = _arm(stand, (neck_x + side * 0.6, neck_y + 0.34), side, degrees, 1.25)
        brush.limb(points, 0.27 * unit, shirt)
        brush.disc(hand, 0.18 * unit, skin)


def draw_blob(brush: Brush, stand: Stand, actor: Actor, arms: tuple[int, int]) -> None:
    """Arms and legs that come out of a round head; drawn before it."""
    _, foot = neck_of(actor)
    skin, shoes, unit = rgb_of(actor.skin), rgb_of(actor.shirt), stand.unit
    for side in (-1, 1):
        brush.limb(stand.at([(side * 0.18, foot - 0.1), (side * 0.2, foot + 0.42)]), 0.1 * unit, skin)
        brush.limb(stand.at([(side * 0.2, foot + 0.46), (side * 0.2 + 0.12, foot + 0.46)]), 0.14 * unit, shoes)
    for side, degrees in zip((-1, 1), arms, strict=True):
        points, hand = _arm(stand, (side * 0.4, 0.2), side, degrees, 0.7)
        brush.limb(points, 0.1 * unit, skin)
        brush.disc(hand, 0.1 * unit, shoes)
