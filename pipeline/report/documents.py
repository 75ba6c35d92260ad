"""JSON that others wrote, read with care: a missing or strange value is None, never an exception further down."""

import json
import math
from pathlib import Path

from pipeline.core.errors import InputError

Document = dict[str, object]
LARGEST_BYTES = 64_000_000
"""a larger file is refused"""


def read_document(path: Path) -> Document:
    """The JSON object in a file.

    Raises:
        InputError: missing, unreadable, too large, or no JSON object.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise InputError(f"{path}: more than {LARGEST_BYTES // 1_000_000} MB; that is no file of toonsift")
        return parse_document(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason})") from error


def parse_document(text: str, name: str) -> Document:
    """The JSON object in a text; `name` is what an error calls it. Raises InputError."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: not JSON ({error})") from error
    if not isinstance(found, dict):
        raise InputError(f"{name}: not a JSON object")
    return found


def as_object(value: object) -> Document:
    """The value when it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """The value when it is a list, else an empty one."""
    return list(value) if isinstance(value, list | tuple) else []


def as_number(value: object) -> float | None:
    """The value when it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def as_whole(value: object) -> int:
    """The value as a whole number; a list counts its items; 0 for anything else."""
    if isinstance(value, list | tuple | dict):
        return len(value)
    number = as_number(value)
    return 0 if number is None else int(number)


def as_text(value: object) -> str:
    """The value when it is a text or a number, else an empty text."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
