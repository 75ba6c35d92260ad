"""An annotation as Label Studio writes it -> what was said about which crops and places. Pure; nothing in it is trusted.

The server takes any value for an answer through its API, and its interface may have been another when it was given. What
is no answer to our question is quarantined: kept aside with its reason, never guessed at.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from annotate.options import Kind
from annotate.tasks.faces import SAME_FACE_IOU, overlap
from annotate.tasks.interface import SOMEONE
from pipeline.core.places import Box, Place
from pipeline.core.records import NOT_A_FACE, UNSURE

LONGEST_SECONDS = 24 * 3600.0
"""more is a browser that was left open"""
MOST_SIDE_PX = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """What one annotation says of one crop or place; both empty for a skip."""

    emotion: str
    """class, NOT_A_FACE, UNSURE, or empty"""
    character: str
    """whom the annotator saw; empty when not told"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One annotation or skip, read."""

    id: int
    """the server's number"""
    task: int
    """the server's number of its task"""
    account: int
    """the server's number of who gave it; 0 when not told"""
    email: str
    """of who gave it, where the server told"""
    moment: str
    """UTC, ISO 8601: when it was given or last changed"""
    seconds: float
    """how long it took; 0 when not known"""
    skipped: bool
    """whether the task was skipped"""
    prediction: str
    """what was suggested: model and version; empty: nothing"""
    via: str
    """id of the sheet; empty for a crop or a frame"""
    said: Mapping[str, Saying]
    """id of crop or place -> the answer"""


class UnusableError(ValueError):
    """Why an annotation is quarantined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a project asks, for reading its answers."""

    kind: Kind
    """which project"""
    emotions: frozenset[str]
    """classes that may be answered"""
    characters: frozenset[str]
    """characters that may be named"""


def read_annotation(task: Mapping[str, Any], row: Mapping[str, Any], question: Question) -> Annotation:
    """One annotation of a task, both as the server writes them.

    Raises:
        UnusableError: it is no answer to the question; the message says why.
    """
    data = task.get("data")
    if not isinstance(data, dict) or not str(data.get("ref") or ""):
        raise UnusableError("its task is none of toonsift's: it has no key")
    skipped = row.get("was_cancelled") is True
    result = row.get("result")
    if not isinstance(result, list) or not all(isinstance(part, dict) for part in result):
        raise UnusableError("its result is no list")
    who = row.get("completed_by")
    account = who.get("id") if isinstance(who, dict) else who
    return Annotation(
        id=_whole(row.get("id"), "number"),
        task=_whole(task.get("id"), "task"),
        account=account if isinstance(account, int) else 0,
        email=str(who.get("email") or "") if isinstance(who, dict) else "",
        moment=_moment(row),
        seconds=_seconds(row.get("lead_time")),
        skipped=skipped,
        prediction=_prediction(data),
        via=_via(data, question.kind),
        said=_said(data, result, question, skipped=skipped),
    )


def moment_of(row: Mapping[str, Any]) -> str:
    """When an annotation was given or last changed, UTC, ISO 8601 to the microsecond; empty where it does not tell."""
    try:
        moment = datetime.fromisoformat(str(row.get("updated_at") or row.get("created_at")).replace("Z", "+00:00"))
    except ValueError:
        return ""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="microseconds")


def _said(
    data: dict[str, Any], result: list[dict[str, Any]], question: Question, *, skipped: bool
) -> dict[str, Saying]:
    ref = str(data["ref"])
    if question.kind is Kind.faces:
        return {ref: Saying(emotion="", character="")} if skipped else _boxes(data, result, question)
    members = data.get("members") if question.kind is Kind.sheets else [ref]
    if not isinstance(members, list) or not members or not all(isinstance(m, str) and m for m in members):
        raise UnusableError("its sheet does not say which crops it shows")
    saying = Saying(emotion="", character="") if skipped else _choices(result, question)
    return dict.fromkeys(members, saying)


def _choices(result: Sequence[dict[str, Any]], question: Question) -> Saying:
    emotion = _chosen(result, "emotion", question.emotions | {NOT_A_FACE, UNSURE})
    character = _chosen(result, "character", question.characters | {SOMEONE})
    if not emotion and not character:
        raise UnusableError("it is empty, and no skip")
    return Saying(emotion=emotion, character="" if emotion == NOT_A_FACE else character)


def _chosen(result: Sequence[dict[str, Any]], control: str, known: frozenset[str]) -> str:
    parts = [part for part in result if part.get("from_name") == control]
    if not parts:
        return ""
    value = parts[-1].get("value")
    chosen = value.get("choices") if isinstance(value, dict) else None
    if not isinstance(chosen, list) or len(chosen) != 1 or not isinstance(chosen[0], str):
        raise UnusableError(f"its {control} is not one choice: {str(chosen)[:80]}")
    if chosen[0] not in known:
        raise UnusableError(f"{control} {chosen[0][:80]!r} is no choice (there are {', '.join(sorted(known))})")
    return chosen[0]


def _boxes(data: dict[str, Any], result: Sequence[dict[str, Any]], question: Question) -> dict[str, Saying]:
    """Every box as a place, and every box that was suggested and is gone as no face."""
    episode, pts = data.get("episode"), data.get("pts")
    if not isinstance(episode, str) or not re.fullmatch(r"[A-Za-z0-9_-]+", episode) or not isinstance(pts, int):
        raise UnusableError("its task does not say which frame it shows")
    said: dict[str, Saying] = {}
    drawn: list[Box] = []
    for part in result:
        if part.get("from_name") != "face":
            continue
        value = part.get("value")
        names = value.get("rectanglelabels") if isinstance(value, dict) else None
        if not isinstance(value, dict) or not isinstance(names, list) or len(names) != 1:
            raise UnusableError(f"a box has not one label: {str(names)[:80]}")
        if names[0] not in question.characters | {SOMEONE}:
            raise UnusableError(f"character {str(names[0])[:80]!r} is no label of a box")
        box = _box(part, value)
        drawn.append(box)
        said[Place(episode=episode, pts=pts, box=box).id] = Saying(emotion="", character=names[0])
    shown = data.get("shown")
    for id in shown if isinstance(shown, list) else []:
        place = Place.read(str(id))
        if place is not None and overlap(place.box, drawn) < SAME_FACE_IOU:
            said[place.id] = Saying(emotion=NOT_A_FACE, character="")
    return said or {str(data["ref"]): Saying(emotion=NOT_A_FACE, character="")}


def _box(part: Mapping[str, Any], value: Mapping[str, Any]) -> Box:
    """A rectangle in percent of the picture -> pixels."""
    try:
        width, height = (float(part[f"original_{side}"]) for side in ("width", "height"))
        left, top, wide, high = (float(value[key]) for key in ("x", "y", "width", "height"))
        turned = float(value.get("rotation") or 0)
    except (KeyError, TypeError, ValueError) as error:
        raise UnusableError(f"a box lacks a number: {error}") from None
    if not (
        0 < width <= MOST_SIDE_PX
        and 0 < height <= MOST_SIDE_PX
        and all(-1000 < n < 1000 for n in (left, top, wide, high))
    ):
        raise UnusableError("a box has numbers that cannot be")
    if turned % 360:
        raise UnusableError("a box is turned; faces need upright ones")
    corners = (left * width, top * height, (left + wide) * width, (top + high) * height)
    try:
        l, t, r, b = (round(corner / 100) for corner in corners)  # noqa: E741
        return Box(left=l, top=t, right=r, bottom=b)
    except ValueError:
        raise UnusableError("a box holds no pixel") from None


def _prediction(data: Mapping[str, Any]) -> str:
    return str(data.get("suggested_by") or "")[:200]


def _via(data: Mapping[str, Any], kind: Kind) -> str:
    return str(data["ref"]).rpartition(":")[0] if kind is Kind.sheets else ""


def _whole(value: object, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise UnusableError(f"it has no {what}")
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, int | float) or not 0 <= value <= LONGEST_SECONDS:
        return 0.0
    return round(float(value), 3)


def _moment(row: Mapping[str, Any]) -> str:
    moment = moment_of(row)
    if not moment:
        raise UnusableError("it does not tell when it was given")
    return moment
