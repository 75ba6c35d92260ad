"""FER2013 (Goodfellow et al. 2013): a CSV with a row per 48x48 grey face: its class's number, its pixels, its split.

Both spellings that are passed around are read (`emotion,pixels,Usage` and `emotion, Usage, pixels`), alone or packed;
where there is no column Usage the data set has no splits.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from pipeline.core.errors import DatasetError
from pipeline.core.images import encode_png
from pipeline.datasets.outside.entries import read_entries
from pipeline.datasets.outside.pictures import Found, Picture, Rejected, split_named

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""in the order of their numbers"""
SIDE = 48
"""pixels"""


def read(path: Path) -> Iterator[Found]:
    """The rows of every CSV there, as PNG pictures. Raises DatasetError when there is none."""
    tables = 0
    for entry in read_entries(path):
        if isinstance(entry, Rejected):
            yield entry
        elif PurePosixPath(entry.name).suffix.lower() == ".csv":
            found = _rows(entry.name, entry.content)
            if found is not None:
                tables += 1
                yield from found
    if not tables:
        raise DatasetError(f"{path}: no CSV with the columns emotion and pixels in it; give FER2013's fer2013.csv")


def _rows(name: str, content: bytes) -> Iterator[Found] | None:
    """The rows of one table; None when it has not the columns."""
    reader = csv.reader(io.StringIO(content.decode("utf-8-sig", errors="replace"), newline=""))
    columns = [column.strip().lower() for column in next(reader, [])]
    if not {"emotion", "pixels"} <= set(columns):
        return None
    return _pictures(name, reader, columns)


def _pictures(name: str, reader: Iterator[list[str]], columns: list[str]) -> Iterator[Found]:
    rows, number = reader, 0
    while True:
        number += 1
        source = f"{name}, row {number}"
        try:
            cells = next(rows, None)
        except csv.Error as error:
            yield Rejected(source=source, reason=f"is no row of a CSV ({error})")
            continue
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        found = _picture(source, dict(zip(columns, cells, strict=False)))
        yield Rejected(source=source, reason=found) if isinstance(found, str) else found


def _picture(source: str, row: dict[str, str]) -> Picture | str:
    """The picture of a row, or what is wrong with it."""
    number, text, usage = (row.get(key, "").strip() for key in ("emotion", "pixels", "usage"))
    if not number.isdecimal() or int(number) >= len(CLASSES):
        return f"its emotion is {number!r}, not a number from 0 to {len(CLASSES) - 1}"
    words = text.split()
    if len(words) != SIDE * SIDE:
        return f"it has {len(words)} pixels, not {SIDE * SIDE}"
    try:
        values = np.array(words, dtype=np.int64)
    except (ValueError, OverflowError):
        return "one of its pixels is no whole number"
    if values.min() < 0 or values.max() > 255:
        return f"its pixels reach from {values.min()} to {values.max()}, not from 0 to 255"
    split = split_named(usage)
    if usage and not split:
        return f"its Usage is {usage!r}, none of Training, PublicTest, PrivateTest"
    content = encode_png(values.astype(np.uint8).reshape(SIDE, SIDE))
    return Picture(source=source, content=content, suffix=".png", label=CLASSES[int(number)], split=split)
