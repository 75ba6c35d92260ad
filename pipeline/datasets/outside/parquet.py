"""Parquet with embedded images, as Hugging Face writes it: a column of {bytes, path}, a column of classes."""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.core.errors import DatasetError
from pipeline.datasets.outside.ours import origin_beside
from pipeline.datasets.outside.pictures import SUFFIXES, Found, Picture, Rejected, split_named

LABELS = ("label", "labels", "emotion", "class")
"""columns that a class is looked for in, where the file does not say which one is"""
BATCH = 256
"""rows in memory at once"""


def read(path: Path) -> Iterator[Found]:
    """The rows of one file, or of every file in a folder; a file's first word is its split.

    Raises:
        DatasetError: no such file, or it cannot be read.
    """
    files = sorted(path.glob("**/*.parquet")) if path.is_dir() else [path]
    files = [file for file in files if file.name != "examples.parquet"]
    if not files or not path.exists():
        raise DatasetError(f"{path}: no Parquet file (*.parquet) there; check the path")
    yield from origin_beside(path if path.is_dir() else path.parent)
    for file in files:
        yield from _rows(file)


def _rows(file: Path) -> Iterator[Found]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as table:
            names, picture, label = _columns(file, table.schema_arrow)
            split, number = split_named(file.stem.partition("-")[0]), 0
            for batch in table.iter_batches(BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield _picture(f"{file.name}, row {number}", row, (picture, label), names, split)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{file}: cannot be read as Parquet ({error}); copy or download it again") from error


def _columns(file: Path, schema: Any) -> tuple[list[str], str, str]:
    """The names of the classes, the column of pictures and the column of classes. Raises DatasetError."""
    features = _features(schema)
    picture = next((n for n in schema.names if features.get(n, {}).get("_type") == "Image"), "")
    picture = picture or next((n for n in ("image", "img", "picture") if n in schema.names), "")
    label = next((n for n in schema.names if features.get(n, {}).get("_type") == "ClassLabel"), "")
    label = label or next((n for n in LABELS if n in schema.names), "")
    if not picture or not label:
        raise DatasetError(
            f"{file}: no column of images and of classes (it has {', '.join(schema.names)}); call them image and label"
        )
    return [str(name) for name in features.get(label, {}).get("names") or []], picture, label


def _features(schema: Any) -> dict[str, dict[str, Any]]:
    """Column -> what Hugging Face says of it; empty where the file says nothing, or nothing that makes sense."""
    try:
        found = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        return {name: said for name, said in found.items() if isinstance(said, dict)}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _picture(source: str, row: dict[str, Any], columns: tuple[str, str], names: list[str], split: str) -> Found:
    image, label = row.get(columns[0]), row.get(columns[1])
    content = image.get("bytes") if isinstance(image, dict) else image
    if not isinstance(content, bytes) or not content:
        return Rejected(source=source, reason="has no picture in it")
    if isinstance(label, int) and names:
        label = names[label] if 0 <= label < len(names) else None
    if label is None or label == "":
        return Rejected(source=source, reason=f"its class is {row.get(columns[1])!r}, none of {', '.join(names)}")
    path = str(image.get("path") or "") if isinstance(image, dict) else ""
    suffix = PurePosixPath(path).suffix.lower()
    own = {key: value for key, value in row.items() if key != columns[0]} | {"label": str(label)}
    return Picture(
        source=source, content=content, suffix=suffix if suffix in SUFFIXES else "", label=str(label),
        split=split or split_named(str(row.get("split") or "")), character=str(row.get("character") or ""), row=own,
    )  # fmt: skip
