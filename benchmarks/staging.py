"""Puts a drawn face into a picture as a cut-out of a film has it: askew, recoloured, before something, blurred, coded."""

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

RGB = NDArray[np.uint8]
"""(S, S, 3)"""


def staged(face_SS4: NDArray[np.uint8], side: int, chance: np.random.Generator) -> RGB:
    """(side, side, 3): the RGBA face in a picture of its own; all that is random comes from `chance`."""
    size = face_SS4.shape[0]
    picture = Image.fromarray(face_SS4).transform(
        (side, side),
        Image.Transform.AFFINE,
        placement(size, side, chance),
        resample=Image.Resampling.BILINEAR,
    )
    behind = backdrop(side, chance)
    behind.paste(picture, (0, 0), picture)
    return _coded(_recoloured(behind, chance), chance)


def placement(size: int, side: int, chance: np.random.Generator) -> tuple[float, ...]:
    """The map from a place in the new picture to one in the old, as Pillow wants it."""
    zoom = size / side * math.exp(chance.uniform(-0.3, 0.25))
    angle, shear = math.radians(chance.normal(0, 9)), chance.normal(0, 0.08)
    stretch = math.exp(chance.normal(0, 0.1))
    turned = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = zoom * turned @ np.array([[stretch, shear], [0.0, 1 / stretch]])
    if chance.random() < 0.5:
        matrix[0] *= -1
    middle = size / 2 + chance.normal(0, 0.06, 2) * size
    offset = middle - matrix @ np.array([side / 2, side / 2])
    return (*matrix[0], offset[0], *matrix[1], offset[1])


def backdrop(side: int, chance: np.random.Generator) -> Image.Image:
    """A few flat shapes over a colour."""
    picture = Image.new("RGB", (side, side), _colour(chance))
    pen = ImageDraw.Draw(picture)
    for _ in range(chance.integers(0, 6)):
        corners = [tuple(point) for point in chance.uniform(-0.2, 1.2, (int(chance.integers(2, 5)), 2)) * side]
        if len(corners) == 2:
            pen.line(corners, fill=_colour(chance), width=int(chance.integers(1, side // 6)))
        else:
            pen.polygon(corners, fill=_colour(chance))
    return picture


def _colour(chance: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = chance.integers(0, 256, 3).tolist()
    return red, green, blue


def _recoloured(picture: Image.Image, chance: np.random.Generator) -> Image.Image:
    """Other hues, another light; now and then no colour at all."""
    values = np.asarray(picture, dtype=np.float32) / 255
    mixing = np.eye(3) + chance.normal(0, 0.18, (3, 3))
    if chance.random() < 0.25:
        mixing = mixing[:, chance.permutation(3)]
    if chance.random() < 0.15:
        mixing = np.full((3, 3), 1 / 3)
    mixing /= np.maximum(mixing.sum(axis=0, keepdims=True), 0.3)
    values = np.clip(values @ mixing, 0, 1) ** math.exp(chance.normal(0, 0.3))
    values = (values - 0.5) * math.exp(chance.normal(-0.1, 0.25)) + 0.5 + chance.normal(0, 0.06)
    return Image.fromarray((np.clip(values, 0, 1) * 255).astype(np.uint8))


def _coded(picture: Image.Image, chance: np.random.Generator) -> RGB:
    """As small as faces in films are, blurred, and through a codec."""
    side = picture.width
    if chance.random() < 0.7:
        small = int(np.exp(chance.uniform(np.log(28), np.log(side))))
        picture = picture.resize((small, small), Image.Resampling.BOX).resize((side, side), Image.Resampling.BILINEAR)
    if chance.random() < 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(float(chance.uniform(0.3, 1.8))))
    if chance.random() < 0.6:
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=int(chance.integers(20, 90)))
        picture = Image.open(stream).convert("RGB")
    return np.asarray(picture, dtype=np.uint8)


def jittered(picture: RGB, chance: np.random.Generator) -> RGB:
    """The same picture, its edges a few pixels elsewhere, as the crops of one shot are."""
    side = picture.shape[0]
    edges = np.clip(chance.uniform(-0.04, 0.04, 4) * side + (0, 0, side, side), 0, side)
    left, top, right, bottom = edges.tolist()
    moved = Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    return np.asarray(moved, dtype=np.uint8)
