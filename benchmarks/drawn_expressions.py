"""Draws faces with named expressions in many styles, for sets that nobody trained on."""

import io
import json
from functools import cache
from importlib import resources
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.expressive_styles import Expressive

SIDE = 160
"""pixels of a drawn face"""


def looks_of(expressive: Expressive) -> dict[str, list[tuple[str, ...]]]:
    """Emotion -> every combination of variants that shows it, one variant per part."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for emotion, combinations in expressive.looks.items():
        for combination in combinations:
            columns = [_variants(column) for column in combination.split("|")]
            found.setdefault(emotion, []).extend(product(*columns))
    return found


def _variants(column: str) -> list[str]:
    return [f"variant{name}" if name.isdigit() else name for name in column.split()]


def draw_face(expressive: Expressive, look: tuple[str, ...], character: int) -> NDArray[np.uint8]:
    """(SIDE, SIDE, 4) RGBA: that look of that character; the number decides all else of it."""
    import resvg_py
    from dicebear import Avatar

    options: dict[str, Any] = {"seed": str(character), "backgroundColor": []}
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
