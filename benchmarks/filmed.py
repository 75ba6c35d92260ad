"""Puts drawn faces into the shots of an old film as a cascade would cut them out: a stand-in for real film.

A film has one stock: colour or grey, so much grain, such a codec, faces so large. A shot has its backdrop and its light. From frame
to frame the picture weaves in the gate and the light flickers; grain and dust are new in every frame. The codec works on the
whole frame, at the size of the film, before anything is cut out; the boxes are placed and sized as loosely as a cascade's.
"""

import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.staging import RGB, backdrop, placement

MARGIN = 2.0
"""a frame's side in sides of the face"""
LARGEST_GRAIN = 14.0
"""deviation, of 255"""


@dataclass(frozen=True, slots=True)
class Stock:
    """What all shots of a film have in common."""

    grey: bool
    face_sides: tuple[int, int]
    """smallest and largest side of a face, in pixels of the film"""
    grain: float
    """deviation of a pixel from frame to frame, of 255"""
    softness: float
    """of the lens: deviation of a Gaussian, in pixels"""
    weave: float
    """deviation of the frame's place, in pixels"""
    quality: int
    """of the codec, as JPEG counts it"""
    gamma: float


def stock_of(chance: np.random.Generator) -> Stock:
    """A film, half of them grey."""
    smallest = int(chance.integers(26, 48))
    return Stock(
        grey=bool(chance.random() < 0.5),
        face_sides=(smallest, int(smallest * chance.uniform(1.5, 2.5))),
        grain=float(chance.uniform(2, LARGEST_GRAIN)),
        softness=float(chance.uniform(0.3, 1.1)),
        weave=float(chance.uniform(0.2, 1.2)),
        quality=int(chance.integers(12, 55)),
        gamma=float(math.exp(chance.normal(0, 0.2))),
    )


def scene_of(face_SS4: NDArray[np.uint8], stock: Stock, chance: np.random.Generator) -> Image.Image:
    """A shot's drawing: the RGBA face in the middle of a frame of the film's size, about `1 / MARGIN` of its side."""
    side = round(MARGIN * chance.uniform(*stock.face_sides))
    room = round(face_SS4.shape[0] * (MARGIN - 1) / 2)
    roomy = np.pad(face_SS4, ((room, room), (room, room), (0, 0)))
    drawn = Image.fromarray(roomy).resize((2 * side, 2 * side), Image.Resampling.BOX)
    placed = drawn.transform(
        (side, side), Image.Transform.AFFINE, placement(2 * side, side, chance), resample=Image.Resampling.BILINEAR
    )
    scene = backdrop(side, chance)
    scene.paste(placed, (0, 0), placed)
    light = math.exp(chance.normal(0, 0.15))
    values = 255 * np.clip(np.asarray(scene, dtype=np.float32) / 255 * light, 0, 1) ** stock.gamma
    return Image.fromarray(values.astype(np.uint8))


def frame_of(scene: Image.Image, stock: Stock, chance: np.random.Generator) -> Image.Image:
    """One frame of the shot, as the file holds it."""
    x, y = chance.normal(0, stock.weave, 2).tolist()
    turn = chance.normal(0, 0.004)
    woven = scene.transform(
        scene.size, Image.Transform.AFFINE, (1, -turn, x, turn, 1, y), resample=Image.Resampling.BILINEAR
    )
    if chance.random() < 0.3:
        pen, spot = ImageDraw.Draw(woven), chance.uniform(0, scene.width, 2).tolist()
        pen.ellipse((*spot, spot[0] + chance.uniform(1, 4), spot[1] + chance.uniform(1, 6)), fill=(230, 230, 230))
    values = np.asarray(woven.filter(ImageFilter.GaussianBlur(stock.softness)), dtype=np.float32)
    values = values * math.exp(chance.normal(0, 0.03)) + chance.normal(0, stock.grain, (*values.shape[:2], 1))
    frame = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    if stock.grey:
        frame = frame.convert("L").convert("RGB")
    stream = io.BytesIO()
    frame.save(stream, "JPEG", quality=stock.quality)
    return Image.open(stream).convert("RGB")


def cut_out(frame: Image.Image, chance: np.random.Generator) -> RGB:
    """(S, S, 3): the face as a cascade finds it, its box up to a third too large and off by a tenth of its side."""
    face = frame.width / MARGIN
    side = min(frame.width, round(face * math.exp(chance.uniform(-0.1, 0.35))))
    left, top = (round((frame.width - side) / 2 + off * face) for off in chance.normal(0, 0.06, 2))
    room = frame.width - side
    left, top = min(max(left, 0), room), min(max(top, 0), room)
    return np.asarray(frame.crop((left, top, left + side, top + side)), dtype=np.uint8)
