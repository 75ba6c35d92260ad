"""Who is drawn: the shapes, colours and habits of one invented character, whatever it feels."""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from train.expressions.canvas import BLACK, WHITE, Colour

EARS = ("none", "round", "pointed", "long", "at the side")
EYES = ("oval", "oval", "oval", "dot", "pie-cut", "iris", "bead")
"""ovals are what most cartoons have"""
NOSES = ("none", "dot", "ball", "triangle", "hook", "nostrils")


@dataclass(frozen=True, slots=True, kw_only=True)
class Character:
    """All sizes in half faces, all widths of strokes in pixels."""

    fur: Colour
    light: Colour
    """the same, paler: muzzles, inner ears"""
    ink: Colour
    stroke: float
    size: tuple[float, float]
    """half width and height, in half pictures"""
    roundness: float
    """of the head: 2 an ellipse, more is boxier"""
    taper: float
    ears: str
    ear_size: float
    ear_colour: Colour
    hair: Colour | None
    hat: Colour | None
    hat_height: float
    eyes: str
    eye_apart: float
    """from the middle of the face"""
    eye_height: float
    """of their middles, downwards"""
    eye_size: tuple[float, float]
    eye_white: Colour
    pupil_colour: Colour
    pupil_size: float
    iris: Colour
    shines: bool
    patches: Colour | None
    """around the eyes"""
    lid_line: bool
    lid_tilt: float
    """how far anger and grief slant the lids"""
    brow_width: float
    """0: none"""
    brow_length: float
    """in half eyes"""
    brow_gap: float
    brow_bow: float
    brow_colour: Colour
    brow_tapers: bool
    nose: str
    nose_size: float
    nose_colour: Colour
    muzzle: float
    """how far it stands out; 0: none"""
    muzzle_size: tuple[float, float]
    muzzle_colour: Colour
    mouth_height: float
    """downwards"""
    mouth_bow: float
    mouth_stroke: float
    mouth_ink: Colour
    throat: Colour
    tongue: Colour | None
    lips: Colour | None
    cat_mouth: bool
    cheeks: Colour | None
    glasses: float
    """stroke; 0: none"""
    whiskers: bool

    @classmethod
    def invented(cls, chance: np.random.Generator) -> Self:
        """Somebody new."""

        def some(least: float, most: float) -> float:
            return float(chance.uniform(least, most))

        def maybe(share: float) -> bool:
            return bool(chance.random() < share)

        fur = hsv(some(0, 180), 255 * some(0, 0.9) ** 1.5, some(60, 255))
        if maybe(0.3):  # skin
            fur = hsv(some(5, 20), some(40, 170), some(110, 255))
        light = paler(fur, some(0.2, 0.7))
        ink = BLACK if maybe(0.6) else scaled(fur, some(0, 0.5))
        eye_across = some(0.1, 0.24)
        touching = maybe(0.15)
        return cls(
            fur=fur,
            light=light,
            ink=ink,
            stroke=some(0, 5) if maybe(0.85) else 0.0,
            size=(some(0.42, 0.62), some(0.42, 0.64)),
            roundness=some(1.8, 3.2),
            taper=some(-0.25, 0.25),
            ears=str(chance.choice(EARS)),
            ear_size=some(0.6, 1.4),
            ear_colour=fur if maybe(0.7) else any_colour(chance),
            hair=any_colour(chance) if maybe(0.3) else None,
            hat=any_colour(chance) if maybe(0.25) else None,
            hat_height=some(0.1, 0.45),
            eyes=str(chance.choice(EYES)),
            eye_apart=eye_across * some(0.95, 1.05) if touching else some(0.24, 0.42),
            eye_height=some(-0.35, 0),
            eye_size=(eye_across, eye_across * some(0.8, 1.9)),
            eye_white=WHITE if maybe(0.8) else any_colour(chance, 200),
            pupil_colour=ink if maybe(0.7) else any_colour(chance, 0, 110),
            pupil_size=some(0.3, 0.7),
            iris=any_colour(chance, 30, 220),
            shines=maybe(0.4),
            patches=(light if maybe(0.5) else any_colour(chance)) if maybe(0.15) else None,
            lid_line=maybe(0.6),
            lid_tilt=some(0.3, 1),
            brow_width=some(1.5, 9) if maybe(0.72) else 0.0,
            brow_length=some(0.8, 1.6),
            brow_gap=some(0.1, 0.25),
            brow_bow=some(-0.05, 0.12),
            brow_colour=ink if maybe(0.6) else any_colour(chance, 0, 160),
            brow_tapers=maybe(0.5),
            nose=str(chance.choice(NOSES)),
            nose_size=some(0, 1),
            nose_colour=ink if maybe(0.5) else any_colour(chance),
            muzzle=some(0.05, 0.45) if maybe(0.4) else 0.0,
            muzzle_size=(some(0.35, 0.6), some(0.25, 0.42)),
            muzzle_colour=light if maybe(0.7) else fur,
            mouth_height=some(0.3, 0.55),
            mouth_bow=some(0.7, 1.3),
            mouth_stroke=some(0.8, 1.5),
            mouth_ink=ink if maybe(0.8) else any_colour(chance, 0, 120),
            throat=hsv(some(170, 180), some(120, 255), some(20, 160)) if maybe(0.6) else BLACK,
            tongue=hsv(some(0, 8), some(80, 200), some(170, 255)) if maybe(0.5) else None,
            lips=hsv(some(0, 10), some(60, 220), some(120, 255)) if maybe(0.12) else None,
            cat_mouth=maybe(0.12),
            cheeks=hsv(some(0, 10), some(60, 180), 255) if maybe(0.15) else None,
            glasses=some(1.5, 4) if maybe(0.12) else 0.0,
            whiskers=maybe(0.12),
        )


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """RGB of a hue in 0..180, the others in 0..255."""
    pixel = np.array([[[hue % 180, min(saturation, 255), min(value, 255)]]], dtype=np.uint8)
    red, green, blue = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return red, green, blue


def paler(colour: Colour, share: float) -> Colour:
    """So much nearer to white."""
    red, green, blue = (round(255 - (255 - value) * (1 - share)) for value in colour)
    return red, green, blue


def scaled(colour: Colour, share: float) -> Colour:
    """Darker."""
    red, green, blue = (round(value * share) for value in colour)
    return red, green, blue


def any_colour(chance: np.random.Generator, least: int = 0, end: int = 256) -> Colour:
    """Each channel at random."""
    red, green, blue = chance.integers(least, end, 3).tolist()
    return red, green, blue
