"""Chance in small doses: who plays, what they feel, how they hold their heads, how a shot is lit and timed."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from pipeline.cartoon.acting import STEEPEST, Camera, Feeling, Key, Performance, Thing, Timing
from pipeline.cartoon.backdrops import SPARE
from pipeline.cartoon.cast import ACTORS, CAST
from pipeline.cartoon.heads import View
from pipeline.cartoon.light import Light

DECK = ("happy",) * 5 + ("neutral",) * 5 + ("angry",) * 4 + ("surprised",) * 4 + ("sad",) * 3 + ("afraid",) * 3
"""emotions as often as they are felt: unequal, as in real episodes"""
NOTHING = Feeling(start=0, emotion="neutral", look=0, turn=0)
"""what a head without a face shows"""
PRESENCE = {"otto": 0.27, "mara": 0.27, "pim": 0.26, "granny": 0.1, "guard": 0.1}
"""how often an actor is chosen"""
LARGEST = 0.82
"""face width in frame heights, camera included: 295 pixels in a frame 360 high"""

SWAYS: tuple[tuple[tuple[int, float], ...], ...] = (
    ((0, 0.0),),
    ((0, 0.0), (3, 0.02)),
    ((-5, 0.0), (0, 0.03), (5, 0.0), (0, 0.03)),
    ((0, 0.0), (0, 0.05)),
    ((-3, 0.0), (2, 0.04), (6, 0.02)),
    ((-8, 0.0), (-4, 0.02), (0, 0.03), (4, 0.02), (8, 0.0), (4, 0.02), (0, 0.03), (-4, 0.02)),
)
"""cycles of drawings: (degrees, lift in face widths)"""


class Moods:
    """Deals every actor the emotions of `DECK` in a new order again and again, so that none of them is missing long."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._left: dict[str, list[str]] = {}

    def deal(self, actor: str) -> str:
        """The actor's next emotion."""
        left = self._left.setdefault(actor, [])
        if not left:
            left += self._rng.sample(DECK, len(DECK))
        return left.pop()


def some_actors(rng: Random, count: int, but: Iterable[str] = ()) -> list[str]:
    """`count` different actors (fewer where there are no more), the named ones more often, none of `but` if possible."""
    left = [actor.name for actor in CAST if actor.name not in but] or [actor.name for actor in CAST]
    chosen: list[str] = []
    while left and len(chosen) < count:
        chosen.append(rng.choices(left, [PRESENCE[name] for name in left])[0])
        left.remove(chosen[-1])
    return chosen


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Take:
    """A shot to be filled by a scene, and the ways to fill it."""

    rng: Random
    """the scene's only source of chance, beside `moods`"""
    moods: Moods
    """deals the emotions"""
    frames: int
    """how long the shot is"""
    step: int
    """frames per drawing"""
    fps: int
    """frames per second"""
    aspect: float
    """of the picture, width against height"""

    def actor(self, name: str, size: float, *path: Key, view: View = "front") -> Performance:
        """An actor along a path, with chance for everything else."""
        rng = self.rng
        return Performance(
            actor=name,
            size=round(size, 4),
            path=_rounded(path),
            feelings=self._feelings(name) if view == "front" else (NOTHING,),
            sway=rng.choice(SWAYS),
            sway_frames=self.step * rng.choice((2, 3, 4)),
            angle=round(rng.triangular(-STEEPEST, STEEPEST, 0)),
            shear=round(rng.choice((0, 0, rng.uniform(-0.16, 0.16))), 2),
            squash=round(rng.choice((1, 1, rng.uniform(0.86, 1.05))), 2),
            mirrored=rng.random() < 0.3,
            arms=(rng.choice((80, 75, 40, -35)), rng.choice((80, 75, 30, -45))),
            view=view,
        )

    def faceless(self, size: float, x: float, y: float, present: Iterable[str] = ()) -> Performance:
        """A head without a face: a mannequin, or somebody seen from behind who is not `present`."""
        name = some_actors(self.rng, 1, present)[0]
        return self.actor(name, size, (0, x, y), view=self.rng.choice(("blank", "behind", "behind")))

    def thing(self, kind: str, size: float, *path: Key, spin: float = 0.0) -> Thing:
        """A prop along a path, turning by `spin` degrees per frame."""
        return Thing(kind=kind, seed=str(self.rng.randrange(40)), size=round(size, 4), path=_rounded(path), spin=spin)

    def drift(self, kind: str, size: float, y: float, spin: float = 0.0) -> Thing:
        """A prop that crosses the picture."""
        half = self.aspect / 2 + size / 2
        side = self.rng.choice((-1, 1))
        end = max(self.frames - 1, 1), half * side, y + self.rng.uniform(-0.1, 0.1)
        return self.thing(kind, size, (0, -half * side, y), end, spin=spin * side)

    def _feelings(self, actor: str) -> tuple[Feeling, ...]:
        """They change every two seconds or so, sometimes only in how they show."""
        rng = self.rng
        chosen: list[Feeling] = []
        start = 0
        while start < self.frames or not chosen:
            emotion = chosen[-1].emotion if chosen and rng.random() < 0.25 else self.moods.deal(actor)
            look = rng.randrange(len(ACTORS[actor].looks[emotion]))
            chosen.append(Feeling(start=start, emotion=emotion, look=look, turn=rng.choice((0, 0, -7, -4, 5, 8))))
            start += max(round(rng.uniform(0.7, 3.2) * self.fps), 1)
        return tuple(chosen)


def _rounded(path: Iterable[Key]) -> tuple[Key, ...]:
    return tuple((frame, round(x, 4), round(y, 4)) for frame, x, y in path)


def some_light(rng: Random) -> Light:
    """Daylight, lamp light, moonlight, or anything between."""
    tint = rng.choice(
        ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (1.05, 0.96, 0.82), (0.8, 0.9, 1.05), (1.02, 0.86, 0.92), (0.88, 1.0, 0.86))
    )
    bright = rng.uniform(0.72, 1.05)
    return Light(
        gains=(round(tint[0] * bright, 3), round(tint[1] * bright, 3), round(tint[2] * bright, 3)),
        gamma=round(rng.uniform(0.8, 1.3), 2),
        shade=round(rng.choice((0.0, rng.uniform(0.1, 0.45))), 2),
        direction=float(rng.randrange(0, 360, 15)),
        grain=round(rng.choice((0.0, rng.uniform(1.0, 3.5))), 1),
        seed=rng.randrange(10**6),
    )


def some_timing(rng: Random, frames: int) -> Timing:
    """On ones, twos or threes; in half of the shots with a long hold."""
    step = rng.choices((1, 2, 3), (1, 6, 4))[0]
    if rng.random() < 0.5 or frames < 24:
        return Timing(step=step)
    length = rng.randint(10, max(frames // 2, 11))
    start = rng.randint(0, frames - length)
    return Timing(step=step, stills=((start, start + length),))


def some_camera(rng: Random, frames: int, aspect: float, largest: float) -> Camera:
    """A still camera in half of the shots; otherwise a pan or a zoom that keeps face sizes within bounds."""
    kind = rng.choices(("still", "pan", "zoom"), (6, 2, 2))[0]
    start = rng.randint(0, frames // 3)
    end = rng.randint(2 * frames // 3, frames)
    step = rng.choice((1, 2, 2))
    if kind == "pan":
        reach = aspect / 2 * (SPARE - 1) * rng.uniform(0.4, 0.9) * rng.choice((-1, 1))
        lift = rng.uniform(-0.05, 0.05)
        return Camera(
            keys=((start, round(-reach, 4), 0.0, 1.0), (end, round(reach, 4), round(lift, 4), 1.0)), step=step
        )
    if kind == "zoom":
        near = min(LARGEST / largest, rng.uniform(1.15, 1.6))
        x, y = rng.uniform(-0.1, 0.1) * aspect, rng.uniform(-0.1, 0.05)
        wide, close = (start, 0.0, 0.0, 1.0), (start, round(x, 4), round(y, 4), round(near, 4))
        first, last = (wide, close) if rng.random() < 0.6 else (close, wide)
        return Camera(keys=(first, (end, *last[1:])), step=step)
    return Camera()
