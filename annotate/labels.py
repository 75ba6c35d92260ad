"""Files of labels -> rows of answers, each checked on its own: a bad row is rejected with its reason, the rest is kept.

Read: CSV with a header, JSON (a list of objects), JSON lines, and COCO JSON whose images are frames of videos
(`video` + 0-based `frame`) and whose annotations carry `attributes.emotion`, or tell a character by their category.

A file may have a column `answer` in place of `emotion` (`cascade suspects` writes one): a character's name, not-a-face,
unsure or skip; rows where it is empty were not answered and are passed over.
"""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.core.errors import InputError, LabelError
from pipeline.core.places import Box
from pipeline.core.records import NOT_A_FACE, UNSURE
from pipeline.core.workspace import checked_name

MAX_BYTES = 1 << 30
SKIP = "skip"
"""an answer that says: I looked and give no label"""
RESERVED = {"not_a_face": NOT_A_FACE, "not-a-face": NOT_A_FACE, "not a face": NOT_A_FACE, "unsure": UNSURE}
"""answers about the crop itself, as people write them"""
UNNAMED = frozenset({"", "face", "ignore", "unknown"})
"""categories of COCO that name nobody"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One row: about a crop by id, or about a face by place."""

    row: int
    """1-based position in the file, the header not counted"""
    emotion: str
    """the class, NOT_A_FACE or UNSURE; empty for a skip, and where only the character is told"""
    character: str = ""
    """whom the annotator saw; empty when not said"""
    annotator: str = "unknown"
    """who answered"""
    created: str = ""
    """UTC, ISO 8601; empty when not said"""
    crop: str = ""
    """id of the crop or of a place; empty for an answer by video and frame"""
    video: str = ""
    """name of the episode's file, without its folders"""
    frame: int = -1
    """0-based, in decoding order"""
    box: Box | None = None
    """the face, pixels of the source frame"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A row that cannot be used."""

    row: int
    """1-based position in the file"""
    reason: str
    """what was found and what is needed"""


def read_labels(path: Path) -> tuple[list[Answer], list[Rejected]]:
    """Every usable row of a file of labels, and every other one with its reason.

    Raises:
        LabelError: the file is missing, empty, too large, or neither CSV nor JSON.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise LabelError(f"{path}: larger than 1 GiB; split it")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise LabelError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error
    except UnicodeDecodeError as error:
        raise LabelError(f"{path}: not UTF-8 text ({error}); save it as UTF-8 CSV or JSON") from error
    if not text.strip():
        raise LabelError(f"{path}: the file is empty; give CSV with a header, or JSON")
    answers: list[Answer] = []
    rejected: list[Rejected] = []
    for number, row in enumerate(_rows(path, text), start=1):
        if "answer" in row and not str(row.get("answer") or "").strip():
            continue
        try:
            answers.append(_answer(number, row))
        except (InputError, ValueError, TypeError, KeyError) as error:
            rejected.append(Rejected(row=number, reason=str(error)))
    return answers, rejected


def _rows(path: Path, text: str) -> Iterator[dict[str, Any]]:
    if text.lstrip()[0] not in "[{":
        reader = csv.DictReader(io.StringIO(text, newline=""))
        if not {"emotion", "answer"} & set(reader.fieldnames or ()):
            raise LabelError(
                f"{path}: neither JSON nor CSV with a column `emotion` or `answer` (its first line has: "
                f"{', '.join(reader.fieldnames or [])[:80]}); needed are `crop` or `video,frame,left,top,right,bottom`, "
                "and `emotion`; `character` and `annotator` if known"
            )
        yield from reader
        return
    try:
        document = json.loads(text)
    except ValueError as whole:
        try:  # JSON lines
            document = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            raise LabelError(f"{path}: not valid JSON ({whole}); correct it or give CSV") from whole
    if isinstance(document, dict) and "annotations" in document:
        yield from _coco_rows(path, document)
    elif isinstance(document, list):
        yield from ({"emotion": None} if not isinstance(item, dict) else item for item in document)
    else:
        raise LabelError(f"{path}: JSON, but neither a list of labels nor COCO; see `toonsift import labels --help`")


def _coco_rows(path: Path, document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    try:
        names = {c["id"]: c["name"] for c in document["categories"]}
        images = {i["id"]: i for i in document["images"]}
        annotations = list(document["annotations"])
    except (KeyError, TypeError) as error:
        raise LabelError(f"{path}: not COCO (missing {error}); it needs images, categories and annotations") from error
    annotator = str(document.get("info", {}).get("annotator") or "coco")
    for a in annotations:
        if a.get("iscrowd"):
            continue
        image = images.get(a.get("image_id"), {})
        x, y, width, height = a.get("bbox") or (0, 0, 0, 0)
        emotion, character = (a.get("attributes") or {}).get("emotion"), str(names.get(a.get("category_id"), ""))
        named = character.casefold() not in UNNAMED
        yield {
            "video": image.get("video"), "frame": image.get("frame"), "left": x, "top": y, "right": x + width,
            "bottom": y + height, "emotion": emotion or (SKIP if named else ""), "character": character,
            "annotator": annotator,
        }  # fmt: skip


def _answer(number: int, row: dict[str, Any]) -> Answer:
    emotion, character = _said(row)
    said = Answer(
        row=number,
        emotion=emotion,
        character=checked_name(character, "character") if character else "",
        annotator=str(row.get("annotator") or "unknown").strip()[:80],
        created=str(row.get("created") or "").strip(),
    )
    crop = str(row.get("crop") or "").strip()
    if crop:
        return replace(said, crop=crop)
    video = str(row.get("video") or "").strip()
    if not video or row.get("frame") in (None, ""):
        raise LabelError("neither a crop's id nor a video and frame given")
    sides = [row.get(side) for side in ("left", "top", "right", "bottom")]
    if any(side in (None, "") for side in sides):
        raise LabelError("a label by frame needs the face's left, top, right and bottom")
    left, top, right, bottom = (round(float(str(side))) for side in sides)
    frame = int(float(str(row["frame"])))
    if frame < 0:
        raise LabelError(f"frame must be 0 or more, got {frame}")
    return replace(said, video=video, frame=frame, box=Box(left=left, top=top, right=right, bottom=bottom))


def _said(row: dict[str, Any]) -> tuple[str, str]:
    """(emotion, character) of a row; a reserved answer stands where the emotion does, and nobody is named with it."""
    character = str(row.get("character") or "").strip()
    if "answer" in row:
        answer = str(row["answer"]).strip()
        reserved = RESERVED.get(answer.casefold())
        if reserved or answer == SKIP:
            return reserved or "", ""
        emotion = str(row.get("emotion") or "").strip()
        return checked_name(emotion, "class") if emotion and emotion != SKIP else "", answer
    emotion = str(row.get("emotion") or "").strip()
    if not emotion:
        raise LabelError(
            f"no emotion given; write one, or `{SKIP}` where the annotator gave none (or `not-a-face`, `unsure`)"
        )
    reserved = RESERVED.get(emotion.casefold())
    if reserved:
        return reserved, character
    return "" if emotion == SKIP else checked_name(emotion, "class"), character
