"""WebDataset: tar shards of samples, each some files of one name: a picture, its class (`cls`, `txt`), its row (`json`)."""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.core.errors import DatasetError
from pipeline.datasets.outside.entries import Entry, read_entries
from pipeline.datasets.outside.ours import origin_beside
from pipeline.datasets.outside.pictures import SUFFIXES, Found, Picture, Rejected, split_named

CLASSES = "classes.txt"


def read(path: Path) -> Iterator[Found]:
    """The samples of one shard, or of every shard in a folder. Raises DatasetError when there is none."""
    shards = sorted(path.glob("**/*.tar")) if path.is_dir() else [path]
    if not shards:
        raise DatasetError(f"{path}: no shard (*.tar) in it; give the folder with the shards, or one shard")
    place = path if path.is_dir() else path.parent
    yield from origin_beside(place)
    names = _class_names(place)
    count = 0
    for shard in shards:
        split = split_named(shard.stem.rstrip("0123456789").rstrip("-_"))
        for found in _samples(shard):
            one = found if isinstance(found, Rejected) else _picture(f"{shard.name}/{found[0]}", found[1], split, names)
            count += isinstance(one, Picture)
            yield one
    if not count:
        raise DatasetError(f"{path}: no sample with a picture and a class in its shards")


def _samples(shard: Path) -> Iterator[tuple[str, dict[str, bytes]] | Rejected]:
    """(key, suffix -> content) of each sample: neighbours of one name up to its first dot."""
    key, held = "", dict[str, bytes]()
    for entry in read_entries(shard):
        if isinstance(entry, Rejected):
            yield entry
            continue
        found, suffix = _key(entry)
        if found != key and held:
            yield key, held
            held = {}
        key = found
        held[suffix] = entry.content
    if held:
        yield key, held


def _key(entry: Entry) -> tuple[str, str]:
    place = PurePosixPath(entry.name)
    stem, dot, suffix = place.name.partition(".")
    return str(place.parent / stem), dot + suffix.lower()


def _picture(source: str, files: dict[str, bytes], split: str, names: list[str]) -> Found:
    suffix = next((one for one in files if f".{one.rpartition('.')[2]}" in SUFFIXES), "")
    if not suffix:
        return Rejected(source=source, reason=f"has no picture, only {', '.join(sorted(files)) or 'nothing'}")
    row = _row(files.get(".json", b""))
    label = _label(files, row, names)
    if not label:
        return Rejected(source=source, reason="has no class: neither cls, txt nor a label in its json")
    said = split or split_named(str(row.get("split") or ""))
    return Picture(
        source=source, content=files[suffix], suffix=f".{suffix.rpartition('.')[2]}", label=label, split=said,
        character=str(row.get("character") or ""), row=row,
    )  # fmt: skip


def _row(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _label(files: dict[str, bytes], row: dict[str, Any], names: list[str]) -> str:
    if isinstance(row.get("label"), str):
        return str(row["label"])
    text = (files.get(".cls") or files.get(".txt") or b"").decode("utf-8", errors="replace").strip()
    return names[int(text)] if text.isdecimal() and int(text) < len(names) else text


def _class_names(place: Path) -> list[str]:
    try:
        return (place / CLASSES).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
