"""COCO: boxes with categories on images. Every box is cut out; a box that covers its image is the image as it is."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.core.errors import DatasetError, InputError
from pipeline.core.files import inside
from pipeline.core.images import RGB, cut, encode_png, read_rgb
from pipeline.datasets.outside.ours import origin_beside
from pipeline.datasets.outside.pictures import SUFFIXES, Found, Picture, Rejected, split_named


def read(path: Path) -> Iterator[Found]:
    """The boxes of one COCO file, or of every one in a folder; a file's first word is its split.

    Raises:
        DatasetError: no such file, or it cannot be read.
    """
    files = sorted(path.glob("annotations/*.json")) or sorted(path.glob("*.json")) if path.is_dir() else [path]
    root = path if path.is_dir() else path.parent.parent if path.parent.name == "annotations" else path.parent
    yield from origin_beside(root)
    documents = [(file, found) for file in files if (found := _document(file, must=not path.is_dir())) is not None]
    if not documents:
        raise DatasetError(f"{path}: no COCO file (JSON with images, annotations and categories) there; check the path")
    for file, document in documents:
        yield from _boxes(file, document, root)


def _document(file: Path, must: bool) -> dict[str, Any] | None:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{file}: not readable as JSON ({error}); check the path") from error
    if isinstance(document, dict) and all(isinstance(document.get(k), list) for k in ("images", "annotations")):
        return document
    if must:
        raise DatasetError(f"{file}: no COCO file: it has no lists `images` and `annotations`")
    return None


def _boxes(file: Path, document: dict[str, Any], root: Path) -> Iterator[Found]:
    names = {c["id"]: str(c["name"]) for c in document.get("categories") or [] if isinstance(c, dict) and "name" in c}
    images = {one.get("id"): one for one in document["images"] if isinstance(one, dict)}
    split = split_named(file.stem.partition("_")[0]) or split_named(file.stem.rpartition("_")[2])
    for number, annotation in enumerate(document["annotations"], 1):
        source = f"{file.name}, annotation {number}"
        if not isinstance(annotation, dict):
            yield Rejected(source=source, reason="is no object")
            continue
        if annotation.get("iscrowd"):
            continue
        image, label = images.get(annotation.get("image_id")), names.get(annotation.get("category_id"))
        if image is None or label is None:
            what = "image" if image is None else "category"
            yield Rejected(source=source, reason=f"its {what} {annotation.get(f'{what}_id')!r} is not in the file")
            continue
        found = _picture(source, annotation, image, label, _places(root, split, str(image.get("file_name", ""))))
        yield found if isinstance(found, Rejected) else _with_split(found, split)


def _places(root: Path, split: str, name: str) -> list[Path]:
    """Where the image may lie. An unsafe name lies nowhere."""
    places = []
    for relative in (f"images/{split}/{name}", f"images/{name}", f"{split}/{name}", name):
        try:
            places.append(inside(root, relative))
        except (InputError, OSError, ValueError):
            continue
    return places


def _picture(
    source: str, annotation: dict[str, Any], image: dict[str, Any], label: str, places: list[Path]
) -> Picture | Rejected:
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        return Rejected(source=source, reason=f"its image {image.get('file_name')!r} is missing, or outside the folder")
    said = annotation.get("attributes")
    row: dict[str, Any] = said if isinstance(said, dict) else {}
    try:
        left, top, width, height = (round(float(side)) for side in annotation["bbox"])
        image_HW3 = read_rgb(path)
        content, suffix = _cut(path, image_HW3, left, top, left + width, top + height)
    except (InputError, OSError, KeyError, TypeError, ValueError, OverflowError) as error:
        return Rejected(source=source, reason=str(error))
    return Picture(
        source=source, content=content, suffix=suffix, label=label, character=str(row.get("character") or ""), row=row
    )


def _cut(path: Path, image_HW3: RGB, left: int, top: int, right: int, bottom: int) -> tuple[bytes, str]:
    """The box's picture and its suffix. Raises ValueError when the box is not inside the image."""
    height, width = image_HW3.shape[:2]
    suffix = PurePosixPath(path.name).suffix.lower()
    if (left, top, right, bottom) == (0, 0, width, height) and suffix in SUFFIXES:
        return path.read_bytes(), suffix
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise ValueError(f"its box {left},{top},{right},{bottom} is not inside the image of {width}x{height} pixels")
    return encode_png(cut(image_HW3, left, top, right, bottom)), ".png"


def _with_split(picture: Picture, split: str) -> Picture:
    return replace(picture, split=split or split_named(str(picture.row.get("split") or "")))
