"""Recipes side by side on one dataset version: the same examples, the same seeds, the same budget."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.core.errors import DatasetError, InputError, UsageError
from pipeline.core.files import digest_of, write_json
from pipeline.core.manifest import Dataset
from train.classes import classes_of
from train.studies.budget import Allowance, allowed, left_out
from train.studies.cautions import cautions
from train.studies.contestants import Contestant, Exam
from train.studies.costs import Meter
from train.studies.derived import Fold
from train.studies.findings import findings
from train.studies.published import Study
from train.studies.tables import Line, best_of, pairs_of, row_of, summary_of
from train.studies.trials import Entry, Failure, Laboratory, baselines_on, exam_of, folds_of, run_trials
from train.studies.watching import Within

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
    budget_seconds: float | None = None
    """what a training may cost, see `train.studies.budget`; None: as many epochs as the options say"""
    against: str = ""
    """the recipe that each of the others is tested against; empty: every pair is tested"""


def compare(
    dataset: Dataset, options: CompareOptions, laboratory: Laboratory, meter: Meter | None = None
) -> dict[str, Any]:
    """Trains every recipe with every seed and returns all tables as one document; finished runs are only read.

    With a budget `meter` measures what the recipes cost, and each makes the epochs that fit.

    Raises:
        UsageError: nothing to compare, a recipe twice, or recipes that tell other things apart.
        DatasetError: the dataset cannot be learned from.
        MissingToolError, WorkspaceError: nothing can be trained here.
    """
    first = _checked(dataset, options)
    folds, said = folds_of(dataset, first.options, options.hold_out_characters)
    exam = exam_of(folds, first.options)
    entries, allowances = _within_budget(dataset, options, meter)
    named = {entry.recipe.name: (entry, folds) for entry in entries}
    trials, failures = run_trials(named, options.seeds, laboratory, f"compare on {dataset.manifest.name}")
    contestants = [Contestant.of(name, exam, found) for name, found in trials.items() if found]
    baselines = baselines_on(folds, exam, first.options, laboratory.progress)
    document = _heading(dataset, options, folds, exam)
    document |= tables(contestants, baselines, failures, options.against)
    document["budget"] = _budget(options.budget_seconds, allowances)
    besides = {one.recipe: one.fixed_seconds for one in allowances}
    told = cautions(contestants, options.budget_seconds, besides) if contestants else []
    document["notes"] = [*said, *told, *_sizes_words(entries)]
    return document


def tables(
    contestants: Sequence[Contestant], baselines: Sequence[Contestant], failures: Sequence[Failure], against: str = ""
) -> Line:
    """Rows, summary, baselines, pairs and findings of what was trained."""
    rows = [row_of(one, number, trial) for one in contestants for number, trial in enumerate(one.trials)]
    rows += [failed_row(failure) for failure in failures]
    summary, trivial = [summary_of(one) for one in contestants], [summary_of(one) for one in baselines]
    chosen = [one for one in contestants if one.name == against]
    pairs = pairs_of(chosen, [one for one in contestants if one.name != against]) if chosen else pairs_of(contestants)
    beside = pairs_of(contestants, [best_of(baselines)]) if contestants else []
    return {
        "rows": rows,
        "summary": summary,
        "baselines": trivial,
        "against": against if chosen else "",
        "pairs": pairs,
        "beside_baseline": beside,
        "findings": findings(pairs, beside, [*summary, *trivial]),
    }


def _within_budget(
    dataset: Dataset, options: CompareOptions, meter: Meter | None
) -> tuple[list[Entry], list[Allowance]]:
    """The entries with the epochs that fit, without those that none fits for, and what each may do."""
    if options.budget_seconds is None:
        return list(options.entries), []
    assert meter is not None, "a budget needs a meter"
    found = list[tuple[Entry | None, Allowance]]()
    with meter.progress.step("measure", len(options.entries), "recipes") as step:
        within = Within(step)
        for entry in options.entries:
            within.begin(entry.recipe.name)
            try:
                found.append(allowed(entry, dataset, options.budget_seconds, replace(meter, progress=within)))
            except InputError as error:  # such as a loss that is no number: the others can be compared all the same
                found.append((None, left_out(entry, str(error))))
            step.advance()
    kept = [entry for entry, _ in found if entry is not None]
    if not kept:
        raise UsageError(
            f"no recipe can be trained within {options.budget_seconds:g} s: "
            + "; ".join(dict.fromkeys(f"{said.recipe}: {said.reason}" for _, said in found))
            + "; give a larger --budget, or a smaller dataset"
        )
    return kept, [said for _, said in found]


def _sizes_words(entries: Sequence[Entry]) -> list[str]:
    """Which recipes see smaller or larger pictures than they say."""
    sizes = {e.recipe.name: (e.options.image_size, e.recipe.options.image_size) for e in entries}
    changed = [f"{name} {now} (its own: {own})" for name, (now, own) in sizes.items() if now != own]
    return [f"pixels a side that are not the recipe's own: {', '.join(changed)}"] if changed else []


def _budget(seconds: float | None, allowances: Sequence[Allowance]) -> Line | None:
    if seconds is None:
        return None
    return {
        "seconds": seconds,
        "allowances": [asdict(one) for one in allowances if one.epochs],
        "left_out": [{"recipe": one.recipe, "reason": one.reason} for one in allowances if not one.epochs],
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
    if options.against and options.against not in names:
        raise UsageError(f"--against {options.against}: it is none of the recipes compared, {', '.join(names)}")
    if options.budget_seconds is not None and options.hold_out_characters:
        raise UsageError("--budget measures one training set, and --hold-out-characters makes several; use one of them")
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
    if options.budget_seconds is not None or options.against:  # without them the id of a comparison is what it was
        identity += [options.budget_seconds, options.against]
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
