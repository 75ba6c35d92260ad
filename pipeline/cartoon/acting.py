"""How somebody or something moves in a shot: paths, swaying, feelings, all quantised to the drawings there are."""

from dataclasses import dataclass

from pipeline.cartoon.heads import View

Key = tuple[int, float, float]
"""frame of the shot, x, y in frame heights from the middle of the frame"""
STEEPEST = 20
"""degrees a head is turned at most"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """On how many frames each drawing stays: animation on ones, twos or threes, with long holds."""

    step: int
    """frames per drawing"""
    stills: tuple[tuple[int, int], ...] = ()
    """spans of frames in which nothing is redrawn"""

    def drawn(self, frame: int) -> int:
        """The frame whose drawing shows at `frame`."""
        frame = max(frame, 0)
        for start, end in self.stills:
            if start <= frame < end:
                frame = start
        return frame - frame % self.step


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """Where and how somebody is drawn."""

    x: float
    """of the face, frame heights from the middle of the frame"""
    y: float
    """of the face, frame heights, downward"""
    angle: int
    """degrees, clockwise in the picture, about the neck"""
    emotion: str
    """the class"""
    look: int
    """index into the actor's looks of this emotion"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeling:
    """What somebody feels from some frame on, and how it shows."""

    start: int
    """first frame of the shot"""
    emotion: str
    """the class"""
    look: int
    """index into the actor's looks of this emotion"""
    turn: int
    """degrees the head turns with it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """One actor in one shot."""

    actor: str
    """name of the actor"""
    size: float
    """face width in frame heights, at zoom 1"""
    path: tuple[Key, ...]
    """where the face is; straight lines between keys"""
    feelings: tuple["Feeling", ...]
    """one after the other"""
    sway: tuple[tuple[int, float], ...] = ((0, 0.0),)
    """a cycle of drawings: (degrees, lift in face widths)"""
    sway_frames: int = 8
    """frames per drawing of the cycle"""
    angle: int = 0
    """degrees the head is turned in the picture"""
    shear: float = 0.0
    """horizontal shear of the head, as if turned"""
    squash: float = 1.0
    """width of the head against its height"""
    mirrored: bool = False
    """faces the other way"""
    arms: tuple[int, int] = (80, 80)
    """degrees below the horizontal of the left and right arm"""
    view: View = "front"
    """a face, a blank head, or a head from behind"""

    def pose(self, frame: int) -> Pose:
        """The drawing for a frame that `Timing.drawn` returned."""
        x, y = along(self.path, frame)
        turn, lift = self.sway[frame // self.sway_frames % len(self.sway)]
        now = self.feelings[0]
        for feeling in self.feelings:
            if feeling.start <= frame:
                now = feeling
        angle = max(-STEEPEST, min(STEEPEST, self.angle + turn + now.turn))
        return Pose(x=x, y=y - lift * self.size, angle=angle, emotion=now.emotion, look=now.look)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A prop in front of or between the actors."""

    kind: str
    """name of a prop"""
    seed: str
    """which of its kind"""
    size: float
    """height in frame heights"""
    path: tuple[Key, ...]
    """where its center is"""
    spin: float = 0.0
    """degrees per frame"""

    def place(self, frame: int) -> tuple[float, float, float]:
        """x, y and degrees at a frame that `Timing.drawn` returned."""
        x, y = along(self.path, frame)
        return x, y, round(self.spin * frame % 360, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """Where the camera looks: still, panning, zooming."""

    keys: tuple[tuple[int, float, float, float], ...] = ((0, 0.0, 0.0, 1.0),)
    """frame, x, y in frame heights, zoom"""
    step: int = 1
    """frames per camera position"""

    def view(self, frame: int) -> tuple[float, float, float]:
        """x, y, zoom at a frame of the shot."""
        frame = max(frame, 0)
        frame -= frame % self.step
        x, y = along(tuple(key[:3] for key in self.keys), frame)
        zoom, _ = along(tuple((key[0], key[3], 0.0) for key in self.keys), frame)
        return x, y, zoom


def along(path: tuple[Key, ...], frame: int) -> tuple[float, float]:
    """The point of a piecewise straight path at a frame, to a ten thousandth; before and after it, its ends."""
    before = path[0]
    for key in path:
        if key[0] > frame:
            share = (frame - before[0]) / (key[0] - before[0]) if key[0] > before[0] else 0.0
            share = min(max(share, 0.0), 1.0)
            return tuple(round(a + (b - a) * share, 4) for a, b in zip(before[1:], key[1:], strict=True))  # type: ignore[return-value]
        before = key
    return before[1], before[2]
