"""Recipes side by side on one dataset version: the same examples, the same seeds, the same budget."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.core.errors import DatasetError, UsageError
from pipeline.core.files import digest_of, write_json
from pipeline.core.manifest import Dataset
from train.classes import classes_of
from train.studies.contestants import Contestant, Exam
from train.studies.derived import Fold
from train.studies.published import Study
from train.studies.tables import Line, best_of, cautions, findings, pairs_of, row_of, summary_of
from train.studies.trials import Entry, Failure, Laboratory, baselines_on, exam_of, folds_of, run_trials

DOCUMENT = "study.json"
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """What is compared."""

    entries: tuple[Entry, ...]
    """the recipes, two of one name never among them"""
    seeds: tuple[int, ...]
    """of the trainings"""
    hold_out_characters: bool = False
    """test on each character in turn, trained on the others"""
    study: Study | None = None
    """whose own figures are shown beside ours"""


def compare(dataset: Dataset, options: CompareOptions, laboratory: Laboratory) -> dict[str, Any]:
    """Trains every recipe with every seed and returns all tables as one document; finished runs are only read.

    Raises:
        UsageError: nothing to compare, a recipe twice, or recipes that tell other things apart.
        DatasetError: the dataset cannot be learned from.
        MissingToolError, WorkspaceError: nothing can be trained here.
    """
    first = _checked(dataset, options)
    folds, said = folds_of(dataset, first.options, options.hold_out_characters)
    exam = exam_of(folds, first.options)
    contestants, failures = [], list[Failure]()
    for entry in options.entries:
        trials, failed = run_trials(entry, folds, options.seeds, laboratory)
        failures += failed
        if trials:
            contestants.append(Contestant.of(entry.recipe.name, exam, trials))
    baselines = baselines_on(folds, exam, first.options, laboratory.progress)
    document = _heading(dataset, options, folds, exam) | tables(contestants, baselines, failures)
    document["notes"] = [*said, *document["notes"]]
    return document


def tables(contestants: Sequence[Contestant], baselines: Sequence[Contestant], failures: Sequence[Failure]) -> Line:
    """Rows, summary, baselines, pairs and findings of what was trained."""
    rows = [row_of(one, number, trial) for one in contestants for number, trial in enumerate(one.trials)]
    rows += [failed_row(failure) for failure in failures]
    summary, trivial = [summary_of(one) for one in contestants], [summary_of(one) for one in baselines]
    pairs = pairs_of(contestants)
    beside = pairs_of(contestants, [best_of(baselines)]) if contestants else []
    return {
        "rows": rows,
        "summary": summary,
        "baselines": trivial,
        "pairs": pairs,
        "beside_baseline": beside,
        "findings": findings(pairs, beside, [*summary, *trivial]),
        "notes": cautions(contestants) if contestants else [],
    }


def failed_row(failure: Failure) -> Line:
    """A training that came to nothing, as a row."""
    return {
        "recipe": failure.recipe, "seed": failure.seed, "accuracy": None, "macro_f1": None, "ece": None,
        "seconds": None, "cpu_seconds": None, "epochs": None, "images_seen": None, "runs": [], "reason": failure.reason,
    }  # fmt: skip


def store(reports: Path, document: dict[str, Any]) -> Path:
    """Writes `reports/ID/study.json` and returns the folder. Raises DiskFullError."""
    folder = reports / str(document["id"])
    write_json(folder / DOCUMENT, {"format": FORMAT, **document})
    return folder


def _checked(dataset: Dataset, options: CompareOptions) -> Entry:
    names = [entry.recipe.name for entry in options.entries]
    if not names or not options.seeds:
        raise UsageError("say which recipes to compare, and with how many seeds: --recipes A,B --seeds 5")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"--recipes names {', '.join(twice)} twice")
    targets = {entry.options.target for entry in options.entries}
    if len(targets) > 1:
        raise UsageError(
            f"these recipes tell different things apart ({', '.join(sorted(targets))}); "
            "make them alike with --set target=emotion"
        )
    if not any(example.split == "test" for example in dataset.examples):
        raise DatasetError(f"{dataset.manifest.name}@{dataset.manifest.version} has no test examples; export it again")
    if not options.hold_out_characters:
        classes_of(dataset, options.entries[0].options)
    return options.entries[0]


def _heading(dataset: Dataset, options: CompareOptions, folds: Sequence[Fold], exam: Exam) -> dict[str, Any]:
    manifest, study = dataset.manifest, options.study
    identity = [
        manifest.digest, options.hold_out_characters, list(options.seeds),
        [[entry.recipe.name, entry.recipe.net, entry.options.identity()] for entry in options.entries],
    ]  # fmt: skip
    held_out = [fold.name for fold in folds if fold.name]
    return {
        "kind": "compare",
        "id": f"compare-{manifest.name}-{digest_of(identity)[:8]}",
        "dataset": f"{manifest.name}@{manifest.version}",
        "dataset_digest": manifest.digest,
        "classes": list(exam.classes),
        "seeds": list(options.seeds),
        "held_out": held_out,
        "test": {"examples": len(exam.examples), "shots": len(set(exam.shots.tolist()))},
        "published": None if study is None else asdict(study),
    }
