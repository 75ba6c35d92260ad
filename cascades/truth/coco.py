"""COCO JSON -> boxes on pictures. An image may also be a frame of a video: `video` and a 0-based `frame`."""

import json
from pathlib import Path

from cascades.truth.labelled import BadRow, Picture, Rejected, TruthBox, box_of, find_picture
from pipeline.core.errors import TruthError

IGNORED_CATEGORY = "ignore"
"""boxes of this name are neither positive nor negative, as with `iscrowd`"""
REJECTED_CATEGORY = "rejected"
"""boxes of this name are what people said is no face: hard negatives"""


def read_coco(path: Path, content: bytes, folder: Path) -> tuple[list[Picture], list[Rejected]]:
    """The pictures of a COCO file, whose files lie in `folder`, and the rows that cannot be used.

    Raises:
        TruthError: not JSON, or no COCO file.
    """
    images, annotations, categories = _lists(path, content)
    rejected: list[Rejected] = []
    names = {c["id"]: c["name"] for c in categories if _is_category(c)}
    boxes: dict[object, list[TruthBox]] = {}
    known = {i["id"] for i in images if isinstance(i, dict) and isinstance(i.get("id"), int | str)}
    for number, row in enumerate(annotations):
        try:
            boxes.setdefault(_image_of(row, known), []).append(_box(row, names))
        except BadRow as problem:
            rejected.append(Rejected(f"annotation {_name_of(row, number)}", str(problem)))
    pictures: list[Picture] = []
    for number, row in enumerate(images):
        try:
            own = tuple(boxes.get(row.get("id"), ())) if isinstance(row, dict) else ()
            pictures.append(_picture(row, folder, own))
        except (BadRow, TypeError) as problem:  # TypeError: an id that is a list or an object
            rejected.append(Rejected(f"image {_name_of(row, number)}", str(problem)))
    return pictures, rejected


def _lists(path: Path, content: bytes) -> list[list[dict[str, object]]]:
    """Its images, annotations and categories; that their rows are objects is not checked yet."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise TruthError(f"{path}: not JSON ({str(error)[:120]}); give a COCO file") from None
    names = ("images", "annotations", "categories")
    parts = [part for k in names if isinstance(data, dict) and isinstance(part := data.get(k), list)]
    if len(parts) != len(names):
        raise TruthError(f"{path}: no COCO file: it needs the lists images, annotations and categories")
    return parts


def _is_category(row: object) -> bool:
    return isinstance(row, dict) and isinstance(row.get("id"), int | str) and isinstance(row.get("name"), str)


def _name_of(row: object, number: int) -> str:
    return str(row["id"])[:40] if isinstance(row, dict) and "id" in row else f"at position {number}"


def _image_of(row: object, known: set[object]) -> object:
    if not isinstance(row, dict):
        raise BadRow("it is no JSON object")
    image = row.get("image_id")
    if not isinstance(image, int | str) or image not in known:
        raise BadRow(f"image_id {image!r} is none of the images")
    return image


def _box(row: dict[str, object], names: dict[object, object]) -> TruthBox:
    category = row.get("category_id")
    if not isinstance(category, int | str) or category not in names:
        raise BadRow(f"category_id {category!r} is none of the categories")
    values = row.get("bbox")
    if not isinstance(values, list) or len(values) != 4:
        raise BadRow(f"bbox is {str(values)[:60]}, expected [x, y, width, height]")
    name = str(names[category])
    ignored = bool(row.get("iscrowd")) or name == IGNORED_CATEGORY
    return box_of(values, name, ignored=ignored, rejected=name == REJECTED_CATEGORY)


def _picture(row: object, folder: Path, boxes: tuple[TruthBox, ...]) -> Picture:
    if not isinstance(row, dict):
        raise BadRow("it is no JSON object")
    video, frame = row.get("video"), row.get("frame")
    name = video if video is not None else row.get("file_name")
    if not isinstance(name, str) or not name:
        raise BadRow("it names neither a file_name nor a video")
    if video is not None and (not isinstance(frame, int) or isinstance(frame, bool) or frame < 0):
        raise BadRow(f"frame is {frame!r}, expected the index of a frame of {name} from 0 on")
    shot = row.get("shot")
    return Picture(
        name=f"{name} frame {frame}" if video is not None else name,
        path=find_picture(folder, name),
        frame=frame if video is not None else None,
        group=f"{name} {shot}" if shot not in (None, "") else "",
        boxes=boxes,
    )
