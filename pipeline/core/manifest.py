"""A dataset version on disk: `manifest.json`, `examples.parquet`, the images. Written by export, read by everyone.

NAME/0001/
    manifest.json      name, version, parent, digest, classes, counts, options, code version
    examples.parquet   one row per example
    images/SPLIT/LABEL/*.png
    leaks.json         the leak certificate
    README.md          the card
    samples.png        a sheet of samples
    SHA256SUMS         of every file above, for `toonsift verify` and for `sha256sum --check`
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.core.errors import DatasetError
from pipeline.core.files import digest_of, inside, whole_file, write_json
from pipeline.core.places import Box
from pipeline.core.sums import altered_files

FORMAT = 1
"""of the folder; a reader refuses a higher one"""
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One row of examples.parquet."""

    id: str
    """of the crop"""
    file: str
    """image, relative to the dataset's folder"""
    sha256: str
    """of the image file"""
    label: str
    """the class"""
    soft_label: tuple[float, ...]
    """share of the annotators' answers per class, in the order of the manifest's classes; sums to 1"""
    split: str
    """train, val or test"""
    character: str
    """whose face it is; empty when unknown"""
    episode: str
    """id of the episode"""
    pts: int
    """of the frame"""
    time_base: Fraction
    """seconds per tick"""
    shot: str
    """id of the shot"""
    track: str
    """id of the track"""
    box: Box
    """pixels of the source frame"""
    cascade: str
    """digest of the cascade"""
    phash: str
    """64-bit pHash as 16 hex digits"""
    annotators: int
    """how many answered"""
    source: str = ""
    """file or row it was imported from; empty for a crop of an episode"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The contents of manifest.json."""

    name: str
    """of the dataset"""
    version: int
    """1, 2, ..."""
    parent: str
    """digest of the version before, or empty"""
    digest: str
    """what `content_digest` gives for the rows"""
    classes: tuple[str, ...]
    """sorted; the order of soft labels and of a model's outputs"""
    counts: dict[str, dict[str, int]]
    """split -> class -> examples"""
    options: dict[str, Any]
    """the resolved export options"""
    code_version: str
    """of toonsift"""
    created: str
    """UTC, ISO 8601; not part of the digest"""
    agreement: dict[str, Any] = field(default_factory=dict)
    """how far the annotators agree; not part of the digest"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset version read from its folder."""

    folder: Path
    """where it lies"""
    manifest: Manifest
    """what manifest.json says"""
    examples: tuple[Example, ...]
    """sorted by id"""

    def image_path(self, example: Example) -> Path:
        """Absolute path of an example's image. Raises InputError when it would leave the folder."""
        return inside(self.folder, example.file)


def content_digest(name: str, classes: tuple[str, ...], options: dict[str, Any], examples: list[Example]) -> str:
    """SHA-256 that is the same on every machine for the same rows and options; times of day and paths stay out."""
    rows = [_digested(example) for example in sorted(examples, key=lambda e: e.id)]
    return digest_of({"format": FORMAT, "name": name, "classes": classes, "options": options, "rows": rows})


def write_rows(folder: Path, manifest: Manifest, examples: list[Example]) -> None:
    """Writes examples.parquet, then manifest.json, into an existing folder; the images must lie there already."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [as_row(example) for example in sorted(examples, key=lambda e: e.id)]
    with whole_file(folder / "examples.parquet") as stream:
        pq.write_table(pa.Table.from_pylist(rows, schema=_schema()), stream, compression="zstd")
    write_json(folder / "manifest.json", manifest_document(manifest))


def manifest_document(manifest: Manifest) -> dict[str, Any]:
    """What manifest.json holds."""
    return {"format": FORMAT, **{key: getattr(manifest, key) for key in Manifest.__slots__}}


def read_dataset(folder: Path) -> Dataset:
    """Reads a dataset version; images are not opened.

    Raises:
        DatasetError: no dataset there, made by a newer toonsift, damaged, or its rows do not give its digest.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "manifest.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(
            f"{folder} is no dataset version: it has no manifest.json; see `toonsift list datasets`"
        ) from None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: not readable ({error}); export the dataset again") from error
    if not isinstance(document, dict) or not isinstance(document.get("format"), int):
        raise DatasetError(f"{path}: not a dataset manifest; export the dataset again")
    if document["format"] > FORMAT:
        raise DatasetError(
            f"{path}: format {document['format']} is newer than this toonsift reads ({FORMAT}); upgrade toonsift"
        )
    try:
        manifest = manifest_from(document)
        table = pq.read_table(folder / "examples.parquet", schema=_schema())
        examples = tuple(as_example(row) for row in table.to_pylist())
    except (OSError, KeyError, TypeError, AttributeError, ValueError, pa.ArrowException) as error:
        raise DatasetError(
            f"{folder}: manifest.json or examples.parquet is damaged ({error}); export the dataset again"
        ) from error
    found = content_digest(manifest.name, manifest.classes, manifest.options, list(examples))
    if found != manifest.digest:
        raise DatasetError(
            f"{folder}: its rows give the digest {found[:12]}, its manifest says {manifest.digest[:12]}: "
            "a file was changed after the export; export the dataset again"
        )
    return Dataset(folder=folder, manifest=manifest, examples=examples)


def counts_of(classes: tuple[str, ...], examples: Iterable[Example]) -> dict[str, dict[str, int]]:
    """Split -> class -> how many examples, every split and class among them."""
    counts = {split: dict.fromkeys(classes, 0) for split in SPLITS}
    for example in examples:
        counts[example.split][example.label] += 1
    return counts


def damaged_files(dataset: Dataset) -> list[tuple[str, str]]:
    """Every image that is missing or differs by as much as a bit: (file, what is wrong)."""
    return altered_files(dataset.folder, ((e.file, e.sha256) for e in dataset.examples))


def manifest_from(document: dict[str, Any]) -> Manifest:
    """The manifest of such a document. Raises KeyError, TypeError, AttributeError or ValueError when it is none."""
    return Manifest(
        name=str(document["name"]),
        version=int(document["version"]),
        parent=str(document["parent"]),
        digest=str(document["digest"]),
        classes=tuple(str(c) for c in document["classes"]),
        counts={str(s): {str(c): int(n) for c, n in by.items()} for s, by in document["counts"].items()},
        options=dict(document["options"]),
        code_version=str(document["code_version"]),
        created=str(document["created"]),
        agreement=dict(document.get("agreement") or {}),
    )


def _schema() -> Any:
    import pyarrow as pa

    text, whole = pa.string(), pa.int64()
    return pa.schema(
        [
            ("id", text),
            ("file", text),
            ("sha256", text),
            ("label", text),
            ("soft_label", pa.list_(pa.float64())),
            ("split", text),
        ]
        + [("character", text), ("episode", text), ("pts", whole), ("time_base_num", whole), ("time_base_den", whole)]
        + [("shot", text), ("track", text), ("left", whole), ("top", whole), ("right", whole), ("bottom", whole)]
        + [("cascade", text), ("phash", text), ("annotators", whole), ("source", text)]
    )


def as_row(e: Example) -> dict[str, Any]:
    """An example as a flat row of plain values, as examples.parquet and every other format has it."""
    return {
        "id": e.id, "file": e.file, "sha256": e.sha256, "label": e.label, "soft_label": list(e.soft_label),
        "split": e.split, "character": e.character, "episode": e.episode, "pts": e.pts,
        "time_base_num": e.time_base.numerator, "time_base_den": e.time_base.denominator,
        "shot": e.shot, "track": e.track, "left": e.box.left, "top": e.box.top, "right": e.box.right,
        "bottom": e.box.bottom, "cascade": e.cascade, "phash": e.phash, "annotators": e.annotators,
        "source": e.source,
    }  # fmt: skip


def _digested(e: Example) -> dict[str, Any]:
    """What the digest is over; an empty source is left out, so that versions made before there was one keep theirs."""
    row = as_row(e)
    if not e.source:
        del row["source"]
    return row


def as_example(row: dict[str, Any]) -> Example:
    """The example of such a row. Raises KeyError, TypeError or ValueError when it is none."""
    return Example(
        id=row["id"], file=row["file"], sha256=row["sha256"], label=row["label"], soft_label=tuple(row["soft_label"]),
        split=row["split"], character=row["character"], episode=row["episode"], pts=row["pts"],
        time_base=Fraction(row["time_base_num"], row["time_base_den"]), shot=row["shot"], track=row["track"],
        box=Box(left=row["left"], top=row["top"], right=row["right"], bottom=row["bottom"]),
        cascade=row["cascade"], phash=row["phash"], annotators=row["annotators"], source=row.get("source") or "",
    )  # fmt: skip
