"""Puts a moment of a shot into pixels, and knows for every face what is seen of it."""

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.cartoon.acting import Performance, Pose, Thing
from pipeline.cartoon.backdrops import backdrop
from pipeline.cartoon.bodies import Brush, Stand, draw_blob, draw_person, neck_of
from pipeline.cartoon.cast import ACTORS
from pipeline.cartoon.heads import HANDS, LEVELS, Cel, cel
from pipeline.cartoon.light import lit
from pipeline.cartoon.plan import ShotPlan, ShotState
from pipeline.cartoon.props import prop
from pipeline.cartoon.truth import FaceTruth
from pipeline.core.images import RGB
from pipeline.core.places import Box

SEEN_AT_LEAST = 0.02
"""faces of which less is seen are not in the truth"""
SIZE_STEP = 1.12
"""face widths within this factor count as about the same size"""

Matrix = NDArray[np.float64]
"""(2, 3): x, y, 1 to x, y"""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A drawn moment."""

    picture: RGB
    """(H, W, 3) uint8"""
    faces: tuple[FaceTruth, ...]
    """back to front"""


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A face put on the canvas, before its visible share is known."""

    track: str
    performance: Performance
    pose: Pose
    matrix: Matrix
    """face widths from the face's center to pixels"""
    half_height: float


@lru_cache(maxsize=4)
def _background(place: str, seed: str, view: tuple[float, float, float], width: int, height: int) -> RGB:
    """The backdrop as the camera sees it; kept, because most cameras stand still."""
    painting = backdrop(place, seed, width, height)
    rows, columns = painting.shape[:2]
    x, y, zoom = view
    left, top = width / 2 - zoom * (x * height + columns / 2), height / 2 - zoom * (y * height + rows / 2)
    matrix = np.array([[zoom, 0, left], [0, zoom, top]])
    shown = cv2.warpAffine(painting, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(shown, dtype=np.uint8)


class Canvas:
    """A frame in the making: its pixels, and which face each of them shows."""

    def __init__(self, plan: ShotPlan, view: tuple[float, float, float], width: int, height: int) -> None:
        self.plan, self.width, self.height = plan, width, height
        self.view_x, self.view_y, self.zoom = view
        self.owner = np.zeros((height, width), dtype=np.uint8)
        self.seen: list[_Seen] = []
        self.picture: RGB = _background(plan.place, plan.place_seed, view, width, height).copy()

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Where a point given in frame heights from the middle comes to lie."""
        scale = self.height * self.zoom
        return self.width / 2 + (x - self.view_x) * scale, self.height / 2 + (y - self.view_y) * scale

    def lay(self, sprite: NDArray[np.uint8], matrix: Matrix) -> None:
        """Blends a premultiplied RGBA sprite over the picture; its pixels belong to no face."""
        rows, columns = sprite.shape[:2]
        corners = matrix @ np.array([[0, columns, 0, columns], [0, 0, rows, rows], [1, 1, 1, 1]], dtype=np.float64)
        left, top = np.maximum(np.floor(corners.min(axis=1)), 0).astype(int)
        right, bottom = np.minimum(np.ceil(corners.max(axis=1)), (self.width, self.height)).astype(int)
        if right <= left or bottom <= top:
            return
        moved = matrix - np.array([[0, 0, left], [0, 0, top]])
        patch = cv2.warpAffine(sprite, moved, (int(right - left), int(bottom - top)), flags=cv2.INTER_LINEAR)
        alpha = patch[..., 3]
        under = self.picture[top:bottom, left:right]
        cv2.multiply(under, cv2.cvtColor(255 - alpha, cv2.COLOR_GRAY2RGB), dst=under, scale=1 / 255)
        cv2.add(under, cv2.cvtColor(patch, cv2.COLOR_RGBA2RGB), dst=under)
        self.owner[top:bottom, left:right][alpha > 127] = 0

    def put_thing(self, thing: Thing, place: tuple[float, float, float]) -> None:
        """Puts a prop into the picture."""
        height = thing.size * self.height * self.zoom
        sprite = prop(thing.kind, thing.seed, 8 * math.ceil(height / 8))
        rows, columns = sprite.shape[:2]
        x, y = self.pixel(place[0], place[1])
        scale, turn = height / rows, math.radians(place[2])
        along, across = scale * math.cos(turn), scale * math.sin(turn)
        linear = np.array([[along, -across], [across, along]])
        start = np.array([x, y]) - linear @ np.array([columns / 2, rows / 2])
        self.lay(sprite, np.concatenate([linear, start[:, None]], axis=1))

    def put_actor(self, performance: Performance, pose: Pose, track: str) -> None:
        """Puts an actor into the picture: body and head; a face is remembered for the truth."""
        actor = ACTORS[performance.actor]
        unit = performance.size * self.height * self.zoom
        x, y = self.pixel(pose.x, pose.y)
        stand = Stand(x=x, y=y, unit=unit, mirrored=performance.mirrored)
        brush = Brush(self.picture, self.owner, max(round(unit * 0.022 * (0.6 + 0.4 * HANDS[self.plan.hand].ink)), 1))
        if actor.build == "blob":
            draw_blob(brush, stand, actor, performance.arms)
        drawing = self._cel(performance, pose, unit)
        matrix = _head_matrix(performance, pose, stand, neck_of(actor))
        scale = 1 / drawing.unit
        place = np.array([[scale, 0, -drawing.center[0] * scale], [0, scale, -drawing.center[1] * scale], [0, 0, 1]])
        self.lay(drawing.picture, matrix @ place)
        if performance.view == "front":
            self.seen.append(_Seen(track, performance, pose, matrix, drawing.half_height))
            cv2.fillPoly(
                self.owner, [np.round(_outline(matrix, drawing.half_height)).astype(np.int32)], (len(self.seen),)
            )
        if actor.build == "person":
            draw_person(brush, stand, actor, performance.arms)

    def _cel(self, performance: Performance, pose: Pose, unit: float) -> Cel:
        level = next((level for level in LEVELS if level >= 0.9 * unit), LEVELS[-1])
        emotion, look = (pose.emotion, pose.look) if performance.view == "front" else ("neutral", 0)
        return cel(ACTORS[performance.actor], emotion, look, self.plan.hand, performance.view, level)

    def faces(self) -> tuple[FaceTruth, ...]:
        """The faces of which anything is seen."""
        counts = np.bincount(self.owner.ravel(), minlength=len(self.seen) + 1)
        faces = []
        for number, seen in enumerate(self.seen, 1):
            area = math.pi * 0.5 * seen.half_height * abs(float(np.linalg.det(seen.matrix[:, :2])))
            visible = min(float(counts[number]) / area, 1.0)
            if visible >= SEEN_AT_LEAST:
                faces.append(self._truth_of(seen, visible))
        return tuple(faces)

    def _truth_of(self, seen: _Seen, visible: float) -> FaceTruth:
        performance, pose = seen.performance, seen.pose
        x, y = seen.matrix[:, 2]
        half_x, half_y = np.hypot(*(seen.matrix[:, :2] * (0.5, seen.half_height)).T)
        size = round(math.log(2 * half_x) / math.log(SIZE_STEP))
        turned = "m" if performance.mirrored else ""
        bend = f"{round(performance.shear * 100)},{round(performance.squash * 100)}"
        return FaceTruth(
            track=seen.track,
            character=ACTORS[performance.actor].character,
            emotion=pose.emotion,
            box=Box(left=round(x - half_x), top=round(y - half_y), right=round(x + half_x), bottom=round(y + half_y)),
            visible=round(visible, 3),
            angle=pose.angle,
            drawing=f"{performance.actor}.{pose.emotion}{pose.look}.{self.plan.hand}.{turned}{pose.angle},{bend}.{size}",
        )


def _head_matrix(performance: Performance, pose: Pose, stand: Stand, neck: tuple[float, float]) -> Matrix:
    """Face widths from the face's center to pixels: mirrored, squashed, sheared, turned about the neck."""
    turn = math.radians(pose.angle)
    side = -1.0 if performance.mirrored else 1.0
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    shape = np.array([[side * performance.squash, performance.shear], [0.0, 1.0]])
    linear = stand.unit * rotation @ shape
    pivot = np.array(neck)
    place = np.array([stand.x + side * neck[0] * stand.unit, stand.y + neck[1] * stand.unit])
    return np.concatenate([linear, (place - linear @ pivot)[:, None]], axis=1)


def _outline(matrix: Matrix, half_height: float) -> NDArray[np.float64]:
    """The face's ellipse in pixels, (48, 2)."""
    turns = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    points = np.stack([0.5 * np.cos(turns), half_height * np.sin(turns), np.ones(48)])
    return np.asarray((matrix @ points).T)


def draw(plan: ShotPlan, state: ShotState, width: int, height: int) -> Drawn:
    """Draws a moment of a shot: picture and faces."""
    canvas = Canvas(plan, state.view, width, height)
    for number, (layer, place) in enumerate(zip(plan.layers, state.layers, strict=True)):
        if isinstance(layer, Performance) and isinstance(place, Pose):
            canvas.put_actor(layer, place, f"{plan.id}.{number}")
        elif isinstance(layer, Thing) and isinstance(place, tuple):
            canvas.put_thing(layer, place)
    return Drawn(lit(canvas.picture, plan.light), canvas.faces())
