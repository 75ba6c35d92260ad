"""Truth as people keep it: COCO JSON, OpenCV info.dat and .vec, .npz. Read into boxes on pictures, or into patches.

A picture is an image file or one frame of a video; no path leads out of the folder given. A bad row is rejected with its
reason and the rest is used; a file without one good row is an error.
"""

import json
import math
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import InputError, TruthError
from pipeline.core.files import inside
from pipeline.core.images import RGB, read_rgb

SMALLEST_BOX_PX = 8
"""side of the smallest box that is used"""
MAX_PATCH_BYTES = 2 * 1024**3
"""of all patches in a .vec or .npz"""
SHOWN_REASONS = 5
"""how many reasons an error lists"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthBox:
    """A face, or a region to leave alone."""

    left: float
    top: float
    right: float
    bottom: float
    character: str
    """empty where the format knows none"""
    ignored: bool = False
    """neither positive nor negative (`iscrowd`)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image with its boxes."""

    name: str
    """for messages"""
    path: Path
    """image file or video"""
    frame: int | None
    """0-based index in decoding order; None for an image file"""
    group: str
    """what must not be parted between fitting and held out (`shot` in the file); empty when unknown"""
    boxes: tuple[TruthBox, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was left out."""

    row: str
    reason: str


@dataclass(frozen=True, slots=True)
class Truth:
    """What a truth file holds."""

    name: str
    """of the file"""
    pictures: tuple[Picture, ...]
    patches: NDArray[np.uint8] | None
    """(N, H, W) faces that fill their window; None where there are pictures"""
    rejected: tuple[Rejected, ...]

    @property
    def characters(self) -> tuple[str, ...]:
        """Names of all characters with a face, sorted."""
        return tuple(sorted({b.character for p in self.pictures for b in p.boxes if not b.ignored}))


def read_truth(path: Path, images: Path | None = None, size: tuple[int, int] | None = None) -> Truth:
    """Reads a truth file by its ending: .json (COCO), .npz, .vec (needs the window's `size`), anything else as info.dat.

    `images` is where pictures and videos lie; without it, the file's own folder.

    Raises:
        TruthError: unreadable, of another kind, or without one usable row.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TruthError(
            f"{path}: cannot be read ({error.strerror or error}); check the path and its permissions"
        ) from error
    if not content:
        raise TruthError(f"{path}: the file is empty; give COCO JSON, info.dat, .vec or .npz")
    folder = path.parent if images is None else images
    if not folder.is_dir():
        raise TruthError(f"{folder}: no such folder; --images names the folder that holds the pictures or videos")
    match path.suffix.lower():
        case ".json":
            return _complete(path, *_read_coco(path, content, folder))
        case ".npz":
            return Truth(str(path), (), _read_npz(path), ())
        case ".vec":
            return Truth(str(path), (), _read_vec(path, content, size), ())
        case _:
            return _complete(path, *_read_info(path, content, folder))


def open_pictures(pictures: Iterable[Picture], rejected: list[Rejected]) -> Iterator[tuple[Picture, RGB]]:
    """Each picture with its pixels; a video is decoded once for all its frames. What cannot be read goes to `rejected`."""
    for path, group in groupby(sorted(pictures, key=lambda p: (str(p.path), p.frame or 0)), key=lambda p: p.path):
        members = list(group)
        by_frame: dict[int, list[Picture]] = {}
        for picture in members:
            if picture.frame is not None:
                by_frame.setdefault(picture.frame, []).append(picture)
                continue
            try:
                yield picture, read_rgb(path)
            except InputError as error:
                rejected.append(Rejected(picture.name, str(error)))
        if not by_frame:
            continue
        from pipeline.frames import read_frames

        missing = dict(by_frame)
        reason = "the video ends before this frame; frames count from 0 in decoding order"
        try:
            for index, image in read_frames(path, sorted(missing)):
                for picture in missing.pop(index):
                    yield picture, image
        except InputError as error:
            reason = str(error)
        rejected += [Rejected(p.name, reason) for left_over in missing.values() for p in left_over]


def reasons(rejected: Iterable[Rejected]) -> str:
    """The first few rejected rows as one line."""
    rows = list(rejected)
    shown = "; ".join(f"{r.row}: {r.reason}" for r in rows[:SHOWN_REASONS])
    return shown + (f"; and {len(rows) - SHOWN_REASONS} more" if len(rows) > SHOWN_REASONS else "")


def _complete(path: Path, pictures: list[Picture], rejected: list[Rejected]) -> Truth:
    if not any(not b.ignored for p in pictures for b in p.boxes):
        why = f" ({reasons(rejected)})" if rejected else ""
        raise TruthError(f"{path}: no usable face box in it{why}; correct these rows or give another file")
    return Truth(str(path), tuple(pictures), None, tuple(rejected))


# ---------------------------------------------------------------------------------------------------------- COCO


def _read_coco(path: Path, content: bytes, folder: Path) -> tuple[list[Picture], list[Rejected]]:
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise TruthError(f"{path}: not JSON ({str(error)[:120]}); give a COCO file") from None
    names_of_lists = ("images", "annotations", "categories")
    parts = [part for k in names_of_lists if isinstance(data, dict) and isinstance(part := data.get(k), list)]
    if len(parts) != len(names_of_lists):
        raise TruthError(f"{path}: no COCO file: it needs the lists images, annotations and categories")
    images, annotations, categories = parts
    rejected: list[Rejected] = []
    names = {c["id"]: c["name"] for c in categories if _is_category(c)}
    boxes: dict[object, list[TruthBox]] = {}
    known = {i["id"] for i in images if isinstance(i, dict) and isinstance(i.get("id"), int | str)}
    for number, row in enumerate(annotations):
        try:
            boxes.setdefault(_image_of(row, known), []).append(_coco_box(row, names))
        except _BadRow as problem:
            rejected.append(Rejected(f"annotation {_name_of(row, number)}", str(problem)))
    pictures: list[Picture] = []
    for number, row in enumerate(images):
        try:
            pictures.append(
                _coco_picture(row, folder, tuple(boxes.get(row.get("id"), ())) if isinstance(row, dict) else ())
            )
        except _BadRow as problem:
            rejected.append(Rejected(f"image {_name_of(row, number)}", str(problem)))
    return pictures, rejected


class _BadRow(Exception):
    """Why a row is rejected."""


def _is_category(row: object) -> bool:
    return isinstance(row, dict) and isinstance(row.get("id"), int | str) and isinstance(row.get("name"), str)


def _name_of(row: object, number: int) -> str:
    return str(row["id"])[:40] if isinstance(row, dict) and "id" in row else f"at position {number}"


def _image_of(row: object, known: set[object]) -> object:
    if not isinstance(row, dict):
        raise _BadRow("it is no JSON object")
    image = row.get("image_id")
    if not isinstance(image, int | str) or image not in known:
        raise _BadRow(f"image_id {image!r} is none of the images")
    return image


def _coco_box(row: dict[str, object], names: dict[object, str]) -> TruthBox:
    category = row.get("category_id")
    if not isinstance(category, int | str) or category not in names:
        raise _BadRow(f"category_id {category!r} is none of the categories")
    values = row.get("bbox")
    if not isinstance(values, list) or len(values) != 4:
        raise _BadRow(f"bbox is {str(values)[:60]}, expected [x, y, width, height]")
    character = names[category]
    return _box(values, character, ignored=bool(row.get("iscrowd")) or character == "ignore")


def _box(values: list[object], character: str = "", ignored: bool = False) -> TruthBox:
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)]
    if len(numbers) != 4:
        raise _BadRow(f"the box {str(values)[:60]} is not four finite numbers")
    x, y, width, height = numbers
    if min(width, height) < SMALLEST_BOX_PX and not ignored:
        raise _BadRow(
            f"the box is {width:g}x{height:g} pixels, at least {SMALLEST_BOX_PX}x{SMALLEST_BOX_PX} are needed"
        )
    return TruthBox(left=x, top=y, right=x + width, bottom=y + height, character=character, ignored=ignored)


def _coco_picture(row: object, folder: Path, boxes: tuple[TruthBox, ...]) -> Picture:
    if not isinstance(row, dict):
        raise _BadRow("it is no JSON object")
    video, frame = row.get("video"), row.get("frame")
    name = video if video is not None else row.get("file_name")
    if not isinstance(name, str) or not name:
        raise _BadRow("it names neither a file_name nor a video")
    if video is not None and (not isinstance(frame, int) or isinstance(frame, bool) or frame < 0):
        raise _BadRow(f"frame is {frame!r}, expected the index of a frame of {name} from 0 on")
    shot = row.get("shot")
    return Picture(
        name=f"{name} frame {frame}" if video is not None else name,
        path=_find(folder, name),
        frame=frame if video is not None else None,
        group=f"{name} {shot}" if shot not in (None, "") else "",
        boxes=boxes,
    )


def _find(folder: Path, name: str) -> Path:
    try:
        path = inside(folder, name)
    except (InputError, ValueError, OSError) as error:  # ValueError: a zero byte in the name
        raise _BadRow(str(error)) from None
    if not path.is_file():
        raise _BadRow(f"{name} is not in {folder}; --images names the folder that holds it")
    return path


# ------------------------------------------------------------------------------------------------ OpenCV's own files


def _read_info(path: Path, content: bytes, folder: Path) -> tuple[list[Picture], list[Rejected]]:
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
            pictures.append(_info_picture(line.strip(), folder))
        except _BadRow as problem:
            rejected.append(Rejected(f"line {number}", str(problem)))
    return pictures, rejected


def _info_picture(line: str, folder: Path) -> Picture:
    # The name may hold spaces: it ends where a count with four times as many numbers after it begins.
    for found in re.finditer(r"\s+(\d{1,6})(?=\s|$)", line):
        rest = line[found.end() :].split()
        if found.start() > 0 and len(rest) == 4 * int(found[1]):
            break
    else:
        raise _BadRow(f"{line[:60]!r} is not `path count x y width height ...` with four numbers for each face")
    try:
        numbers: list[object] = [float(word) for word in rest]
    except ValueError:
        raise _BadRow(f"{line[:60]!r}: a box is not four numbers") from None
    name = line[: found.start()]
    boxes = tuple(_box(numbers[i : i + 4]) for i in range(0, len(numbers), 4))
    return Picture(name=name, path=_find(folder, name.replace("\\", "/")), frame=None, group="", boxes=boxes)


def _read_vec(path: Path, content: bytes, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    if size is None:
        raise TruthError(f"{path}: a .vec does not say its window's size; give --size")
    if len(content) < 12:
        raise TruthError(
            f"{path}: {len(content)} bytes are too few for a .vec; make it again with opencv_createsamples"
        )
    count, values = (int(v) for v in np.frombuffer(content, dtype="<i4", count=2))
    width, height = size
    if values != width * height:
        raise TruthError(
            f"{path}: its samples have {values} pixels, --size {width}x{height} has {width * height}; give its own size"
        )
    body, row = len(content) - 12, 1 + 2 * values
    if count < 1 or body < count * row:
        raise TruthError(f"{path}: says {count} samples and holds {body // row}; it is damaged, make it again")
    rows = np.frombuffer(content, dtype=np.uint8, count=count * row, offset=12).reshape(count, row)[:, 1:]
    grey = np.ascontiguousarray(rows).view("<i2")
    if grey.min() < 0 or grey.max() > 255:
        raise TruthError(f"{path}: pixel values outside 0..255; it is damaged, make it again")
    return np.asarray(grey.reshape(count, height, width).astype(np.uint8))


def _read_npz(path: Path) -> NDArray[np.uint8]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_PATCH_BYTES:
                raise TruthError(f"{path}: unpacks to more than {MAX_PATCH_BYTES >> 30} GiB; split it")
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError, MemoryError, SyntaxError) as error:
        raise TruthError(
            f"{path}: not a readable .npz of plain arrays ({str(error)[:120]}); write it with numpy.savez"
        ) from None
    if len(arrays) != 1:
        raise TruthError(f"{path}: holds {len(arrays)} arrays ({', '.join(sorted(arrays))}); exactly one is expected")
    (patches,) = arrays.values()
    if patches.dtype != np.uint8 or patches.ndim != 3 or 0 in patches.shape:
        raise TruthError(f"{path}: its array is {patches.dtype} {patches.shape}, expected uint8 (N, H, W)")
    return np.asarray(patches)
