"""Where faces are drawn: lines and surfaces on a transparent picture, and a head that turns."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 224
"""pixels of the picture"""
Colour = tuple[int, int, int]
Points = NDArray[np.float64]
"""(N, 2) x and y; downwards"""
_TURN = np.linspace(0, 2 * np.pi, 48, endpoint=False)
BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)


def ellipse(across: float, down: float, x: float = 0.0, y: float = 0.0) -> Points:
    """(48, 2) its outline, by its half sides and middle."""
    return np.stack([x + across * np.cos(_TURN), y + down * np.sin(_TURN)], axis=1)


def superellipse(roundness: float) -> Points:
    """(48, 2) an outline from -1 to 1 between a rhombus (1), a circle (2) and a box."""
    both = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)
    return np.asarray(np.sign(both) * np.abs(both) ** (2 / roundness), dtype=np.float64)


def points(x: NDArray[np.float64], y: NDArray[np.float64] | float) -> Points:
    """(N, 2) of coordinates."""
    return np.stack(np.broadcast_arrays(x, y), axis=1).astype(np.float64)


def between(upper: Points, lower: Points) -> Points:
    """The outline of what lies between two lines that run the same way."""
    return np.concatenate([upper, lower[::-1]])


class Canvas:
    """An RGBA picture that is drawn on."""

    def __init__(self) -> None:
        self.picture_SS4 = np.zeros((SIDE, SIDE, 4), dtype=np.uint8)

    def fill(self, outline: Points, colour: Colour) -> None:
        """A surface, by its outline in pixels."""
        cv2.fillPoly(self.picture_SS4, _fixed(outline), (*colour, 255), cv2.LINE_AA, _SHIFT)

    def line(self, along: Points, colour: Colour, width: float, *, closed: bool = False) -> None:
        """A stroke `width` pixels wide; none below .4."""
        if width >= 0.4:
            strength = max(1, round(width))
            cv2.polylines(self.picture_SS4, _fixed(along), closed, (*colour, 255), strength, cv2.LINE_AA, _SHIFT)

    def darken(self, outline: Points, moved: tuple[float, float], share: float) -> None:
        """Shade on a surface, where its outline moved by so many pixels does not cover it."""
        masks = [np.zeros((SIDE, SIDE), dtype=np.uint8) for _ in range(2)]
        for mask, path in zip(masks, (outline, outline + moved), strict=True):
            cv2.fillPoly(mask, _fixed(path), (255,), cv2.LINE_AA, _SHIFT)
        shaded = (masks[0] > 0) & (masks[1] == 0)
        self.picture_SS4[shaded, :3] = (self.picture_SS4[shaded, :3] * share).astype(np.uint8)


_SHIFT = 4


def _fixed(outline: Points) -> list[NDArray[np.int32]]:
    return [np.round(outline * (1 << _SHIFT)).astype(np.int32)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """An egg that turns: from places on its front to pixels."""

    across: float
    """half its width, in half pictures"""
    down: float
    """half its height"""
    yaw: float
    """radians to the side"""
    pitch: float
    """radians up or down"""
    taper: float
    """above 0 wider below"""

    def pixels(self, places: Points, bulge: float = 0.0) -> Points:
        """Of places from -1 to 1 each way, `bulge` half faces before the surface: a muzzle moves further than the eyes."""
        x, y = places[:, 0], places[:, 1]
        z = np.sqrt(np.clip(1 - x * x - y * y, 0.02, 1)) + bulge
        turned = x * math.cos(self.yaw) + z * math.sin(self.yaw)
        behind = z * math.cos(self.yaw) - x * math.sin(self.yaw)
        tilted = y * math.cos(self.pitch) + behind * math.sin(self.pitch)
        return self.flat(np.stack([turned, tilted], axis=1))

    def flat(self, places: Points) -> Points:
        """The same, as on a sheet of paper."""
        wide = places[:, 0] * (1 + self.taper * places[:, 1])
        return SIDE / 2 * (1 + np.stack([self.across * wide, self.down * places[:, 1]], axis=1))
