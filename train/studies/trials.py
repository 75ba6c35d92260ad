"""Recipe x seed: each an ordinary training run, so a killed study goes on and a finished run is only read."""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.core.errors import CheckpointError, DatasetError, InputError, ToonsiftError, UsageError
from pipeline.core.files import write_json
from pipeline.core.manifest import Dataset, Example
from pipeline.core.progress import Progress
from train.classes import class_of, classes_of
from train.options import TrainOptions
from train.recipes import Recipe
from train.runs import OPTIONS, PREDICTIONS, SUMMARY, Summary, TrainingRun, plan
from train.studies.baselines import baseline_guesses
from train.studies.contestants import Contestant, Exam, Trial, read_predictions
from train.studies.derived import Fold, characters_of, held_out
from train.studies.learning import Learning, learning_of, together
from train.studies.watching import Within
from train.weights import RANDOM

Trainer = Callable[[Dataset, TrainingRun, Path, Progress], Summary]
COST = "cost.json"
"""in a run's folder: what a study measured of it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A recipe as it takes part."""

    recipe: Recipe
    """what is trained"""
    options: TrainOptions
    """with all that was set, but for the seed"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A training that came to nothing."""

    recipe: str
    """its name"""
    seed: int
    """of all that is random"""
    reason: str
    """the error's own words"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Laboratory:
    """Where trainings happen."""

    runs: Path
    """folder of the runs"""
    trainer: Trainer
    """`train.loop.train`"""
    progress: Progress
    """told of everything"""


def folds_of(dataset: Dataset, options: TrainOptions, hold_out_characters: bool) -> tuple[list[Fold], list[str]]:
    """The dataset as it is, or a fold for each character that can be held out; and what has to be said about them.

    Raises:
        DatasetError: the dataset cannot be learned from, or fewer than two characters can be held out.
        UsageError: characters are both held out and told apart.
    """
    if not hold_out_characters:
        classes_of(dataset, options)
        return [Fold(name="", dataset=dataset)], []
    if options.target != "emotion":
        raise UsageError("a character that is held out cannot be told apart; use --set target=emotion")
    folds, said = [], []
    for character in characters_of(dataset):
        fold = held_out(dataset, character)
        try:
            classes_of(fold.dataset, options)
            folds.append(fold)
        except DatasetError as error:
            said.append(f"{character} is not held out: {error}")
            continue
        if fold.dropped:
            said.append(f"{character}: {fold.dropped:,} training examples of the same shots or pictures were left out")
    if len(folds) < 2:
        where = f"{dataset.manifest.name}@{dataset.manifest.version}"
        raise DatasetError(
            f"{where}: {len(folds)} character(s) can be held out, and two are needed"
            + (f" ({'; '.join(said)})" if said else "; label the characters and export again")
        )
    return folds, said


def exam_of(folds: Sequence[Fold], options: TrainOptions) -> Exam:
    """The test examples of all folds, fold by fold."""
    classes = classes_of(folds[0].dataset, options)
    examples = tuple(example for fold in folds for example in tested_in(fold))
    place = {name: number for number, name in enumerate(classes)}
    truth_N = np.array([place[class_of(e, e.label, options)] for e in examples], dtype=np.int64)
    return Exam(examples=examples, classes=classes, truth=truth_N)


def tested_in(fold: Fold) -> list[Example]:
    """A fold's test examples, in the order of their ids."""
    return [example for example in fold.dataset.examples if example.split == "test"]


def run_trials(
    entries: Mapping[str, tuple[Entry, Sequence[Fold]]], seeds: Sequence[int], laboratory: Laboratory, title: str
) -> tuple[dict[str, list[Trial]], list[Failure]]:
    """Trains every entry with every seed; what fails is told, and the rest goes on.

    The first seed of all comes before the second of any: a study that is stopped half way can be compared all the same,
    and the time left is known when each has had its turn.

    Args:
        entries: name in the tables -> what is trained, on which folds.
        seeds: of the trainings.
        laboratory: where they happen.
        title: of the whole, for who watches.

    Raises:
        MissingToolError, WorkspaceError: nothing could be trained here at all.
    """
    trials: dict[str, list[Trial]] = {name: [] for name in entries}
    failures = []
    turns = [(seed, name, *entries[name]) for seed in seeds for name in entries]
    due = sum(not _is_finished(entry, folds, seed, laboratory.runs) for seed, _, entry, folds in turns)
    with laboratory.progress.step(title, due, "trainings") as step:
        within = Within(step)
        for seed, name, entry, folds in turns:
            fresh = not _is_finished(entry, folds, seed, laboratory.runs)
            within.begin(f"{name}, seed {seed}")
            try:
                trials[name].append(_trial(entry, folds, seed, replace(laboratory, progress=within)))
            except InputError as error:
                failures.append(Failure(recipe=name, seed=seed, reason=str(error)))
            step.advance(int(fresh))
    return trials, failures


def _is_finished(entry: Entry, folds: Sequence[Fold], seed: int, runs: Path) -> bool:
    try:
        planned = [plan(fold.dataset, entry.recipe, replace(entry.options, seed=seed)) for fold in folds]
    except ToonsiftError:  # which training will tell
        return False
    return all((runs / run.id / SUMMARY).exists() for run in planned)


def baselines_on(folds: Sequence[Fold], exam: Exam, options: TrainOptions, progress: Progress) -> list[Contestant]:
    """The baselines on the exam, each fold's learned from its own training split. Raises DatasetError."""
    place = {name: number for number, name in enumerate(exam.classes)}

    def label_of(example: Example) -> int:
        return place[class_of(example, example.label, options)]

    found = [baseline_guesses(fold.dataset, tested_in(fold), label_of, progress) for fold in folds]
    return [
        Contestant(name=name, exam=exam, predicted=np.concatenate([guesses[name] for guesses in found])[None])
        for name in found[0]
    ]


def _trial(entry: Entry, folds: Sequence[Fold], seed: int, laboratory: Laboratory) -> Trial:
    options, found = replace(entry.options, seed=seed), []
    for fold in folds:
        run = plan(fold.dataset, entry.recipe, options)
        summary, cost = train_once(fold.dataset, run, laboratory)
        stored = read_predictions(laboratory.runs / run.id / PREDICTIONS, tested_in(fold), run.classes)
        found.append((summary, cost, stored, _learning(laboratory.runs / run.id, fold.dataset, options)))
    summaries, costs = [summary for summary, *_ in found], [cost for _, cost, *_ in found]
    first = summaries[0]
    return Trial(
        seed=seed,
        runs=tuple(summary.run for summary in summaries),
        probabilities=np.concatenate([stored for _, _, stored, _ in found]),
        epochs=sum(summary.epochs for summary in summaries),
        images_seen=sum(summary.epochs * summary.split_sizes["train"] for summary in summaries),
        seconds=sum(summary.seconds for summary in summaries),
        cpu_seconds=None if None in costs else sum(cost for cost in costs if cost is not None),
        notes=tuple(dict.fromkeys(note for summary in summaries for note in summary.notes)),
        learning=together([learning for *_, learning in found]),
        chance_instead=str(options.weights) if options.weights and first.weights.startswith(RANDOM) else "",
        head_alone=0 < options.epochs <= options.frozen_epochs,
    )


def _learning(folder: Path, dataset: Dataset, options: TrainOptions) -> Learning | None:
    counts = Counter(class_of(e, e.label, options) for e in dataset.examples if e.split == "train")
    return learning_of(folder, list(counts.values()))


def train_once(dataset: Dataset, run: TrainingRun, laboratory: Laboratory) -> tuple[Summary, float | None]:
    """The run, trained to the end, and the CPU seconds it took where a study has seen all of it.

    Raises:
        InputError: the dataset, the run's files or the training itself.
    """
    folder = laboratory.runs / run.id
    fresh, before = not (folder / OPTIONS).exists(), time.process_time()
    summary = laboratory.trainer(dataset, run, laboratory.runs, laboratory.progress)
    if fresh:
        write_json(folder / COST, {"cpu_seconds": round(time.process_time() - before, 3)})
    return summary, _cost(folder / COST)


def _cost(path: Path) -> float | None:
    if not path.exists():
        return None
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["cpu_seconds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: not readable ({error}); delete it and run the same command again") from error
