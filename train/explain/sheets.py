"""Sheets for people: pictures of one class beside where the net looked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipeline.core.images import RGB

CELL, GAP, LINE = 112, 6, 18
COLUMNS = 6
HEAT = np.array([(0, 0, 60), (60, 0, 130), (190, 40, 90), (250, 150, 30), (255, 245, 160)], dtype=np.float64)
"""dark to bright in even steps of lightness, so that it also reads in grey"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A picture and where the net looked."""

    image: RGB
    """(S, S, 3)"""
    heat: NDArray[np.float32]
    """(S, S), 0 to 1"""
    caption: str
    """one short line"""
    right: bool
    """whether the net was right"""


def overlay(image_SS3: RGB, heat_SS: NDArray[np.float32]) -> RGB:
    """The picture with the heat over it, the stronger the less of the picture is seen."""
    at = np.clip(heat_SS, 0, 1) * (len(HEAT) - 1)
    low = np.minimum(at.astype(np.int64), len(HEAT) - 2)
    part = (at - low)[..., None]
    colours = HEAT[low] * (1 - part) + HEAT[low + 1] * part
    share = (0.15 + 0.5 * np.clip(heat_SS, 0, 1))[..., None]
    return np.asarray(np.round(image_SS3 * (1 - share) + colours * share), dtype=np.uint8)


def sheet(title: str, cells: Sequence[Looked]) -> RGB:
    """Each picture above its overlay, COLUMNS a row, wrong ones framed in red."""
    rows = max(1, -(-len(cells) // COLUMNS))
    tall = 2 * CELL + LINE + 2 * GAP
    page = Image.new("RGB", (COLUMNS * (CELL + GAP) + GAP, LINE + 2 * GAP + rows * tall), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    pen.text((GAP, GAP), title, fill="black", font=font)
    for number, cell in enumerate(cells):
        left, top = GAP + number % COLUMNS * (CELL + GAP), LINE + 2 * GAP + number // COLUMNS * tall
        for place, picture in enumerate((cell.image, overlay(cell.image, cell.heat))):
            scaled = Image.fromarray(picture).resize((CELL, CELL), Image.Resampling.BILINEAR)
            page.paste(scaled, (left, top + place * CELL))
        if not cell.right:
            pen.rectangle((left, top, left + CELL - 1, top + 2 * CELL - 1), outline=(200, 30, 30), width=3)
        pen.text((left, top + 2 * CELL + 2), cell.caption[:20], fill="black", font=font)
    return np.asarray(page, dtype=np.uint8)
