"""What one way to train says about a test set, over several seeds; the common ground of `compare` and `shift`."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.core.errors import CheckpointError
from pipeline.core.manifest import Example
from train.classes import source_of
from train.metrics import Classes
from train.studies.learning import Learning
from train.studies.statistics import METRICS, Floats, counts_by_shot

Probabilities = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Exam:
    """The examples that all contestants are tested on, in one order."""

    examples: tuple[Example, ...]
    """the rows"""
    classes: tuple[str, ...]
    """in the order of the probabilities"""
    truth: Classes
    """(N,) class numbers"""

    @cached_property
    def shots(self) -> Classes:
        """(N,) numbers 0..K-1 of what may not be parted."""
        sources = np.asarray([source_of(example) for example in self.examples], dtype=str)
        return np.asarray(np.unique(sources, return_inverse=True)[1], dtype=np.int64)

    def rows_by(self, key: str) -> dict[str, NDArray[np.int64]]:
        """Value of `character` or `episode` -> the rows that have it; those that have none are left out."""
        found: dict[str, list[int]] = {}
        for row, example in enumerate(self.examples):
            if name := str(getattr(example, key)):
                found.setdefault(name, []).append(row)
        return {name: np.array(found[name], dtype=np.int64) for name in sorted(found)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One contestant with one seed."""

    seed: int
    """of all that is random"""
    runs: tuple[str, ...]
    """ids of the training runs: one, or one for each character held out"""
    probabilities: Probabilities
    """(N, C), what it says about each example of the exam"""
    epochs: int
    """over its runs"""
    images_seen: int
    """training pictures times epochs"""
    seconds: float
    """wall time in epochs"""
    cpu_seconds: float | None
    """user and system time of this process while it trained; None when it was trained before the study"""
    notes: tuple[str, ...] = ()
    """what a reader of the figures has to know"""
    learning: Learning | None = None
    """how far it came on its training pictures; None where that is not known"""
    chance_instead: str = ""
    """weights that it should have begun with and that could not be had; empty when it began as its recipe says"""
    head_alone: bool = False
    """whether all of its epochs were short retraining, so that the body stayed as it was"""


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A recipe, or an arm of the domain shift, or a baseline."""

    name: str
    """in the tables"""
    exam: Exam
    """what it was tested on"""
    predicted: NDArray[np.int64]
    """(R, N) class numbers, one row per seed"""
    trials: tuple[Trial, ...] = ()
    """one per seed; none for a baseline"""

    @classmethod
    def of(cls, name: str, exam: Exam, trials: Sequence[Trial]) -> "Contestant":
        """A contestant of trained models."""
        predicted = np.stack([trial.probabilities.argmax(axis=1) for trial in trials]).astype(np.int64)
        return cls(name=name, exam=exam, predicted=predicted, trials=tuple(trials))

    @cached_property
    def counts(self) -> Floats:
        """(R, K, C, C) confusion per seed and shot."""
        return counts_by_shot(self.exam.truth, self.predicted, self.exam.shots, len(self.exam.classes))

    def values(self, metric: str) -> list[float]:
        """A metric of METRICS per seed."""
        return [float(value) for value in METRICS[metric](self.counts.sum(axis=1))]

    def part(self, rows: NDArray[np.int64]) -> "Contestant":
        """The same on some of the examples alone."""
        exam = Exam(
            examples=tuple(self.exam.examples[row] for row in rows),
            classes=self.exam.classes,
            truth=self.exam.truth[rows],
        )
        return Contestant(name=self.name, exam=exam, predicted=self.predicted[:, rows])


def read_predictions(path: Path, exam_examples: Iterable[Example], classes: Sequence[str]) -> Probabilities:
    """(N, C) probabilities that a run stored, in the order of the examples given.

    Raises:
        CheckpointError: not readable, other classes, or an example without a prediction.
    """
    try:
        table = pq.read_table(path, columns=["example", "probabilities"])
        stored = tuple(json.loads((table.schema.metadata or {})[b"classes"]))
        rows = dict(zip(table["example"].to_pylist(), table["probabilities"].to_pylist(), strict=True))
        if stored != tuple(classes):
            raise ValueError(f"its classes are {', '.join(map(str, stored))}, not {', '.join(classes)}")
        found = np.array([rows[example.id] for example in exam_examples], dtype=np.float32)
        if found.ndim != 2 or found.shape[1] != len(classes) or not np.isfinite(found).all():
            raise ValueError(f"its probabilities have the shape {found.shape}, or are no numbers")
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise CheckpointError(
            f"{path}: not readable ({error}); delete {path.parent} and run the same command again"
        ) from error
    return found
