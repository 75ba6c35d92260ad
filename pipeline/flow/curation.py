"""Labels -> a dataset version."""

from dataclasses import dataclass
from typing import Any

from pipeline.conflicts import label_conflicts
from pipeline.core.manifest import SPLITS
from pipeline.core.progress import Progress
from pipeline.core.records import Crop, DatasetVersion, DuplicateGroup, Episode, Label
from pipeline.core.workspace import Workspace, checked_name
from pipeline.datasets.agreement import agreement
from pipeline.duplicates import HASH_KIND
from pipeline.export import Draft, ExportOptions, draft
from pipeline.flow.deduping import dedupe_if_stale, kinship_of
from pipeline.flow.repeats import repeated_shots
from pipeline.flow.versions import Content, put_version


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
    labels = catalogue.all(Label)
    made = draft(
        name, catalogue.all(Crop), labels, catalogue.all(DuplicateGroup), catalogue.hashes(HASH_KIND),
        episodes, options, kinship_of(workspace),
        {shot: mark.kind for shot, mark in repeated_shots(catalogue).items()},
    )  # fmt: skip
    dataset, already = put_version(
        workspace,
        Content(
            name=name, examples=made.examples, classes=made.classes, options=made.options, leaks=made.leaks,
            left_out=made.left_out, agreement=agreement(labels, {example.id for example in made.examples}),
        ),
        lambda example: workspace.objects.read(made.sources[example.id], ".png"),
        progress,
    )  # fmt: skip
    return ExportOutcome(dataset=dataset, made=made, already=already)


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
