"""Draws a character's face with a look on it, from outlines: head, eyes under their lids, brows, nose, mouth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from train.expressions.canvas import SIDE, WHITE, Canvas, Head, Points, between, ellipse, points, superellipse
from train.expressions.characters import Character, scaled
from train.expressions.looks import Look

SHUT = 0.3
"""eyes less open than this are one line"""
SLANTED = 0.15
"""brows less steep than this leave the lids level"""
TEAR, SWEAT = (120, 190, 255), (150, 210, 255)


def draw_face(character: Character, look: Look, chance: np.random.Generator) -> NDArray[np.uint8]:
    """(SIDE, SIDE, 4) RGBA; the chance decides how the head is held and which way the eyes look."""
    canvas = Canvas()
    head = Head(
        across=character.size[0],
        down=character.size[1],
        yaw=float(chance.normal(0, 0.32)),
        pitch=float(chance.normal(0, 0.18)),
        taper=character.taper,
    )
    gaze = np.clip(chance.normal(0, (0.3, 0.25)), -0.6, 0.6)
    _Drawing(canvas, head, character, look, (float(gaze[0]), float(gaze[1])), chance).all()
    return canvas.picture_SS4


@dataclass(frozen=True, slots=True)
class _Drawing:
    canvas: Canvas
    head: Head
    who: Character
    look: Look
    gaze: tuple[float, float]
    chance: np.random.Generator

    def all(self) -> None:
        """From behind to the front."""
        self._ears()
        self._head()
        if self.who.patches is not None:
            for side in (-1, 1):
                across, down = self.who.eye_size
                place = ellipse(across * 1.5, down * 1.4, side * self.who.eye_apart, self.who.eye_height)
                self._fill(place, self.who.patches)
        if self.who.muzzle:
            across, down = self.who.muzzle_size
            outline = self.head.pixels(ellipse(across, down, 0, self.who.mouth_height - 0.02), self.who.muzzle * 0.6)
            self.canvas.fill(outline, self.who.muzzle_colour)
            self.canvas.line(outline, self.who.ink, 0.7 * self.who.stroke, closed=True)
        for side in (-1, 1):
            self._eye(side)
            if self.who.brow_width:
                self._brow(side)
        self._nose()
        self._mouth()
        self._rest()

    def _maybe(self, share: float) -> bool:
        return bool(self.chance.random() < share)

    def _fill(self, places: Points, colour: tuple[int, int, int], bulge: float = 0.0) -> None:
        self.canvas.fill(self.head.pixels(places, bulge), colour)

    def _line(
        self,
        places: Points,
        colour: tuple[int, int, int],
        width: float,
        bulge: float = 0.0,
        *,
        closed: bool = False,
    ) -> None:
        self.canvas.line(self.head.pixels(places, bulge), colour, width, closed=closed)

    # --------------------------------------------------------------------------------------- head

    def _ears(self) -> None:
        who = self.who
        across, down = who.size
        if who.hair is not None:
            spread = float(self.chance.uniform(1.05, 1.3))
            fall = (0, float(self.chance.uniform(0, 0.12)) * SIDE)
            outline = self.head.flat(superellipse(who.roundness))
            self.canvas.fill(SIDE / 2 + (outline - SIDE / 2) * spread - fall, who.hair)
        for side in (-1, 1):
            x, y = SIDE / 2 * (1 + side * across * 0.68), SIDE / 2 * (1 - down * 0.88)
            size = who.ear_size * 0.22 * SIDE / 2
            if who.ears == "round":
                outline = ellipse(size, size, x + side * 4, y)
            elif who.ears == "pointed":
                tip = [x + side * size * 0.4, y - size * 1.4]
                outline = np.array([[x - size * 0.8, y + size * 0.9], tip, [x + size * 0.8, y + size * 0.9]])
            elif who.ears == "long":
                outline = ellipse(size * 0.5, size * 1.6, x, y - size * 0.8)
            elif who.ears == "at the side":
                outline = ellipse(size * 0.6, size * 0.8, SIDE / 2 * (1 + side * across), SIDE / 2)
            else:
                continue
            self.canvas.fill(outline, who.ear_colour)
            self.canvas.line(outline, who.ink, who.stroke, closed=True)
            self.canvas.fill(outline.mean(axis=0) + (outline - outline.mean(axis=0)) * 0.55, who.light)

    def _head(self) -> None:
        who = self.who
        outline = self.head.flat(superellipse(who.roundness))
        self.canvas.fill(outline, who.fur)
        if self._maybe(0.3):
            across, down = self.chance.uniform(-0.15, 0.15, 2).tolist()
            self.canvas.darken(outline, (across * SIDE, down * SIDE), float(self.chance.uniform(0.6, 0.9)))
        self.canvas.line(outline, who.ink, who.stroke, closed=True)

    # --------------------------------------------------------------------------------------- eyes

    def _eye(self, side: int) -> None:
        who, look = self.who, self.look
        x, y, (across, down) = side * who.eye_apart, who.eye_height, who.eye_size
        opening = look.eye_opening * (1 + 0.25 * side * look.lopsided)
        if look.squeezed and who.eyes != "iris":
            near, far = x - side * across * 0.9, x + side * across * 1.1
            self._line(
                np.array([[far, y - down * 0.6], [near, y], [far, y + down * 0.6]]), who.ink, max(who.stroke, 2.2)
            )
        elif opening < SHUT:
            along = np.linspace(-1, 1, 12)
            bow = 1 if look.smile > SHUT and look.brow_slope < SHUT else -1
            self._line(
                points(x + across * along, y + bow * down * 0.45 * (along**2 - 0.5)), who.ink, max(who.stroke, 2)
            )
        else:
            self._open_eye(side, opening, x, y)
        if look.tears:
            self._fill(ellipse(0.05, 0.12, x + side * 0.05, y + down + 0.12), TEAR)
        if who.glasses:
            round_ = ellipse(across * 1.35, max(across, down * 0.9) * 1.2, x, y)
            self._line(round_, who.ink, who.glasses, closed=True)

    def _open_eye(self, side: int, opening: float, x: float, y: float) -> None:
        """An oval cut off by its lids."""
        who, look = self.who, self.look
        wide = min(max(opening, 1.0), 1.5)
        across, down = who.eye_size[0] * (0.5 + 0.5 * wide), who.eye_size[1] * wide
        slant = look.brow_slope if abs(look.brow_slope) > SLANTED else 0.0
        below = down * (1 - look.lower_lid)

        def lid(dx: NDArray[np.float64]) -> NDArray[np.float64]:
            level = -down + 1.8 * down * (1 - min(opening, 1.0))
            return np.asarray(level + who.lid_tilt * slant * side * dx / across * 0.45 * down)

        def under_lids(outline: Points) -> Points:
            dx, dy = outline[:, 0], outline[:, 1]
            return points(x + dx, y + np.clip(dy, np.minimum(lid(dx), below - 0.01), below))

        if who.eyes in ("dot", "bead"):
            size = 0.55 if who.eyes == "dot" else 0.4
            self._fill((under_lids(ellipse(across, down)) - (x, y)) * size + (x, y), who.pupil_colour)
            if abs(slant) > 0.4 and who.lid_line:
                along = np.linspace(-1.3, 1.3, 8) * across
                self._line(points(x + along * size, y + lid(along) * size - 0.02), who.ink, max(who.stroke, 1.5))
            return
        whole = ellipse(across, down, x, y)
        self._fill(whole, scaled(who.fur, 0.88))
        self._fill(under_lids(ellipse(across, down)), who.eye_white)
        size = who.pupil_size * look.pupil
        dx, dy = self.gaze[0] * across * 0.6, self.gaze[1] * down * 0.5

        def ball(share: float, right: float = 0.0, lower: float = 0.0) -> Points:
            outline = ellipse(
                across * share, min(down, down * share * 1.1) * 0.8, dx + right * across, dy + lower * down
            )
            return under_lids(np.clip(outline, (-across, -down), (across, down)))

        if who.eyes == "iris":
            self._fill(ball(min(1.0, size * 1.5)), who.iris)
        self._fill(ball(size), who.pupil_colour)
        if who.eyes == "pie-cut":
            slice_ = np.array([[0, 0], [size * 1.1, -size * 0.5], [size * 0.6, -size * 0.9]]) * (across, down)
            self._fill(slice_ + (x + dx, y + dy), who.eye_white)
        elif who.shines:
            self._fill(ball(size * 0.25, -size * 0.3, -size * 0.3), WHITE)
        self._line(under_lids(ellipse(across, down)), who.ink, 0.8 * who.stroke, closed=True)
        if who.lid_line and (opening < 0.95 or slant):
            along = np.linspace(-1.1, 1.1, 8) * across
            self._line(points(x + along, y + np.clip(lid(along), -down, down)), who.ink, max(who.stroke, 1.5))

    def _brow(self, side: int) -> None:
        who, look = self.who, self.look
        across, down = who.eye_size
        outwards = np.linspace(-1, 1, 9)
        height = look.brow_height + 0.5 * side * look.lopsided
        top = who.eye_height - down * float(np.clip(look.eye_opening, 0.9, 1.4)) - who.brow_gap
        y = top - 0.16 * height + 0.16 * look.brow_slope * outwards - who.brow_bow * (1 - outwards**2)
        x = side * (who.eye_apart + outwards * across * who.brow_length)
        if who.brow_tapers and who.brow_width > 4:
            thick = who.brow_width / SIDE * (1.3 - 0.7 * np.abs(outwards))
            self._fill(between(points(x, y - thick), points(x, y + thick)), who.brow_colour)
        else:
            self._line(points(x, y), who.brow_colour, who.brow_width)

    # --------------------------------------------------------------------------------------- nose and mouth

    def _nose(self) -> None:
        who, size = self.who, self.who.nose_size
        y = (who.eye_height + who.mouth_height) / 2 + 0.03
        before = who.muzzle + 0.12
        if who.nose in ("dot", "ball"):
            radius = 0.02 + 0.03 * size if who.nose == "dot" else 0.05 + 0.13 * size
            self._fill(ellipse(radius * 1.15, radius, 0, y), who.nose_colour, before)
            self._line(ellipse(radius * 1.15, radius, 0, y), who.ink, 0.7 * who.stroke, before, closed=True)
        elif who.nose == "triangle":
            reach = 0.05 + 0.09 * size
            corners = np.array([[-reach, y - reach * 0.6], [reach, y - reach * 0.6], [0, y + reach * 0.7]])
            self._fill(corners, who.nose_colour, before)
        elif who.nose == "hook":
            reach, side = 0.06 + 0.1 * size, -1 if size < 0.5 else 1
            corners = np.array(
                [[0, y - reach], [side * reach, y + reach * 0.5], [-side * reach * 0.3, y + reach * 0.7]]
            )
            self._line(corners, who.ink, max(who.stroke, 1.5), 0.1)
        elif who.nose == "nostrils":
            for side in (-1, 1):
                self._fill(ellipse(0.025, 0.02, side * 0.06, y), who.ink, who.muzzle)

    def _mouth(self) -> None:
        who, look = self.who, self.look
        along = np.linspace(-1, 1, 25)
        wide = look.mouth_width
        waves = float(self.chance.uniform(6, 14)), float(self.chance.uniform(0, 6))
        y = who.mouth_height + 0.06 + 0.12 * look.lopsided * along
        y = y + 0.05 * look.wavy * np.sin(along * waves[0] + waves[1])
        rising = -look.smile * 0.93 * wide * who.mouth_bow * (along**2 - 0.5)
        if look.mouth_opening > 0.08:
            self._open_mouth(along, y + rising)
            return
        stroke = max(who.stroke, 1.6) * who.mouth_stroke
        if who.cat_mouth and look.smile > -0.2:
            rising = 0.6 * rising + 0.06 * np.abs(np.sin(along * np.pi))
        line = points(wide * along, y + rising)
        if who.lips is not None:
            full = 0.05 * (1 - along**2)
            self._fill(
                between(points(line[:, 0], line[:, 1] - full), points(line[:, 0], line[:, 1] + full)),
                who.lips,
                who.muzzle,
            )
        self._line(line, who.mouth_ink, stroke, who.muzzle)
        if abs(look.smile) > 0.3 and self._maybe(0.3):
            for corner in (line[0], line[-1]):
                self._line(np.array([corner - (0, 0.04), corner + (0, 0.05)]), who.mouth_ink, 0.7 * stroke, who.muzzle)

    def _open_mouth(self, along: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        who, look = self.who, self.look
        wide, smile = look.mouth_width, look.smile
        height = 0.48 * look.mouth_opening * min(1.0, 0.35 + wide * 1.6)
        bulges = np.sqrt(np.clip(1 - along**2, 0, 1)) if self._maybe(0.5) else 1 - along**2
        above, below = (0.0, 1.0) if smile >= 0.1 else (0.6, 0.4 * (1 + 0.8 * smile)) if smile <= -0.1 else (0.5, 0.5)
        upper, lower = y - above * height * bulges, y + below * height * bulges
        outline = between(points(wide * along, upper), points(wide * along, lower))
        clenched = bool(look.teeth) and (look.mouth_opening < 0.6 or smile < -0.1) and self._maybe(0.55)
        self._fill(outline, WHITE if clenched else who.throat, who.muzzle)
        if clenched:
            self._line(points(wide * along, (upper + lower) / 2), who.mouth_ink, 1, who.muzzle)
            for i in range(3, 23, int(self.chance.integers(2, 5))):
                tooth = np.array([[wide * along[i], upper[i]], [wide * along[i], lower[i]]])
                self._line(tooth, who.mouth_ink, 1, who.muzzle)
        else:
            if look.teeth:
                row = np.minimum(0.25 * height + 0.02, (lower - upper) * 0.5)
                teeth = between(points(wide * along, upper), points(wide * along, upper + row))
                self._fill(teeth, WHITE, who.muzzle)
            if who.tongue is not None and look.mouth_opening > 0.3:
                inner, x = slice(5, 20), wide * along
                tongue = between(points(x, lower)[inner], points(x, lower - (lower - upper) * 0.4)[inner])
                self._fill(tongue, who.tongue, who.muzzle)
        self._line(outline, who.mouth_ink, 0.7 * max(who.stroke, 1.6), who.muzzle, closed=True)

    # --------------------------------------------------------------------------------------- all else

    def _rest(self) -> None:
        who, y = self.who, self.who.mouth_height
        if self.look.sweat:
            self._fill(ellipse(0.04, 0.09, 0.7 if self.gaze[0] > 0 else -0.7, -0.5), SWEAT)
        for side in (-1, 1):
            if who.cheeks is not None:
                self._fill(ellipse(0.12, 0.09, side * 0.55, y - 0.08), who.cheeks)
            if who.whiskers:
                for fan in (-0.08, 0.0, 0.08):
                    ends = np.array([[side * 0.35, y - 0.1 + fan * 0.5], [side * 0.85, y - 0.15 + fan * 2]])
                    self._line(ends, who.ink, 1, 0.1)
        if who.hat is not None:
            across, down = (SIDE / 2 * size for size in who.size)
            brim, high = SIDE / 2 - 0.78 * down, who.hat_height * SIDE / 2
            if who.hat_height > 0.25:
                corners = [[-1, 0], [-0.6, -1], [0.6, -1], [1, 0]]
            else:
                corners = ellipse(1, 1).tolist()
            outline = np.minimum(np.array(corners), (np.inf, 0.2)) * (across, high) + (SIDE / 2, brim)
            self.canvas.fill(outline, who.hat)
