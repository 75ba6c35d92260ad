"""Draws faces with named expressions in many styles: what the prior of `best` learns from."""

import io
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.expressive_styles import EMOTIONS, STYLES, Expressive

SIDE = 160
"""pixels of a drawn face"""


@dataclass(frozen=True, slots=True, eq=False)
class Drawings:
    """Faces of one style."""

    style: str
    """its name"""
    pictures_NSS4: NDArray[np.uint8]
    """RGBA, the face in the middle"""
    emotions_N: NDArray[np.int64]
    """places in EMOTIONS"""


def looks_of(expressive: Expressive) -> dict[str, list[tuple[str, ...]]]:
    """Emotion -> every combination of variants that shows it, one variant per part."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for emotion, combinations in expressive.looks.items():
        for combination in combinations:
            columns = [_variants(column) for column in combination.split("|")]
            found.setdefault(emotion, []).extend(product(*columns))
    return found


def draw_faces(expressive: Expressive, count: int, seed: int) -> Drawings:
    """`count` faces of a style, emotions as often as each other, everything else of the face by chance."""
    chance = np.random.default_rng([seed, len(expressive.style), *expressive.style.encode()])
    looks = looks_of(expressive)
    emotions = sorted(looks)
    pictures = np.empty((count, SIDE, SIDE, 4), dtype=np.uint8)
    labels = np.empty(count, dtype=np.int64)
    for index in range(count):
        emotion = emotions[index % len(emotions)]
        look = looks[emotion][chance.integers(len(looks[emotion]))]
        pictures[index] = _face(expressive, look, int(chance.integers(1_000_000)))
        labels[index] = EMOTIONS.index(emotion)
    return Drawings(expressive.style, pictures, labels)


def find_style(name: str) -> Expressive:
    """The style of that name. Raises KeyError."""
    return {expressive.style: expressive for expressive in STYLES}[name]


def _variants(column: str) -> list[str]:
    return [f"variant{name}" if name.isdigit() else name for name in column.split()]


def _face(expressive: Expressive, look: tuple[str, ...], seed: int) -> NDArray[np.uint8]:
    """(SIDE, SIDE, 4) RGBA of one face."""
    import resvg_py
    from dicebear import Avatar

    options: dict[str, Any] = {"seed": str(seed), "backgroundColor": []}
    for part, variant in zip(expressive.parts, look, strict=True):
        options |= {f"{part}Variant": [variant], f"{part}Probability": 100}
    for part in expressive.bare:
        options[f"{part}Probability"] = 0
    svg = str(Avatar(_style(expressive.style), options).to_string())
    left, top, right, bottom = expressive.face
    scale = SIDE / max(right - left, bottom - top)
    png = resvg_py.svg_to_bytes(svg_string=svg, width=round(scale), skip_system_fonts=True)
    with Image.open(io.BytesIO(bytes(png))) as picture:
        x, y = (left + right) / 2 * scale, (top + bottom) / 2 * scale
        corner = round(x - SIDE / 2), round(y - SIDE / 2)
        cut = picture.convert("RGBA").crop((*corner, corner[0] + SIDE, corner[1] + SIDE))
        return np.asarray(cut, dtype=np.uint8)


@cache
def _style(name: str) -> Any:
    from dicebear import Style

    return Style(json.loads((resources.files("dicebear_styles") / f"{name}.json").read_text(encoding="utf-8")))
