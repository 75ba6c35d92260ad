"""Predictions about examples that the net which made them never saw: of the held-out splits, or of folds trained anew."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import DatasetError, UsageError
from pipeline.core.manifest import Dataset, Example, content_digest, counts_of
from pipeline.core.progress import Progress
from pipeline.splits.packing import pack
from train.classes import class_of, source_of
from train.examples import read_images
from train.predict import Model, load_run

MOST_FOLDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Examples with what a net said that never saw them."""

    examples: tuple[Example, ...]
    """in the order of their ids"""
    labels: NDArray[np.int64]
    """given, places in the model's classes"""
    probabilities: NDArray[np.float32]
    """columns in the order of the model's classes"""
    how: str
    """for people"""


def of_held_out_splits(model: Model, dataset: Dataset, progress: Progress) -> Unseen:
    """What the model says about the validation and test splits. Raises DatasetError."""
    examples = tuple(example for example in dataset.examples if example.split in ("val", "test"))
    images = read_images(dataset, examples, model.run.options.image_size, progress)
    return Unseen(
        examples=examples,
        labels=_labels(model, examples),
        probabilities=model.classify_squares(images),
        how="validation and test examples, by the run's own model",
    )


def of_folds(model: Model, dataset: Dataset, folds: int, runs: Path, progress: Progress) -> Unseen:
    """What models say that the run's recipe trains on all other folds; no shot is parted. Each is a run in `runs`.

    Raises:
        UsageError: no such number of folds.
        DatasetError: fewer shots than folds.
    """
    from train.loop import train

    if not 2 <= folds <= MOST_FOLDS:
        raise UsageError(f"--folds must be from 2 to {MOST_FOLDS}, got {folds}")
    fold_of = _folds(model, dataset, folds)
    found: dict[str, NDArray[np.float32]] = {}
    for fold in range(folds):
        refolded = _refolded(dataset, fold_of, fold, folds)
        run = replace(model.run, dataset_digest=refolded.manifest.digest)
        train(refolded, run, runs, progress)
        examples = [example for example in refolded.examples if example.split == "test"]
        trained = load_run(runs / run.id, model.device.type)
        images = read_images(refolded, examples, run.options.image_size, progress)
        rows = trained.classify_squares(images)
        found |= {example.id: row for example, row in zip(examples, rows, strict=True)}
    return Unseen(
        examples=dataset.examples,
        labels=_labels(model, dataset.examples),
        probabilities=np.stack([found[example.id] for example in dataset.examples]),
        how=f"all examples, each by a model of {folds} folds that saw nothing of its shot",
    )


def _labels(model: Model, examples: tuple[Example, ...]) -> NDArray[np.int64]:
    place = {name: number for number, name in enumerate(model.classes)}
    return np.array([place[class_of(e, e.label, model.run.options)] for e in examples], dtype=np.int64)


def _folds(model: Model, dataset: Dataset, folds: int) -> dict[str, int]:
    """Example id -> fold, every class spread evenly, no shot parted."""
    parts: dict[str, list[str]] = {}
    for example in dataset.examples:
        parts.setdefault(source_of(example), []).append(example.id)
    if len(parts) < folds:
        raise DatasetError(f"{len(parts)} shots cannot be dealt to {folds} folds; ask for fewer")
    classes = {e.id: (class_of(e, e.label, model.run.options), "") for e in dataset.examples}
    together = [parts[key] for key in sorted(parts)]
    chosen = pack(together, classes, [1 / folds] * folds, model.run.options.seed)
    return {id: int(fold) for part, fold in zip(together, chosen, strict=True) for id in part}


def _refolded(dataset: Dataset, fold_of: dict[str, int], fold: int, folds: int) -> Dataset:
    """The dataset with one fold as its test split and all else to train on; nothing is written."""
    examples = tuple(
        replace(example, split="test" if fold_of[example.id] == fold else "train") for example in dataset.examples
    )
    manifest = dataset.manifest
    options = manifest.options | {"fold": {"number": fold, "of": folds}}
    digest = content_digest(manifest.name, manifest.classes, options, list(examples))
    counts = counts_of(manifest.classes, examples)
    return replace(
        dataset, examples=examples, manifest=replace(manifest, options=options, digest=digest, counts=counts)
    )
