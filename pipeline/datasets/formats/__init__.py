"""A dataset version in other people's formats: one file per format, each from the version's folder alone.

Whatever the format, the examples are those of the version and its digest stays the same; `toonsift.json` says which.
"""

from collections.abc import Callable
from pathlib import Path

from pipeline.core.errors import UsageError
from pipeline.core.files import write_bytes, write_json, write_text
from pipeline.core.manifest import Dataset, manifest_document
from pipeline.core.sums import write_sums
from pipeline.datasets.formats import coco, croissant, folder, parquet, webdataset
from pipeline.datasets.formats.pictures import card_of
from pipeline.datasets.versions import Tick, appearing

Writer = Callable[[Dataset, Path, Tick], None]

WRITERS: dict[str, Writer] = {
    "folder": folder.write,
    "parquet": parquet.write,
    "webdataset": webdataset.write,
    "coco": coco.write,
    "croissant": croissant.write,
}
FORMATS = (*WRITERS, "recipe")
"""what `export --format` takes; `folder` is the version itself"""
IDENTITY = "toonsift.json"
"""the version's manifest, in a folder that is no version itself"""


def checked_format(name: str) -> str:
    """`name` when it is a format. Raises UsageError."""
    if name not in FORMATS:
        raise UsageError(f"--format must be one of {', '.join(FORMATS)}; got {name!r}")
    return name


def write_format(dataset: Dataset, form: str, target: Path, tick: Tick) -> None:
    """Writes the version in one of WRITERS into `target`, which must not exist and appears whole or not at all.

    Raises:
        DatasetError: a picture is missing or differs from what was exported.
        DiskFullError: no room.
    """
    with appearing(target) as part:
        WRITERS[form](dataset, part, tick)
        if form != "folder":
            describe(dataset, form, part)


def describe(dataset: Dataset, form: str, part: Path) -> None:
    """Puts beside the data of a format what says which version it is: manifest, card, certificate, checksums."""
    for name in ("leaks.json", *(() if form == "recipe" else ("samples.png",))):
        if (dataset.folder / name).is_file():
            write_bytes(part / name, (dataset.folder / name).read_bytes())
    write_json(part / IDENTITY, {"written_as": form, **manifest_document(dataset.manifest)})
    if not (part / "README.md").exists():
        write_text(part / "README.md", card_of(dataset))
    write_sums(part, {})
