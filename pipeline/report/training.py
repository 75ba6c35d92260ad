"""A training run: curves, confusion, classes, baselines. Reads the run's files; knows nothing of torch."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pipeline.core.errors import CheckpointError, InputError
from pipeline.core.workspace import Workspace
from pipeline.report import wording
from pipeline.report.charts import Axis, Line, axis, legend, line_chart, whole_axis
from pipeline.report.documents import Document, as_list, as_number, as_object, as_text, as_whole, read_document
from pipeline.report.finders import Chart, Fact
from pipeline.report.palette import SPLIT_HUES
from pipeline.report.scores import ModelScores, read_scores

OPTIONS, METRICS, SUMMARY = "options.json", "metrics.jsonl", "summary.json"
RUNS_LISTED = 20
EPOCHS_READ = 20_000
BASELINE_NAMES = {"majority": "always the most frequent class", "mean_colour": "nearest mean colour"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One training run."""

    id: str
    """name of its folder"""
    dataset: str
    """`name@version`"""
    dataset_digest: str
    """of its contents"""
    recipe: str
    """its name"""
    classes: tuple[str, ...]
    """in the model's order"""
    scores: ModelScores | None
    """on the test split; None when the run is not finished"""
    baselines: tuple[ModelScores, ...]
    """what would be trivial"""
    facts: tuple[Fact, ...]
    """epochs, time, device, weights"""
    options: tuple[Fact, ...]
    """resolved"""
    notes: tuple[str, ...]
    """what a reader of the figures has to know"""
    charts: tuple[Chart, ...]
    """loss and accuracy per epoch"""
    folder: Path
    """where it lies"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A line of the table of runs."""

    id: str
    recipe: str
    dataset: str
    accuracy: str
    macro_f1: str
    epochs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSection:
    """The run shown, and the others."""

    view: RunView | None
    """None when there is none, or it cannot be read"""
    trouble: str
    """why it cannot be read; empty otherwise"""
    rows: tuple[RunRow, ...]
    """finished runs, the latest first"""
    total: int
    """finished runs in all"""


def training_section(workspace: Workspace, wanted: Path | None) -> TrainingSection:
    """The run asked for, or the one that finished last.

    Raises:
        CheckpointError: the folder asked for is no training run.
    """
    finished = finished_runs(workspace.runs)
    if wanted is not None and not (wanted / OPTIONS).is_file():
        raise CheckpointError(f"{wanted} is no training run: it has no {OPTIONS}; see `toonsift list runs`")
    folder = wanted or (finished[0] if finished else None)
    view, trouble = None, ""
    if folder is not None:
        try:
            view = _view(folder)
        except InputError as error:
            trouble = str(error)
    rows = [row for path in finished[:RUNS_LISTED] if (row := _row(path)) is not None]
    return TrainingSection(view=view, trouble=trouble, rows=tuple(rows), total=len(finished))


def finished_runs(runs: Path) -> list[Path]:
    """Folders of the runs that have a summary, the latest first."""
    found = [(path.stat().st_mtime_ns, path.parent.name, path.parent) for path in runs.glob(f"*/{SUMMARY}")]
    return [folder for _, _, folder in sorted(found, reverse=True)]


def _view(folder: Path) -> RunView:
    card = read_document(folder / OPTIONS) if (folder / OPTIONS).is_file() else {}
    summary = read_document(folder / SUMMARY) if (folder / SUMMARY).is_file() else {}
    classes = tuple(as_text(name) for name in as_list(summary.get("classes") or card.get("classes")))
    best = as_number(summary.get("best_epoch"))
    dataset = (
        as_text(summary.get("dataset")) or f"{as_text(card.get('dataset_name'))}@{as_text(card.get('dataset_version'))}"
    )
    baselines = as_object(summary.get("baselines"))
    options = as_object(summary.get("options") or card.get("options"))
    return RunView(
        id=folder.name,
        dataset=dataset,
        dataset_digest=as_text(summary.get("dataset_digest") or card.get("dataset_digest")),
        recipe=as_text(summary.get("recipe") or card.get("recipe")),
        classes=classes,
        scores=read_scores("this model", as_object(summary.get("test")), classes),
        baselines=tuple(
            scores
            for name, found in baselines.items()
            if (scores := read_scores(BASELINE_NAMES.get(name, wording.titled(name)), as_object(found), classes))
        ),
        facts=tuple(_facts(summary)),
        options=tuple(Fact(name=wording.titled(key), value=wording.plain(value)) for key, value in options.items()),
        notes=tuple(as_text(note) for note in as_list(summary.get("notes")) if as_text(note)),
        charts=_charts(read_epochs(folder / METRICS), best),
        folder=folder,
    )


def read_epochs(path: Path) -> list[Document]:
    """The lines of metrics.jsonl, epoch by epoch; a half-written last line is passed over."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[:EPOCHS_READ]
    except OSError:
        return []
    epochs = []
    for line in lines:
        try:
            found = as_object(json.loads(line))
        except ValueError:
            continue
        if as_number(found.get("epoch")) is not None:
            epochs.append(found)
    return epochs


def _facts(summary: Document) -> Iterable[Fact]:
    sizes = as_object(summary.get("split_sizes"))
    if sizes:
        yield Fact(name="examples", value=", ".join(f"{as_whole(n):,} {split}" for split, n in sizes.items()))
    epochs, best = as_whole(summary.get("epochs")), as_whole(summary.get("best_epoch"))
    if epochs:
        ended = as_text(summary.get("ended"))
        yield Fact(name="epochs", value=f"{epochs:,}, the {best:,}. kept" + (f" ({ended})" if ended else ""))
    if (seconds := as_number(summary.get("seconds"))) is not None:
        speed = as_number(summary.get("images_per_second"))
        yield Fact(name="time", value=wording.duration(seconds) + (f", {speed:,.0f} images/s" if speed else ""))
    for key, name in (("parameters", "weights in the net"), ("weights", "began with"), ("device", "device")):
        if key in summary:
            yield Fact(name=name, value=wording.plain(summary[key]))
    versions = [as_text(summary.get(key)) for key in ("code_version", "torch_version")]
    if all(versions):
        yield Fact(name="versions", value=f"toonsift {versions[0]}, torch {versions[1]}")


MEASURES = (
    ("Loss", "loss", ("train_loss", "val_loss"), (0.0, None)),
    ("Accuracy", "accuracy", ("train_accuracy", "val_accuracy"), (0.0, 1.0)),
    ("Macro F1", "macro F1", ("train_macro_f1", "val_macro_f1"), (0.0, 1.0)),
    ("Learning rate", "learning rate", ("learning_rate",), (0.0, None)),
)
"""title, axis, keys of metrics.jsonl, ends of the axis"""
NAMES = {"train": "train", "val": "val", "learning": "learning rate"}


def _charts(epochs: Sequence[Document], best: float | None) -> tuple[Chart, ...]:
    mark = (best, "kept") if best else None
    borders = phase_borders(epochs)
    charts = []
    for title, measure, keys, (low, high) in MEASURES:
        lines = [line for key in keys if (line := _line(epochs, key)) is not None]
        if any(len(line.points) > 1 for line in lines):  # one epoch makes no curve
            x = whole_axis("epoch", [at for line in lines for at, _ in line.points])
            y: Axis = axis(measure, [v for line in lines for _, v in line.points], low=low, high=high)
            said = ", ".join(f"{line.name} {line.points[-1][1]:.3g}" for line in lines)
            drawing = line_chart(
                lines, x, y, summary=f"{title} per epoch; after the last: {said}", mark=mark, borders=borders
            )
            charts.append(Chart(title=f"{title} per epoch", legend=legend(lines), drawing=drawing))
    return tuple(charts)


def _line(epochs: Sequence[Document], key: str) -> Line | None:
    points = tuple(
        (as_number(epoch["epoch"]) or 0.0, value)
        for epoch in epochs
        if (value := as_number(epoch.get(key))) is not None
    )
    split = key.partition("_")[0]
    return Line(name=NAMES[split], points=points, hue=SPLIT_HUES.get(split, "k3")) if points else None


def phase_borders(epochs: Sequence[Document]) -> tuple[tuple[float, str], ...]:
    """Where another phase begins (half an epoch before its first one), with its name: short, then long retraining."""
    found = []
    for before, epoch in pairwise(epochs):
        phase = as_text(epoch.get("phase"))
        if phase and phase != as_text(before.get("phase")):
            found.append(((as_number(epoch["epoch"]) or 0.0) - 0.5, phase))
    return tuple(found)


def _row(folder: Path) -> RunRow | None:
    try:
        summary = read_document(folder / SUMMARY)
    except InputError:
        return None
    scores = read_scores("", as_object(summary.get("test")), ())
    return RunRow(
        id=folder.name,
        recipe=as_text(summary.get("recipe")),
        dataset=as_text(summary.get("dataset")),
        accuracy=wording.percent(scores.accuracy) if scores else "\u2013",
        macro_f1=wording.percent(scores.macro_f1) if scores else "\u2013",
        epochs=as_text(summary.get("epochs")),
    )
