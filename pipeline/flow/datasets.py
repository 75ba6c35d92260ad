"""What is done with dataset versions that exist: passed on in other formats, checked, compared."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.core.errors import DatasetError, NotFoundError, UsageError
from pipeline.core.manifest import SPLITS, Dataset, read_dataset
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import DatasetVersion, Episode
from pipeline.core.workspace import Workspace
from pipeline.datasets.diff import Difference, difference
from pipeline.datasets.formats import IDENTITY, checked_format, write_format
from pipeline.datasets.sources import SourceCheck, check_sources, sampled
from pipeline.datasets.verify import faults_of_format, faults_of_version
from pipeline.flow.recipes import write_recipe_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A version in some format."""

    path: Path
    """the folder"""
    already: bool
    """whether it was there before"""
    notes: list[str] = field(default_factory=list)
    """what a reader has to know"""


def write_as(
    workspace: Workspace, version: DatasetVersion, form: str, out: Path | None = None, progress: Progress | None = None
) -> Written:
    """Writes a version in another format, beside it or to `out`, unless it lies there already.

    Raises:
        UsageError: no such format, or `out` is in use.
        DatasetError: the version is damaged.
    """
    checked_format(form)
    source = workspace.root / version.path
    if form == "folder" and out is None:
        return Written(path=source, already=True)
    folder = (out or source.with_name(f"{source.name}-{form}")).absolute()
    dataset = read_dataset(source)
    if _holds(folder, dataset, form):
        return Written(path=folder, already=True)
    if folder.exists() and any(folder.iterdir() if folder.is_dir() else [folder]):
        if out is not None:
            raise UsageError(f"{folder} is there already and is something else; give another --out, or move it away")
        raise DatasetError(f"{folder} is not what was written there; move it away and export again")
    if folder.is_dir():
        folder.rmdir()
    if form == "recipe":
        return Written(path=folder, already=False, notes=write_recipe_of(workspace, dataset, folder, progress))
    with (progress or Silent()).step(f"write {form}", len(dataset.examples), "images") as step:
        write_format(dataset, form, folder, step.advance)
    return Written(path=folder, already=False)


def _holds(folder: Path, dataset: Dataset, form: str) -> bool:
    """Whether the folder is this version in this format."""
    try:
        if form == "folder":
            return read_dataset(folder).manifest.digest == dataset.manifest.digest
        found = json.loads((folder / IDENTITY).read_text(encoding="utf-8"))
        return bool(found["digest"] == dataset.manifest.digest and found["written_as"] == form)
    except (OSError, ValueError, KeyError, TypeError, DatasetError):
        return False


def version_record(workspace: Workspace, wanted: str) -> DatasetVersion:
    """The record of `NAME@2`, or of the latest version of `NAME`.

    Raises:
        NotFoundError: there is none, or `wanted` is a folder elsewhere.
    """
    folder = workspace.dataset_folder(wanted)
    record = record_at(workspace, folder)
    if record is None:
        raise NotFoundError(f"{folder} is no dataset version of {workspace.root}; see `toonsift list datasets`")
    return record


def record_at(workspace: Workspace, folder: Path) -> DatasetVersion | None:
    """The record of the version that lies in this folder, if it is one of the workspace."""
    place = folder.resolve()
    versions = workspace.catalogue.all(DatasetVersion)
    return next((v for v in versions if (workspace.root / v.path).resolve() == place), None)


def summary_of(workspace: Workspace, record: DatasetVersion) -> dict[str, Any]:
    """What `export --json` prints of a version that exists. Raises DatasetError."""
    dataset = read_dataset(workspace.root / record.path)
    return {
        "version": record.id,
        "digest": record.digest,
        "path": str(dataset.folder),
        "already": True,
        "examples": len(dataset.examples),
        "splits": {split: sum(dataset.manifest.counts[split].values()) for split in SPLITS},
        "classes": {name: sum(dataset.manifest.counts[s][name] for s in SPLITS) for name in dataset.manifest.classes},
        "left_out": {},
        "leaks": leaks_of(dataset),
    }


def leaks_of(dataset: Dataset) -> int | None:
    """How many leaks the certificate counts; None where there is none to read."""
    try:
        return int(json.loads((dataset.folder / "leaks.json").read_text(encoding="utf-8"))["leaks"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def verify_dataset(workspace: Workspace, wanted: str) -> list[str]:
    """What differs between a dataset version (or one written in another format) and what was exported.

    Raises:
        NotFoundError: no such version.
    """
    folder = Path(wanted)
    if (folder / IDENTITY).is_file():
        return faults_of_format(folder)
    folder = workspace.dataset_folder(wanted)
    return faults_of_version(folder, record_at(workspace, folder))


def verify_sources(
    workspace: Workspace, wanted: str, count: int, seed: int = 0, progress: Progress | None = None
) -> SourceCheck:
    """Decodes the source frames of so many examples again and compares.

    Raises:
        NotFoundError: no such version.
        DatasetError: it is damaged.
    """
    dataset = read_dataset(workspace.dataset_folder(wanted))
    chosen = sampled(dataset.examples, count, seed)
    if not chosen:
        raise DatasetError(f"{wanted}: no example of it comes from an episode, so there is nothing to decode again")
    episodes = {episode.id: episode for episode in workspace.catalogue.all(Episode)}
    with (progress or Silent()).step("decode again", len(chosen), "examples") as step:
        return check_sources(dataset, chosen, episodes, step.advance)


def diff(workspace: Workspace, first: str, second: str) -> Difference:
    """What changed between two versions. Raises NotFoundError or DatasetError."""
    return difference(*(read_dataset(workspace.dataset_folder(wanted)) for wanted in (first, second)))
