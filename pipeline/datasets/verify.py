"""Whether a dataset version is what was written: every file to the bit, every row, and the manifest itself."""

import json
from pathlib import Path

from pipeline.core.errors import DatasetError
from pipeline.core.manifest import Dataset, counts_of, read_dataset
from pipeline.core.records import DatasetVersion
from pipeline.core.sums import SUMS, altered_files, files_below, read_sums
from pipeline.datasets.formats import IDENTITY


def faults_of_version(folder: Path, record: DatasetVersion | None = None) -> list[str]:
    """What differs between a version on disk and what was exported; empty when it is whole.

    The rows vouch for the pictures and the digest for the rows; the checksums for all else, the manifest among it; and
    the catalogue's record, where there is one, for the digest, so that a whole folder cannot be swapped for another.
    """
    try:
        dataset = read_dataset(folder)
    except DatasetError as error:
        return [str(error)]
    return [*_manifest_faults(dataset, record), *_file_faults(dataset)]


def faults_of_format(folder: Path) -> list[str]:
    """The same for a version that was written in another format: its files against their checksums."""
    try:
        json.loads((folder / IDENTITY).read_text(encoding="utf-8"))
        sums = read_sums(folder)
    except (OSError, ValueError, DatasetError) as error:
        return [f"{folder}: not readable ({error}); export it again"]
    if not sums:
        return [f"{folder / SUMS} is missing; export it again"]
    return _listed(folder, altered_files(folder, sums.items()), set(sums))


def _manifest_faults(dataset: Dataset, record: DatasetVersion | None) -> list[str]:
    manifest, path = dataset.manifest, dataset.folder / "manifest.json"
    strange = next((e for e in dataset.examples if e.label not in manifest.classes), None)
    if strange is not None:
        return [f"{path}: example {strange.id} is a {strange.label!r}, which is no class of it"]
    faults = []
    try:
        if counts_of(manifest.classes, dataset.examples) != manifest.counts:
            faults.append(f"{path}: its counts are not those of the rows; it was edited: export the dataset again")
    except KeyError as error:
        faults.append(f"{path}: the rows have a split {error} that there is not")
    if record is None:
        return faults
    for name in ("digest", "name", "version", "parent"):
        said, kept = getattr(manifest, name), getattr(record, name)
        if said != kept:
            faults.append(
                f"{path}: {name} is {said!r}, the catalogue recorded {kept!r}: the folder was edited or swapped"
            )
    return faults


def _file_faults(dataset: Dataset) -> list[str]:
    folder = dataset.folder
    expected = {example.file: example.sha256 for example in dataset.examples}
    try:
        sums = read_sums(folder)
    except DatasetError as error:
        return [str(error), *_listed(folder, altered_files(folder, expected.items()), None)]
    if not sums:
        faults = [f"{folder / SUMS} is missing: only rows and images can be checked; export the dataset again"]
        return [*faults, *_listed(folder, altered_files(folder, expected.items()), None)]
    faults = [
        f"{folder / SUMS}: says another checksum of {file} than its row does"
        for file, digest in expected.items()
        if sums.get(file) != digest
    ]
    return [*faults, *_listed(folder, altered_files(folder, (sums | expected).items()), {*sums, *expected})]


def _listed(folder: Path, altered: list[tuple[str, str]], known: set[str] | None) -> list[str]:
    faults = [f"{folder / file}: {fault}" for file, fault in altered]
    if known is not None:
        strangers = [file for file in files_below(folder) if file not in known and file != SUMS]
        faults += [f"{folder / file}: is no part of the version; move it away" for file in strangers]
    return faults
