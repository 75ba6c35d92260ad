"""How much of a score is leakage: one recipe trained under random, shot-disjoint and episode-disjoint splits.

The same examples, the same shares, the same seeds; only what may not be parted differs. Neighbouring frames on both sides
of a random split make it look better than it is, by as much as the three lines differ.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

from pipeline.core.errors import DatasetError, UsageError
from pipeline.core.manifest import SPLITS, Dataset, Example, content_digest, counts_of
from pipeline.core.progress import Progress
from pipeline.splits.packing import pack
from train.options import TrainOptions
from train.recipes import Recipe
from train.runs import Summary, TrainingRun, plan

Trainer = Callable[[Dataset, TrainingRun, Path, Progress], Summary]

UNITS: dict[str, Callable[[Example], str]] = {
    "random": lambda example: example.id,
    "shot": lambda example: example.shot,
    "episode": lambda example: example.episode,
}
"""what a split never parts -> the key that its members share; empty where it is not known"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRow:
    """One training."""

    unit: str
    """of UNITS"""
    seed: int
    """of the split and of the training"""
    accuracy: float | None
    """on the test split; None when it could not be trained"""
    macro_f1: float | None
    """on the test split"""
    sizes: dict[str, int]
    """split -> examples"""
    shared_shots: int
    """shots with examples on both sides of train and test"""
    run: str
    """id of the training run; empty when there is none"""
    reason: str
    """why it could not be trained; empty otherwise"""


def study(
    dataset: Dataset,
    recipe: Recipe,
    options: TrainOptions,
    seeds: Sequence[int],
    runs: Path,
    trainer: Trainer,
    progress: Progress,
    shares: tuple[float, float, float] = (0.7, 0.1, 0.2),
) -> list[StudyRow]:
    """Trains the recipe for every unit and seed; each is an ordinary run in `runs`, so a killed study goes on.

    Raises:
        UsageError: no seed, or shares that make no sense.
    """
    if not seeds:
        raise UsageError("a leak study needs one seed or more")
    rows = []
    for unit in UNITS:
        for seed in seeds:
            rows.append(_row(dataset, recipe, replace(options, seed=seed), unit, seed, runs, trainer, progress, shares))
    return rows


def resplit(dataset: Dataset, unit: str, seed: int, shares: tuple[float, float, float]) -> Dataset:
    """The same examples with other splits; nothing is written, and the pictures stay where they are.

    Raises:
        DatasetError: the unit is not known for every example, or there is one of it alone.
    """
    parts: dict[str, list[str]] = defaultdict(list)
    for example in dataset.examples:
        parts[UNITS[unit](example)].append(example.id)
    if "" in parts:
        raise DatasetError(f"{len(parts['']):,} examples say no {unit}, so splits by {unit} cannot be made")
    if len(parts) < 2:
        raise DatasetError(f"all examples are of one {unit}, so splits by {unit} cannot be made")
    classes = {example.id: (example.label, "") for example in dataset.examples}
    names = [split for split, share in zip(SPLITS, shares, strict=True) if share > 0]
    together = [parts[key] for key in sorted(parts)]
    chosen = pack(together, classes, [share for share in shares if share > 0], seed)
    split_of = {id: names[split] for part, split in zip(together, chosen, strict=True) for id in part}
    if not {"train", "test"} <= set(split_of.values()):
        split_of = _dealt(parts, seed, shares)
    examples = tuple(replace(example, split=split_of[example.id]) for example in dataset.examples)
    manifest = dataset.manifest
    made = manifest.options | {"leak_study": {"unit": unit, "seed": seed, "shares": list(shares)}}
    digest = content_digest(manifest.name, manifest.classes, made, list(examples))
    counts = counts_of(manifest.classes, examples)
    return replace(
        dataset, examples=examples, manifest=replace(manifest, options=made, digest=digest, counts=counts)
    )  # fmt: skip


def summary(rows: Sequence[StudyRow]) -> list[dict[str, Any]]:
    """A line for each unit: the means over the seeds, and their range."""
    lines = []
    for unit in UNITS:
        done = [row for row in rows if row.unit == unit and row.accuracy is not None and row.macro_f1 is not None]
        line: dict[str, Any] = {"unit": unit, "seeds": len(done)}
        for name in ("accuracy", "macro_f1"):
            values = [getattr(row, name) for row in done]
            line |= {
                name: mean(values) if values else None,
                f"{name}_range": [min(values), max(values)] if values else None,
            }
        line["shared_shots"] = round(mean(row.shared_shots for row in done), 1) if done else None
        line["reason"] = next((row.reason for row in rows if row.unit == unit and row.reason), "")
        lines.append(line)
    return lines


def _row(
    dataset: Dataset,
    recipe: Recipe,
    options: TrainOptions,
    unit: str,
    seed: int,
    runs: Path,
    trainer: Trainer,
    progress: Progress,
    shares: tuple[float, float, float],
) -> StudyRow:
    try:
        split = resplit(dataset, unit, seed, shares)
        run = plan(split, recipe, options)
    except DatasetError as error:
        return StudyRow(
            unit=unit, seed=seed, accuracy=None, macro_f1=None, sizes={}, shared_shots=0, run="", reason=str(error)
        )  # fmt: skip
    found = trainer(split, run, runs, progress)
    sizes = Counter(example.split for example in split.examples)
    return StudyRow(
        unit=unit, seed=seed, accuracy=found.test.accuracy, macro_f1=found.test.macro_f1,
        sizes={name: sizes[name] for name in SPLITS}, shared_shots=_shared_shots(split), run=run.id, reason="",
    )  # fmt: skip


def _shared_shots(dataset: Dataset) -> int:
    sides: dict[str, set[str]] = defaultdict(set)
    for example in dataset.examples:
        if example.shot:
            sides[example.shot].add(example.split)
    return sum({"train", "test"} <= splits for splits in sides.values())


def _dealt(parts: dict[str, list[str]], seed: int, shares: tuple[float, float, float]) -> dict[str, str]:
    """Whole parts in a random order, test first: for so few and large ones that no packing comes near the shares."""
    order = sorted(parts, key=lambda key: hashlib.sha256(f"{seed} {key}".encode()).digest())
    total = sum(len(ids) for ids in parts.values())
    split_of: dict[str, str] = {}
    for split, share in (("test", shares[2]), ("val", shares[1] if len(order) > 3 else 0.0)):
        count = 0
        while share and count < share * total and len(order) > 1:
            ids = parts[order.pop(0)]
            split_of |= dict.fromkeys(ids, split)
            count += len(ids)
    return split_of | dict.fromkeys((id for key in order for id in parts[key]), "train")
