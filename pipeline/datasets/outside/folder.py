"""A folder per class, CLASS/*.png, or one of those per split, train/CLASS/*.png; toonsift's own versions among them."""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.core.errors import DatasetError
from pipeline.core.manifest import as_row, read_dataset
from pipeline.datasets.outside.entries import Entry, read_entries
from pipeline.datasets.outside.pictures import SUFFIXES, Found, Origin, Picture, Rejected, split_named


def read(path: Path) -> Iterator[Found]:
    """Every picture, its class the folder it lies in. Raises DatasetError when there is none."""
    rows = _own_rows(path)
    if rows:
        yield Origin(document=json.loads((path / "manifest.json").read_text(encoding="utf-8")))
    count = 0
    for entry in read_entries(path):
        if isinstance(entry, Rejected):
            yield entry
        elif PurePosixPath(entry.name).suffix.lower() in SUFFIXES and not (rows and entry.name not in rows):
            found = _picture(entry, rows.get(entry.name, {}))
            count += isinstance(found, Picture)
            yield found
    if not count:
        raise DatasetError(f"{path}: no picture in a folder named after its class; put them there, e.g. happy/1.png")


def _picture(entry: Entry, row: dict[str, Any]) -> Found:
    place = PurePosixPath(entry.name)
    if len(place.parts) < 2:
        return Rejected(source=entry.name, reason="lies in no folder named after its class")
    above = place.parent.parent.name
    label = place.parent.name
    return Picture(
        source=entry.name, content=entry.content, suffix=place.suffix.lower(), label=label, split=split_named(above),
        character=str(row.get("character") or ""), row=row,
    )  # fmt: skip


def _own_rows(path: Path) -> dict[str, dict[str, Any]]:
    """File -> row, where the folder is a version of toonsift's; empty otherwise. Raises DatasetError."""
    if not (path / "manifest.json").is_file() or not (path / "examples.parquet").is_file():
        return {}
    return {example.file: as_row(example) for example in read_dataset(path).examples}
