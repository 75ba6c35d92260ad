"""The sample files of OpenCV's own tools: info.dat (boxes on pictures) and .vec (windows)."""

import math
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cascades.truth.labelled import BadRow, Picture, Rejected, box_of, find_picture
from pipeline.core.errors import TruthError

HEADER_BYTES = 12


def read_info(path: Path, content: bytes, folder: Path) -> tuple[list[Picture], list[Rejected]]:
    """The pictures of an info.dat, whose files lie in `folder`, and the lines that cannot be used.

    Raises:
        TruthError: it is no text.
    """
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise TruthError(
            f"{path}: neither text nor .json, .vec or .npz; give COCO JSON, info.dat, .vec or .npz"
        ) from None
    pictures: list[Picture] = []
    rejected: list[Rejected] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            pictures.append(_picture(line.strip(), folder))
        except BadRow as problem:
            rejected.append(Rejected(f"line {number}", str(problem)))
    return pictures, rejected


def _picture(line: str, folder: Path) -> Picture:
    # The name may hold spaces: it ends where a count with four times as many numbers after it begins.
    for found in re.finditer(r"\s+(\d{1,6})(?=\s|$)", line):
        rest = line[found.end() :].split()
        if found.start() > 0 and len(rest) == 4 * int(found[1]):
            break
    else:
        raise BadRow(f"{line[:60]!r} is not `path count x y width height ...` with four numbers for each face")
    try:
        numbers: list[object] = [float(word) for word in rest]
    except ValueError:
        raise BadRow(f"{line[:60]!r}: a box is not four numbers") from None
    name = line[: found.start()]
    boxes = tuple(box_of(numbers[i : i + 4]) for i in range(0, len(numbers), 4))
    return Picture(name=name, path=find_picture(folder, name.replace("\\", "/")), frame=None, group="", boxes=boxes)


def read_vec(path: Path, content: bytes, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """The windows of a .vec: (N, H, W). Without `size` they are taken as square.

    Little endian: int32 count, int32 values, two int16 zeros; then per window a zero byte and its int16 grey values.

    Raises:
        TruthError: cut off, damaged, or of another size.
    """
    if len(content) < HEADER_BYTES:
        raise TruthError(
            f"{path}: {len(content)} bytes are too few for a .vec; make it again with opencv_createsamples"
        )
    count, values = (int(v) for v in np.frombuffer(content, dtype="<i4", count=2))
    width, height = size or _square(path, values)
    if values != width * height:
        raise TruthError(
            f"{path}: its samples have {values} pixels, --size {width}x{height} has {width * height}; give its own size"
        )
    body, row = len(content) - HEADER_BYTES, 1 + 2 * values
    if count < 1:
        raise TruthError(f"{path}: says {count} samples; give a .vec with faces in it")
    if body < count * row:
        raise TruthError(f"{path}: says {count} samples and holds {body // row}; it is damaged, make it again")
    rows = np.frombuffer(content, dtype=np.uint8, count=count * row, offset=HEADER_BYTES).reshape(count, row)[:, 1:]
    grey = np.ascontiguousarray(rows).view("<i2")
    if grey.min() < 0 or grey.max() > 255:
        raise TruthError(f"{path}: pixel values outside 0..255; it is damaged, make it again")
    return np.asarray(grey.reshape(count, height, width).astype(np.uint8))


def _square(path: Path, values: int) -> tuple[int, int]:
    side = math.isqrt(max(values, 0))
    if side < 1 or side * side != values:
        raise TruthError(
            f"{path}: a .vec does not say its window's size, and {values} pixels are no square; give --size"
        )
    return side, side
