"""Where it happens: painted backdrops with texture and decoys, no two alike."""

import colorsys
import math
from collections.abc import Callable
from functools import lru_cache
from random import Random

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.cartoon import decoys
from pipeline.cartoon.decoys import circle, path, rect
from pipeline.cartoon.heads import rasterise
from pipeline.core.images import RGB

SPARE = 1.4
"""backdrops are this much larger than the frame, for the camera to move in"""
DETAIL = 0.7
"""backdrops are painted so much smaller and blown up: softer than what stands before them"""
UNIT = 1000.0
"""SVG units per frame height"""


def _hue(
    rng: Random, saturation: tuple[float, float], value: tuple[float, float], *, near: float = 0.5, spread: float = 0.5
) -> str:
    """A color `spread` around the hue `near`, hues running from 0 to 1."""
    levels = colorsys.hsv_to_rgb(
        (near + rng.uniform(-spread, spread)) % 1, rng.uniform(*saturation), rng.uniform(*value)
    )
    return "#" + "".join(f"{round(255 * level):02x}" for level in levels)


def _hue_near(rng: Random, hue: float, spread: float) -> str:
    """A muted color of a kind: leaves at hue 2, bark at 0.5, water at 3.2, of 6."""
    return _hue(rng, (0.3, 0.7), (0.35, 0.8), near=hue / 6, spread=spread / 6)


def _gradient(name: str, top: str, bottom: str) -> str:
    return (
        f'<linearGradient id="{name}" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="{top}"/>'
        f'<stop offset="1" stop-color="{bottom}"/></linearGradient>'
    )


def _strewn(
    rng: Random,
    kinds: tuple[decoys.Decoy, ...],
    count: int,
    half: float,
    y: tuple[float, float],
    r: tuple[float, float],
) -> str:
    return "".join(
        rng.choice(kinds)(rng, rng.uniform(-half, half), rng.uniform(*y), rng.uniform(*r)) for _ in range(count)
    )


def _ridge(rng: Random, half: float, level: float, height: float, color: str) -> str:
    phases = [rng.uniform(0, 6.3) for _ in range(3)]
    d = f"M{-half:.0f} {UNIT}"
    for k in range(25):
        x = -half + 2 * half * k / 24
        y = (
            level
            - height
            * (math.sin(x / 260 + phases[0]) + 0.6 * math.sin(x / 110 + phases[1]) + 0.3 * math.sin(x / 47 + phases[2]))
            / 1.9
        )
        d += f"L{x:.0f} {y:.0f}"
    return path(d + f"L{half:.0f} {UNIT}Z", fill=color)


def _foliage(rng: Random, half: float, y: tuple[float, float], count: int, size: tuple[float, float]) -> str:
    tufts = ""
    for _ in range(count):
        x, at, r = rng.uniform(-half, half), rng.uniform(*y), rng.uniform(*size)
        color = _hue_near(rng, 2.0, 0.9)
        tufts += "".join(
            circle(x + rng.uniform(-1, 1) * r, at + rng.uniform(-0.6, 0.6) * r, r * rng.uniform(0.4, 0.8), color)
            for _ in range(4)
        )
    return tufts


def _meadow(rng: Random, half: float) -> str:
    sky = f"<defs>{_gradient('sky', _hue(rng, (0.2, 0.7), (0.7, 1.0)), _hue(rng, (0.05, 0.3), (0.85, 1.0)))}</defs>"
    hills = "".join(_ridge(rng, half, -60 + 140 * k, 90, _hue_near(rng, 1.9, 0.8)) for k in range(3))
    things = _strewn(rng, decoys.OUTDOOR, rng.randint(4, 8), half, (120, 560), (35, 110))
    sun = circle(rng.uniform(-half, half), rng.uniform(-600, -350), rng.uniform(60, 120), "#fff0b8")
    return (
        sky
        + rect(0, 0, 2 * half, 2 * UNIT, "url(#sky)")
        + sun
        + hills
        + _foliage(rng, half, (0, 500), 8, (40, 110))
        + things
    )


def _street(rng: Random, half: float) -> str:
    parts = [rect(0, 0, 2 * half, 2 * UNIT, _hue(rng, (0.1, 0.6), (0.6, 1.0)))]
    x = -half
    while x < half:
        width, height = rng.uniform(230, 420), rng.uniform(600, 1000)
        parts.append(rect(x + width / 2, 330 - height / 2, width, height, _hue(rng, (0.2, 0.6), (0.4, 0.9)), line=6))
        for row in range(int(height // 210)):
            for column in range(int(width // 130)):
                parts.append(decoys.window(rng, x + 75 + column * 130, 230 - row * 200, 48))
        x += width
    parts.append(rect(0, 560, 2 * half, 470, _hue(rng, (0.0, 0.2), (0.4, 0.7))))
    parts += [rect(k * 260.0, 520, 130, 18, "#e8e4d0") for k in range(-6, 7)]
    parts.append(_strewn(rng, decoys.OUTDOOR, rng.randint(4, 7), half, (150, 480), (50, 120)))
    return "".join(parts)


def _room(rng: Random, half: float) -> str:
    wall, paint = _hue(rng, (0.1, 0.6), (0.5, 0.95)), _hue(rng, (0.1, 0.6), (0.5, 0.95))
    parts = [rect(0, 0, 2 * half, 2 * UNIT, wall)]
    if rng.random() < 0.6:
        step = rng.uniform(60, 160)
        parts += [rect(-half + k * step, 0, step * 0.4, 2 * UNIT, paint) for k in range(int(2 * half / step) + 1)]
    else:
        parts += [
            circle(-half + 90 * a + 45 * (b % 2), -700 + 90 * b, rng.uniform(8, 20), paint)
            for a in range(int(half / 45) + 1)
            for b in range(13)
        ]
    parts.append(rect(0, 700, 2 * half, 560, _hue(rng, (0.2, 0.6), (0.3, 0.7)), line=10))
    parts.append(_strewn(rng, decoys.INDOOR, rng.randint(5, 8), half, (-480, 230), (45, 130)))
    for _ in range(rng.randint(1, 3)):
        parts.append(
            rect(
                rng.uniform(-half, half),
                rng.uniform(330, 480),
                rng.uniform(200, 420),
                rng.uniform(250, 420),
                _hue(rng, (0.3, 0.7), (0.3, 0.8)),
                line=8,
                round_=30,
            )
        )
    return "".join(parts)


def _forest(rng: Random, half: float) -> str:
    parts = [
        f"<defs>{_gradient('deep', _hue_near(rng, 2.4, 1.0), _hue_near(rng, 1.6, 0.7))}</defs>",
        rect(0, 0, 2 * half, 2 * UNIT, "url(#deep)"),
    ]
    for _ in range(14):
        x, width = rng.uniform(-half, half), rng.uniform(25, 90)
        parts.append(rect(x, -100, width, 1500, _hue_near(rng, 0.5, 0.4)))
        parts.append(circle(x, rng.uniform(-200, 250), width * 0.22, decoys.INK))
    parts.append(_foliage(rng, half, (-700, -250), 22, (70, 170)))
    parts.append(_ridge(rng, half, 380, 60, _hue_near(rng, 1.6, 0.6)))
    parts.append(_strewn(rng, (decoys.flower, decoys.ball, decoys.mask), 6, half, (250, 520), (30, 80)))
    return "".join(parts)


def _night(rng: Random, half: float) -> str:
    parts = [
        f"<defs>{_gradient('dusk', '#10142e', _hue(rng, (0.3, 0.7), (0.25, 0.55)))}</defs>",
        rect(0, 0, 2 * half, 2 * UNIT, "url(#dusk)"),
    ]
    parts += [circle(rng.uniform(-half, half), rng.uniform(-700, 200), rng.uniform(2, 7), "#f2efd8") for _ in range(60)]
    parts.append(decoys.moon(rng, rng.uniform(-half * 0.7, half * 0.7), rng.uniform(-400, -150), rng.uniform(110, 200)))
    parts += [_ridge(rng, half, 200 + 160 * k, 100, _hue(rng, (0.2, 0.5), (0.12, 0.4))) for k in range(2)]
    parts.append(_strewn(rng, (decoys.window, decoys.lights, decoys.wheel, decoys.sign), 6, half, (150, 450), (45, 90)))
    return "".join(parts)


def _workshop(rng: Random, half: float) -> str:
    parts = [rect(0, 0, 2 * half, 2 * UNIT, _hue(rng, (0.05, 0.4), (0.3, 0.8)))]
    step = rng.uniform(130, 200)
    for a in range(int(2 * half / step) + 1):
        for b in range(int(1.4 * UNIT / step)):
            if rng.random() < 0.45:
                kind = rng.choice((decoys.dial, decoys.button, decoys.wheel, decoys.socket, decoys.ball))
                parts.append(kind(rng, -half + (a + 0.5) * step, -650 + b * step, step * rng.uniform(0.22, 0.4)))
    return "".join(parts)


def _rays(rng: Random, half: float) -> str:
    first, second = _hue(rng, (0.2, 0.7), (0.6, 1.0)), _hue(rng, (0.2, 0.7), (0.6, 1.0))
    parts = [rect(0, 0, 2 * half, 2 * UNIT, first)]
    x, y, count = rng.uniform(-300, 300), rng.uniform(-200, 300), rng.choice((9, 12, 16))
    for k in range(count):
        a, b = 2 * math.pi * k / count, 2 * math.pi * (k + 0.5) / count
        far = 3 * half
        parts.append(
            path(
                f"M{x:.0f} {y:.0f}L{x + far * math.cos(a):.0f} {y + far * math.sin(a):.0f}L{x + far * math.cos(b):.0f} {y + far * math.sin(b):.0f}Z",
                fill=second,
            )
        )
    return "".join(parts) + _strewn(
        rng, (decoys.ball, decoys.flower, decoys.button), rng.randint(0, 4), half, (-400, 400), (30, 90)
    )


def _seaside(rng: Random, half: float) -> str:
    parts = [
        f"<defs>{_gradient('air', _hue(rng, (0.2, 0.6), (0.7, 1.0)), '#fbf3dc')}</defs>",
        rect(0, 0, 2 * half, 2 * UNIT, "url(#air)"),
    ]
    parts.append(rect(0, 180, 2 * half, 400, _hue_near(rng, 3.2, 0.4)))
    for k in range(7):
        y = 20 + 50 * k
        wave = f"M{-half:.0f} {y}" + "".join(f"q25 {rng.uniform(-22, -8):.0f} 50 0" for _ in range(int(2 * half / 50)))
        parts.append(path(wave, stroke="#ffffff", width=5))
    parts.append(_ridge(rng, half, 430, 40, _hue_near(rng, 0.8, 0.2)))
    parts.append(
        _strewn(
            rng, (decoys.ball, decoys.wheel, decoys.sign, decoys.flower, decoys.mask), 7, half, (300, 560), (40, 110)
        )
    )
    return "".join(parts)


PLACES: dict[str, Callable[[Random, float], str]] = {
    "meadow": _meadow,
    "street": _street,
    "room": _room,
    "forest": _forest,
    "night": _night,
    "workshop": _workshop,
    "rays": _rays,
    "seaside": _seaside,
}
"""kind of place -> (rng, half the width in SVG units) -> SVG centered at 0, 0"""


def _texture(seed: str, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Paper: soft blotches and fine grain, float32 (H, W, 1) around 1."""
    noise = np.random.default_rng(int.from_bytes(seed.encode()) % 2**63)
    blotches = cv2.resize(noise.normal(0, 1, (9, 14)).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)
    grain = noise.normal(0, 1, shape).astype(np.float32)
    return np.asarray(1 + 0.05 * blotches + 0.025 * grain, dtype=np.float32)[..., None]


@lru_cache(maxsize=24)
def backdrop(place: str, seed: str, width: int, height: int) -> RGB:
    """The painting for `seed`, (H, W, 3) uint8, `SPARE` times as large as a frame of `width` x `height`."""
    rng = Random(f"backdrop/{place}/{seed}")
    half = width / height * SPARE * UNIT / 2
    content = PLACES[place](rng, half)
    box = f"{-half:.1f} {-SPARE * UNIT / 2:.1f} {2 * half:.1f} {SPARE * UNIT:.1f}"
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" width="{2 * half:.1f}" height="{SPARE * UNIT:.1f}">{content}</svg>'
    size = round(width * SPARE), round(height * SPARE)
    flat = cv2.resize(rasterise(svg, round(width * SPARE * DETAIL))[..., :3], size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(flat * _texture(f"{place}/{seed}", (size[1], size[0])), 0, 255), dtype=np.uint8)
