"""Crops -> near-duplicate groups; labels -> a dataset version."""

import json
import time
from dataclasses import dataclass
from typing import Any

from pipeline.core.images import decode_rgb
from pipeline.core.manifest import SPLITS
from pipeline.core.options import as_plain
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Crop, DatasetVersion, DuplicateGroup, Episode, Label, Run
from pipeline.core.workspace import Workspace, checked_name
from pipeline.datasets.agreement import agreement
from pipeline.duplicates import HASH_KIND, LOOK_KIND, DedupeOptions, find_groups, look, phash
from pipeline.export import Draft, ExportOptions, draft
from pipeline.flow.runs import run_digest, run_of
from pipeline.flow.versions import Content, put_version

HASHES_PER_COMMIT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOutcome:
    """What `export` made or found."""

    dataset: DatasetVersion
    """its record"""
    made: Draft
    """its contents"""
    already: bool
    """whether this version was there before"""


def hash_crops(workspace: Workspace, progress: Progress | None = None) -> None:
    """Computes what is missing of the crops' perceptual hashes and small pictures."""
    catalogue = workspace.catalogue
    hashed = catalogue.hashes(HASH_KIND).keys() & catalogue.hashes(LOOK_KIND).keys()
    missing = [crop for crop in catalogue.all(Crop) if crop.id not in hashed]
    with (progress or Silent()).step("hash", len(missing), "crops") as step:
        for start in range(0, len(missing), HASHES_PER_COMMIT):
            batch = missing[start : start + HASHES_PER_COMMIT]
            pictures = {c.id: decode_rgb(workspace.objects.read(c.sha256, ".png"), c.id) for c in batch}
            with catalogue.transaction():
                catalogue.put_hashes(HASH_KIND, {id: phash(picture) for id, picture in pictures.items()})
                catalogue.put_hashes(LOOK_KIND, {id: look(picture) for id, picture in pictures.items()})
            step.advance(len(batch))


def dedupe(workspace: Workspace, options: DedupeOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Groups the near-duplicates of all crops anew and returns the counts that `dedupe --json` prints.

    The groups of an earlier call are replaced; no crop is touched.
    """
    began = time.monotonic()
    catalogue = workspace.catalogue
    hash_crops(workspace, progress)
    crops = catalogue.all(Crop)
    groups = find_groups(crops, catalogue.hashes(HASH_KIND), catalogue.hashes(LOOK_KIND), options)
    marked = sum(len(group.members) - 1 for group in groups)
    seconds = time.monotonic() - began
    counts = {"crops": len(crops), "groups": len(groups), "kept": len(crops) - marked, "marked": marked}
    plain = as_plain(options)
    with catalogue.transaction():
        for old in catalogue.all(DuplicateGroup):
            catalogue.delete(DuplicateGroup, id=old.id)
        catalogue.put(groups)
        catalogue.put([run_of("dedupe", "all", _dedupe_digest(crops, options), plain, counts, seconds)])
    return counts | {"distance": options.distance, "seconds": round(seconds, 3)}


def dedupe_if_stale(workspace: Workspace, progress: Progress | None = None) -> None:
    """Groups near-duplicates again, as last asked for, when crops came or went since: no split may rest on old groups."""
    last = workspace.catalogue.get(Run, "dedupe:all")
    options = DedupeOptions(**json.loads(last.options)) if last else DedupeOptions()
    if last is None or last.digest != _dedupe_digest(workspace.catalogue.all(Crop), options):
        dedupe(workspace, options, progress)


def _dedupe_digest(crops: list[Crop], options: DedupeOptions) -> str:
    return run_digest("dedupe", [as_plain(options), sorted(crop.id for crop in crops)])


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
        episodes, options,
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
        "leaks": outcome.made.leaks["leaks"],
    }
