"""A finished run on another dataset version."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.errors import CheckpointError, DatasetError, UsageError
from pipeline.core.manifest import SPLITS, Dataset, Example
from pipeline.core.progress import Progress, Silent
from train.classes import class_of, source_of
from train.examples import read_images
from train.metrics import Scores, score
from train.predict import Model
from train.runs import SEEN

LEFT_OUT = ""
"""what a class is mapped to that shall not be scored"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A model on one split of a dataset."""

    run: str
    """id of the run"""
    dataset: str
    """`name@version`"""
    dataset_digest: str
    """of its contents"""
    split: str
    """train, val, test or all"""
    classes: tuple[str, ...]
    """the model's: rows and columns of the confusion"""
    scores: Scores
    """on the examples that were not left out"""
    left_out: int
    """examples of classes that are mapped to nothing"""
    seen: int
    """scored examples whose picture or shot the model was trained or validated on"""


def evaluate(
    model: Model,
    folder: Path,
    dataset: Dataset,
    split: str,
    mapping: Mapping[str, str],
    progress: Progress | None = None,
) -> Evaluation:
    """Scores the model of the run in `folder` on a split; `mapping` says which of its classes a dataset's class is.

    Raises:
        DatasetError: nothing to score, a class the model does not know, a missing or damaged image.
        UsageError: no such split, or the mapping names a class that is not there.
    """
    if split not in (*SPLITS, "all"):
        raise UsageError(f"there is no split {split!r}; use {', '.join(SPLITS)} or all")
    where, options = f"{dataset.manifest.name}@{dataset.manifest.version}", model.run.options
    rows = [example for example in dataset.examples if split in (example.split, "all")]
    if not rows:
        raise DatasetError(f"{where} has no {split} examples; choose another with --split, such as --split all")
    place = class_places(model, dataset, rows, mapping)
    scored = [row for row in rows if place[class_of(row, row.label, options)] is not None]
    if not scored:
        raise DatasetError(f"{where}: every class of its {split} split is left out by --map; nothing remains to score")
    images = read_images(dataset, scored, options.image_size, progress or Silent())
    truth_N = np.array([place[class_of(row, row.label, options)] for row in scored], dtype=np.int64)
    predicted_N = model.classify_squares(images).argmax(axis=1)
    return Evaluation(
        run=model.run.id,
        dataset=where,
        dataset_digest=dataset.manifest.digest,
        split=split,
        classes=model.classes,
        scores=score(truth_N, predicted_N, model.classes, [source_of(row) for row in scored]),
        left_out=len(rows) - len(scored),
        seen=count_seen(folder, scored),
    )


def class_places(
    model: Model, dataset: Dataset, rows: list[Example], mapping: Mapping[str, str]
) -> dict[str, int | None]:
    """Dataset class -> place in the model's classes, None when it is left out. Raises DatasetError, UsageError."""
    found = Counter(class_of(row, row.label, model.run.options) for row in rows)
    known = ", ".join(model.classes)
    for name, target in mapping.items():
        if name not in found and name not in dataset.manifest.classes:
            raise UsageError(
                f"--map {name}={target}: the dataset has no class {name!r}; it has {', '.join(sorted(found))}"
            )
        if target != LEFT_OUT and target not in model.classes:
            raise UsageError(f"--map {name}={target}: the model has no class {target!r}; it has {known}")
    targets = {name: mapping.get(name, name) for name in found}
    foreign = sorted(name for name, target in targets.items() if target != LEFT_OUT and target not in model.classes)
    if foreign:
        raise DatasetError(
            f"{dataset.manifest.name}@{dataset.manifest.version} has classes that the model does not know: "
            f"{', '.join(f'{name} ({found[name]})' for name in foreign)}; it knows {known}. "
            f"Say which is meant with --map {foreign[0]}={model.classes[0]}, or leave it out with --map {foreign[0]}="
        )
    return {name: None if target == LEFT_OUT else model.classes.index(target) for name, target in targets.items()}


def count_seen(folder: Path, examples: list[Example]) -> int:
    """How many come from a picture or a shot that the run was trained or validated on. Raises CheckpointError."""
    path = folder / SEEN
    try:
        table = pq.read_table(path)
        images, shots = set(table["sha256"].to_pylist()), set(table["shot"].to_pylist()) - {""}
    except (OSError, KeyError, pa.ArrowException) as error:
        raise CheckpointError(f"{path}: not readable ({error}); delete {folder} and train again") from error
    return sum(example.sha256 in images or example.shot in shots for example in examples)
