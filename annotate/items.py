"""Files that say what to ask: crops in an order, what a model thinks of them, and crops whose answer is known."""

import csv
import io
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from annotate.agreement.honeypots import read_honeypots
from annotate.server.access import FOLDER, folder_of
from annotate.tasks.emotions import Guess
from pipeline.core.errors import LabelError
from pipeline.core.files import write_json
from pipeline.core.workspace import Workspace

HONEYPOTS = "honeypots.json"
"""in the workspace's folder for annotating; nothing on the server tells a honeypot from another task"""


def read_items(path: Path) -> list[str]:
    """Ids of crops, the highest `priority` first, equals in the file's order.

    The file is CSV or JSON (a list, or lines) with `crop` and, if it matters, `priority`; or one id to a line.

    Raises:
        LabelError: it cannot be read, or has no crop in it.
    """
    rows = _rows(path)
    try:
        ranked = [
            (-float(row.get("priority") or 0), n, str(row["crop"])) for n, row in enumerate(rows) if row.get("crop")
        ]
    except (TypeError, ValueError) as error:
        raise LabelError(f"{path}: a priority is no number ({error}); correct it") from None
    if not ranked:
        raise LabelError(f"{path}: no crops in it; needed is a column `crop`, or one id to a line")
    return list(dict.fromkeys(crop for *_, crop in sorted(ranked)))


def read_guesses(path: Path) -> dict[str, Guess]:
    """What a model thinks: rows with `crop`, `emotion`, `probability` and `model`.

    Raises:
        LabelError: it cannot be read, or a row lacks one of them.
    """
    guesses = {}
    for n, row in enumerate(_rows(path), start=1):
        try:
            guess = Guess(emotion=str(row["emotion"]), probability=float(row["probability"]), by=str(row["model"])[:80])
            guesses[str(row["crop"])] = guess
        except (KeyError, TypeError, ValueError) as error:
            raise LabelError(f"{path}, row {n}: {error}; each row needs crop, emotion, probability and model") from None
        if not 0 <= guess.probability <= 1:
            raise LabelError(f"{path}, row {n}: a probability is between 0 and 1, got {guess.probability}")
    return guesses


def keep_honeypots(workspace: Workspace, path: Path) -> list[str]:
    """Reads crops with known answers (CSV with `crop`, `emotion`), adds them to those kept, returns their ids in order.

    Raises:
        LabelError: the file is unusable, or a row is.
    """
    known = read_honeypots(path)
    if not known:
        raise LabelError(f"{path}: no honeypots in it; every row needs a crop and an emotion")
    kept = known_honeypots(workspace) | known
    write_json(folder_of(workspace) / HONEYPOTS, [{"crop": crop, "emotion": kept[crop]} for crop in sorted(kept)])
    return list(known)


def known_honeypots(workspace: Workspace) -> dict[str, str]:
    """Crop id -> its known emotion, of all honeypots that were ever mixed in; empty where there are none."""
    path = workspace.root / FOLDER / HONEYPOTS
    return read_honeypots(path) if path.is_file() else {}


def mixed(items: Sequence[str], honeypots: Sequence[str], seed: str) -> list[str]:
    """The items in their order with the honeypots at random places among them, the same for the same seed."""
    rng = random.Random(seed)
    rest = [item for item in items if item not in set(honeypots)]
    places = sorted(rng.randrange(len(rest) + 1) for _ in honeypots)
    shuffled = rng.sample(list(honeypots), len(honeypots))
    for shift, (place, crop) in enumerate(zip(places, shuffled, strict=True)):
        rest.insert(place + shift, crop)
    return rest


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(f"{path}: cannot be read ({error}); check the path and that it is UTF-8") from None
    if text[:1] in "[{" and text:
        try:
            content = json.loads(text)
        except ValueError:
            try:
                content = [json.loads(line) for line in text.splitlines() if line.strip()]
            except ValueError as error:
                raise LabelError(f"{path}: no valid JSON ({error}); correct it") from None
        rows = content if isinstance(content, list) else content.get("items", [content])
        return [row if isinstance(row, dict) else {"crop": row} for row in rows]
    first = text.partition("\n")[0]
    if "crop" not in first.split(","):
        return [{"crop": line.strip()} for line in text.splitlines() if line.strip()]
    return list(csv.DictReader(io.StringIO(text, newline="")))
