"""The card of a cascade as a text for people: what it was fitted to and how, what it reached, with which versions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.core.files import write_bytes

_FIRST = ("reason", "false_alarm", "data", "options", "stages", "scores", "cost", "versions")
_TITLES = {
    "reason": "Why fitting ended", "false_alarm": "False alarm rate on fresh background windows", "data": "Data",
    "options": "Options", "stages": "Stages", "scores": "Scores", "cost": "Cost", "versions": "Versions",
}  # fmt: skip


def card_path(xml: Path) -> Path:
    """Where the card of an XML file lies: `face.xml` -> `face.card.md`."""
    return xml.with_suffix(".card.md")


def write_card(xml: Path, name: str, card: Mapping[str, Any]) -> Path:
    """Writes the card beside the XML and returns its path."""
    path = card_path(xml)
    write_bytes(path, card_text(name, card).encode())
    return path


def card_text(name: str, card: Mapping[str, Any]) -> str:
    """The card as Markdown: single values, tables of values, tables of rows; long lists of numbers are left out."""
    parts = [f"# Cascade {_plain(name)}", "OpenCV cascade (`cv2.CascadeClassifier`), fitted with toonsift."]
    keys = [key for key in _FIRST if key in card] + [key for key in card if key not in _FIRST]
    for key in keys:
        body = _body(card[key])
        if body:
            parts.append(f"## {_TITLES.get(key, key.replace('_', ' ').capitalize())}\n\n{body}")
    return "\n\n".join(parts) + "\n"


def _body(value: Any) -> str:
    if isinstance(value, Mapping):
        return _table(("what", "value"), [(key, shown) for key, shown in _flat(value)])
    if isinstance(value, Sequence) and not isinstance(value, str) and value and isinstance(value[0], Mapping):
        columns = list(dict.fromkeys(key for row in value for key in row))
        rows = [(i, *(_plain(row.get(column, "")) for column in columns)) for i, row in enumerate(value, 1)]
        return _table(("", *columns), rows)
    return _plain(value)


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    rows = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{before}{key} ")
        elif not (isinstance(value, list) and (len(value) > 12 or any(isinstance(v, list | dict) for v in value))):
            rows.append((f"{before}{key}", _plain(value)))
    return rows


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_plain(cell).replace('|', '/') for cell in line)} |" for line in lines)


def _plain(value: Any) -> str:
    """One line of text."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(part) for part in value)
    return " ".join(str(value).split())
