"""A sheet of pictures beside what each method makes of them at growing strength."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from pipeline.core.images import RGB
from train.studies.cartoonify import Method, cartoonified

TILE = 160
"""side of a picture, pixels"""
FILL = (127, 127, 127)
"""beside a picture that is not square"""
HEAD = 18
"""height of a line of words"""


def preview_sheet(pictures: Sequence[RGB], methods: Sequence[Method], strengths: Sequence[float]) -> RGB:
    """(H, W, 3): a row per picture; first as it is, then a column for each method and strength."""
    columns = [("as it is", None, 0.0)] + [(f"{m} {s:g}", m, s) for m in methods for s in strengths]
    sheet = Image.new("RGB", (len(columns) * TILE, HEAD + len(pictures) * TILE), "white")
    pen = ImageDraw.Draw(sheet)
    for column, (words, method, strength) in enumerate(columns):
        pen.text((column * TILE + 4, 3), words, fill="black")
        for row, picture in enumerate(pictures):
            drawn = picture if method is None else cartoonified(picture, method, strength)
            tile = ImageOps.pad(Image.fromarray(drawn), (TILE, TILE), Image.Resampling.BILINEAR, color=FILL)
            sheet.paste(tile, (column * TILE, HEAD + row * TILE))
    return np.asarray(sheet, dtype=np.uint8)
