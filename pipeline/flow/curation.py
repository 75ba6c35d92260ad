"""Labels -> a dataset version."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.conflicts import label_conflicts
from pipeline.core.errors import DatasetError
from pipeline.core.manifest import SPLITS, read_dataset
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Crop, DatasetVersion, DuplicateGroup, Episode, Label
from pipeline.core.workspace import Workspace, checked_name, now
from pipeline.duplicates import HASH_KIND
from pipeline.export import Draft, ExportOptions, draft, manifest_of, write_version
from pipeline.flow.deduping import dedupe_if_stale, kinship_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOutcome:
    """What `export` made or found."""

    dataset: DatasetVersion
    """its record"""
    made: Draft
    """its contents"""
    already: bool
    """whether this version was there before"""


def export(workspace: Workspace, name: str, options: ExportOptions, progress: Progress | None = None) -> ExportOutcome:
    """Writes the dataset version that the workspace's labels give now, unless the latest one of that name is the same.

    Raises:
        InputError: the name cannot be a file name.
        DatasetError: nothing to export.
    """
    checked_name(name, "dataset")
    catalogue = workspace.catalogue
    dedupe_if_stale(workspace, progress)
    episodes = {episode.id: episode for episode in catalogue.all(Episode)}
    made = draft(
        name, catalogue.all(Crop), catalogue.all(Label), catalogue.all(DuplicateGroup), catalogue.hashes(HASH_KIND),
        episodes, options, kinship_of(workspace),
    )  # fmt: skip
    earlier = sorted(catalogue.all(DatasetVersion, name=name), key=lambda d: d.version)
    same = next((d for d in earlier if d.digest == made.digest and (workspace.root / d.path).is_dir()), None)
    if same:
        return ExportOutcome(dataset=same, made=made, already=True)
    version = earlier[-1].version + 1 if earlier else 1
    relative = Path("datasets") / name / f"{version:04d}"
    created = now()
    manifest = manifest_of(name, version, earlier[-1].digest if earlier else "", made, created)
    if (workspace.root / relative).exists():  # a killed export wrote it but never recorded it
        shutil.rmtree(workspace.root / relative)
    (workspace.root / relative).parent.mkdir(parents=True, exist_ok=True)
    with (progress or Silent()).step("export", len(made.examples), "images") as step:
        write_version(
            workspace.root / relative,
            manifest,
            made,
            lambda digest: workspace.objects.read(digest, ".png"),
            step.advance,
        )
    record = DatasetVersion(
        id=f"{name}@{version}", name=name, version=version, digest=made.digest, parent=manifest.parent,
        path=str(relative), examples=len(made.examples), created=created,
    )  # fmt: skip
    with catalogue.transaction():
        catalogue.put([record])
    return ExportOutcome(dataset=record, made=made, already=False)


def export_summary(workspace: Workspace, outcome: ExportOutcome) -> dict[str, Any]:
    """The fields that `export --json` prints."""
    examples = outcome.made.examples
    return {
        "version": outcome.dataset.id,
        "digest": outcome.dataset.digest,
        "path": str(workspace.root / outcome.dataset.path),
        "already": outcome.already,
        "examples": len(examples),
        "splits": {split: sum(e.split == split for e in examples) for split in SPLITS},
        "classes": {label: sum(e.label == label for e in examples) for label in outcome.made.classes},
        "left_out": outcome.made.left_out,
        "conflicts": label_conflicts(workspace.catalogue.all(DuplicateGroup), workspace.catalogue.all(Label)),
        "balance": outcome.made.balance,
        "leaks": outcome.made.leaks["leaks"],
    }


def verify_dataset(workspace: Workspace, wanted: str) -> list[str]:
    """What differs between a dataset version and what was exported; empty when it is whole."""
    from pipeline.core.manifest import damaged_files

    try:
        dataset = read_dataset(workspace.dataset_folder(wanted))
    except DatasetError as error:
        return [str(error)]
    return [f"{dataset.folder / file}: {fault}" for file, fault in damaged_files(dataset)]
