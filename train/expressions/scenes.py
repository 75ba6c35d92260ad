"""Puts a drawn face into a picture as a detector would cut it out of a film: before something, lit, blurred, grained, coded."""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from train.expressions.canvas import SIDE
from train.expressions.characters import Character, any_colour
from train.expressions.faces import draw_face
from train.expressions.looks import ANY, EMOTIONS, look_of, measures_of

RGB = NDArray[np.uint8]
OF_NO_EMOTION = 4 / 14
"""share of the faces with any numbers"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """One picture to learn from."""

    picture: RGB
    """(side, side, 3)"""
    emotion: int
    """number among EMOTIONS; -1: none in particular"""
    measures: NDArray[np.float32]
    """of MEASURED"""
    visible: NDArray[np.float32]
    """1 for those that the picture shows, else 0"""


def expression(seed: int, side: int) -> Expression:
    """The face of that number, the same on every machine: another character, look and film for each."""
    chance = np.random.default_rng(seed)
    character = Character.invented(chance)
    number = -1 if chance.random() < OF_NO_EMOTION else int(chance.integers(len(EMOTIONS)))
    look = look_of(ANY if number < 0 else list(EMOTIONS.values())[number], chance)
    measures = measures_of(look)
    visible = np.ones_like(measures)
    if not character.brow_width:
        visible[0] = 0
        visible[1] = look.eye_opening < 1  # lids slant with the brows
    picture = filmed(draw_face(character, look, chance), chance)
    way = cv2.INTER_LINEAR if picture.shape[0] < side else cv2.INTER_AREA
    return Expression(
        picture=np.asarray(cv2.resize(picture, (side, side), interpolation=way), dtype=np.uint8),
        emotion=number,
        measures=measures,
        visible=visible,
    )


def filmed(face_SS4: NDArray[np.uint8], chance: np.random.Generator) -> RGB:
    """(S, S, 3) with S from 30 to 150: the RGBA face as one frame of one film."""

    def some(least: float, most: float) -> float:
        return float(chance.uniform(least, most))

    side = int(math.exp(some(math.log(30), math.log(150))))
    values: NDArray[np.floating[Any]] = _placed(face_SS4, side, chance)
    if chance.random() < 0.15:  # something before it
        corner = chance.integers(0, 2, 2) * 0.95
        shape = ((chance.uniform(-0.3, 0.35, (4, 2)) + corner) * side).astype(np.int32)
        cv2.fillPoly(values, [shape], any_colour(chance), cv2.LINE_AA)
    if chance.random() < 0.35:
        mixing = np.eye(3) + chance.normal(0, 0.15, (3, 3))
        values = values @ np.abs(mixing / np.maximum(mixing.sum(axis=0, keepdims=True), 0.3)).astype(np.float32)
    values = 255 * np.clip(values / 255, 0, 1) ** math.exp(chance.normal(0, 0.3))
    values = (values - 128) * math.exp(chance.normal(-0.1, 0.25)) + 128 + chance.normal(0, 14)
    if chance.random() < 0.6:
        values = np.asarray(cv2.GaussianBlur(values, (0, 0), some(0.3, 1.3)), dtype=values.dtype)
    if chance.random() < 0.6:
        values = values + chance.normal(0, some(1, 14), (side, side, 1))
    picture = np.clip(values, 0, 255).astype(np.uint8)
    if chance.random() < 0.35:
        picture = np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    if chance.random() < 0.7:
        quality = int(chance.integers(12, 85))
        coded = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        picture = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), dtype=np.uint8)[..., ::-1]
    return np.ascontiguousarray(picture)


def _placed(face_SS4: NDArray[np.uint8], side: int, chance: np.random.Generator) -> NDArray[np.float32]:
    """(side, side, 3): turned, stretched and half of the time mirrored, before a background."""
    zoom = SIDE / side * float(chance.uniform(0.45, 0.62)) * math.exp(chance.uniform(-0.1, 0.45))
    angle = float(chance.normal(0, 0.2))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = zoom * turn @ np.array([[math.exp(chance.normal(0, 0.1)), chance.normal(0, 0.08)], [0.0, 1.0]])
    if chance.random() < 0.5:
        matrix[0] *= -1
    offset = SIDE / 2 + chance.normal(0, 0.05, 2) * SIDE - matrix @ np.array([side / 2, side / 2])
    face = face_SS4.astype(np.float32)
    face[..., :3] *= face[..., 3:] / 255  # by how much they cover, so that edges keep their colour
    if zoom > 1:
        face = np.asarray(cv2.GaussianBlur(face, (0, 0), 0.45 * zoom), dtype=np.float32)
    way = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(face, np.column_stack([matrix, offset]), (side, side), flags=way)
    return np.asarray(_background(side, chance) * (1 - moved[..., 3:] / 255) + moved[..., :3], dtype=np.float32)


def _background(side: int, chance: np.random.Generator) -> RGB:
    """A colour or a slope of two, and a few flat shapes and strokes."""
    picture = np.empty((side, side, 3), dtype=np.uint8)
    picture[:] = any_colour(chance)
    if chance.random() < 0.3:
        share = np.linspace(0, 1, side)[:, None, None]
        picture[:] = picture * (1 - share) + np.array(any_colour(chance)) * share
    for _ in range(int(chance.integers(0, 7))):
        colour, corners = any_colour(chance), chance.uniform(-0.2, 1.2, (int(chance.integers(3, 7)), 2)) * side
        if chance.random() < 0.6:
            cv2.fillPoly(picture, [corners.astype(np.int32)], colour, cv2.LINE_AA)
        else:
            cv2.polylines(picture, [corners.astype(np.int32)], False, colour, int(chance.integers(1, 6)), cv2.LINE_AA)
    return picture
