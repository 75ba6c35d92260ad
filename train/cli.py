"""`toonsift train` and `evaluate`; pipeline/cli.py mounts them. torch is loaded only when there is work for it."""

import os
from collections.abc import Callable, Iterable
from dataclasses import asdict
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.console import Session, session_of
from pipeline.core.errors import MissingToolError, UsageError

if TYPE_CHECKING:
    from pipeline.core.manifest import Dataset
    from pipeline.core.workspace import Workspace
    from train.metrics import Scores
    from train.runs import Summary


class DeviceName(StrEnum):
    """Where the arithmetic is done."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class SplitName(StrEnum):
    """What is scored."""

    train = "train"
    val = "val"
    test = "test"
    all = "all"


Device = Annotated[DeviceName, typer.Option("--device", help="auto takes CUDA when there is one.")]


def train(
    ctx: typer.Context,
    dataset: Annotated[
        str | None, typer.Argument(help="NAME, NAME@VERSION or the folder of a dataset version.")
    ] = None,
    recipe: Annotated[str, typer.Option("--recipe", help="What to train, and how; see --list.")] = "hill",
    epochs: Annotated[int | None, typer.Option("--epochs", help="Passes over the training examples.")] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Of all that is random; another seed is another run.")
    ] = None,
    device: Device = DeviceName.auto,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a run was killed; also done without it.")
    ] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any option of the recipe.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option("--weights", help="What a net that transfers begins with: a file, or imagenet.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the recipes and do nothing else.")] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write the curves as a TensorBoard event file.")
    ] = False,
) -> None:
    """Train an emotion model on a dataset version and score it on its test split."""
    from train.recipes import find_recipe

    session = session_of(ctx)
    if list_:
        _list_recipes(session)
        return
    if dataset is None:
        raise UsageError("say which dataset to train on; `toonsift list datasets` shows them")
    chosen = find_recipe(recipe)
    flags = {
        "epochs": epochs, "seed": seed, "device": None if device is DeviceName.auto else device, "weights": weights,
    }  # fmt: skip
    said = [f"{name}={value}" for name, value in flags.items() if value is not None]
    options = chosen.options.with_settings([*(set_ or []), *said])
    from pipeline.core.manifest import read_dataset
    from train.runs import OPTIONS, plan, read_summary

    workspace = session.workspace()
    runs, found = workspace.runs, read_dataset(workspace.dataset_folder(dataset))
    planned = plan(found, chosen, options)
    if resume and not (runs / planned.id / OPTIONS).exists():
        session.warn(f"there is nothing to resume for {planned.id}: with these options it begins now")
    summary = read_summary(runs / planned.id)
    if summary is None:  # a finished run is shown without waiting for torch
        require_torch()
        from train.loop import train as train_run

        summary = train_run(found, planned, runs, session.progress)
    if os.environ.get("RANK", "0") == "0":  # of the processes that torchrun starts one speaks
        finish_run(session, runs / summary.run, found, tensorboard)
        _emit_summary(session, runs, summary)


def evaluate(
    ctx: typer.Context,
    run: Annotated[str, typer.Argument(help="Id or folder of a finished training run.")],
    dataset: Annotated[str, typer.Argument(help="NAME, NAME@VERSION or the folder of a dataset version.")],
    split: Annotated[SplitName, typer.Option("--split", help="What to score.")] = SplitName.test,
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map", metavar="CLASS=CLASS", help="The dataset's class and the model's; nothing after = leaves it out."
        ),
    ] = None,
    device: Device = DeviceName.auto,
) -> None:
    """Score a trained model on another dataset version."""
    session = session_of(ctx)
    mapping = _mapping(map_ or [])
    require_torch()
    from pipeline.core.manifest import read_dataset
    from train.evaluate import evaluate as score_on
    from train.predict import load_run
    from train.runs import find_run

    workspace = session.workspace()
    folder = find_run(workspace.runs, run)
    found = read_dataset(workspace.dataset_folder(dataset))
    result = score_on(load_run(folder, device), folder, found, split, mapping, session.progress)
    document = {**asdict(result), **_flat(result.scores)}
    del document["scores"]
    _show_scores(session, f"{result.run} on {result.dataset} ({result.split})", result.classes, result.scores)
    lines = [_headline(result.scores)]
    if result.left_out:
        lines.append(f"{result.left_out} examples were left out by --map")
    if result.seen:
        lines.append(
            f"{result.seen} of the scored examples come from shots that the model was trained on: too good to be true"
        )
    session.emit(document, lines)


def leak_study(
    ctx: typer.Context,
    dataset: Annotated[str, typer.Argument(help="NAME, NAME@VERSION or the folder of a dataset version.")],
    recipe: Annotated[str, typer.Option("--recipe", help="What to train, and how; see `train --list`.")] = "hill",
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many splits and trainings of each kind.")] = 3,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Passes over the training examples.")] = None,
    device: Device = DeviceName.auto,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any option of the recipe.")
    ] = None,
) -> None:
    """Train one recipe under random, shot-disjoint and episode-disjoint splits: what of its score is leakage."""
    from train.recipes import find_recipe

    session = session_of(ctx)
    chosen = find_recipe(recipe)
    said = {"epochs": epochs, "device": None if device is DeviceName.auto else device}
    options = chosen.options.with_settings([*(set_ or []), *(f"{k}={v}" for k, v in said.items() if v is not None)])
    from pipeline.core.manifest import read_dataset

    workspace = session.workspace()
    found = read_dataset(workspace.dataset_folder(dataset))
    require_torch()
    from train.leak_study import study, summary
    from train.loop import train as train_run

    rows = study(found, chosen, options, range(seeds), workspace.runs, train_run, session.progress)
    lines = summary(rows)
    session.table(
        f"{recipe} on {found.manifest.name}@{found.manifest.version}",
        ("never parted", "accuracy", "macro-F1", "seeds", "shots on both sides"),
        [
            (one["unit"], _mean(one, "accuracy"), _mean(one, "macro_f1"), one["seeds"], one["shared_shots"])
            for one in lines
        ],
    )
    session.emit(
        {"dataset": f"{found.manifest.name}@{found.manifest.version}", "recipe": recipe,
         "rows": [asdict(row) for row in rows], "summary": lines},
        [f"{one['unit']}: {one['reason']}" for one in lines if one["reason"]],
    )  # fmt: skip
    if any(one["accuracy"] is None for one in lines):
        raise typer.Exit(1)


def _mean(line: dict[str, Any], name: str) -> str:
    value, between = line[name], line[f"{name}_range"]
    return "-" if value is None else f"{value:.3f} ({between[0]:.3f} to {between[1]:.3f})"


AFTER_TRAINING: list[Callable[["Workspace", Path], object]] = []
"""what else a finished run gets; pipeline/cli.py adds its page, which this folder does not know"""


def finish_run(session: Session, folder: Path, dataset: "Dataset", tensorboard: bool) -> None:
    """Model card, event file where asked for, and the page; all of them are made anew from the run's files."""
    from train.model_card import write_model_card
    from train.tensorboard import write_events

    write_model_card(folder, dataset)
    if tensorboard:
        write_events(folder)
    for make in AFTER_TRAINING:
        make(session.workspace(), folder)


def _list_recipes(session: Session) -> None:
    from train.recipes import RECIPES

    session.table("recipes", ("recipe", "what it is", "after"), [(r.name, r.summary, r.source) for r in RECIPES])
    session.emit({"recipes": [{"name": r.name, "summary": r.summary, "source": r.source} for r in RECIPES]})


def require_torch() -> None:
    """Raises MissingToolError where the packages for training are not installed."""
    missing = [name for name in ("torch", "safetensors") if find_spec(name) is None]
    if missing:
        raise MissingToolError(f"training needs {' and '.join(missing)}; install with: pip install 'toonsift[train]'")


def _mapping(pairs: Iterable[str]) -> dict[str, str]:
    mapping = {}
    for pair in pairs:
        name, equals, target = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--map {pair}: write it as DATASET_CLASS=MODEL_CLASS, such as --map joy=happy")
        mapping[name] = target
    return mapping


def _emit_summary(session: Session, runs: Path, summary: "Summary") -> None:
    document = asdict(summary)
    document |= {"path": str(runs / summary.run), **_flat(summary.test)}
    document["baselines"] = {name: _flat(scores) for name, scores in summary.baselines.items()}
    del document["test"]
    _show_scores(session, f"{summary.run} on its test split", summary.classes, summary.test)
    rows = [(name, s.accuracy, s.macro_f1) for name, s in [("this run", summary.test), *summary.baselines.items()]]
    session.table("beside what is trivial", ("", "accuracy", "macro-F1"), rows)
    how = f"{summary.epochs} epochs ({summary.ended}), best {summary.best_epoch}, {summary.images_per_second:.0f}/s"
    session.emit(
        document, [*(f"note: {note}" for note in summary.notes), f"{_headline(summary.test)}; {how}", document["path"]]
    )


def _flat(scores: "Scores") -> dict[str, Any]:
    document = asdict(scores)
    document["intervals"] = {name: document.pop(f"{name}_interval") for name in ("accuracy", "macro_f1")}
    return document


def _headline(scores: "Scores") -> str:
    parts = []
    for name, value, interval in (
        ("accuracy", scores.accuracy, scores.accuracy_interval),
        ("macro-F1", scores.macro_f1, scores.macro_f1_interval),
    ):
        parts.append(f"{name} {value:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""))
    return ", ".join(parts) + f" on {scores.examples} examples of {scores.clusters} shots"


def _show_scores(session: Session, title: str, classes: Iterable[str], scores: "Scores") -> None:
    columns = ("class", "precision", "recall", "f1", "support", *(f"called {name}" for name in classes))
    rows = [
        (name, s.precision, s.recall, s.f1, s.support, *counts)
        for (name, s), counts in zip(scores.per_class.items(), scores.confusion, strict=True)
    ]
    session.table(title, columns, rows)
