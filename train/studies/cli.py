"""`toonsift compare`, `shift` and `cartoonify`; pipeline/cli.py mounts them. torch is loaded only when there is work for it."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.console import Session, session_of
from pipeline.core.errors import InputError, MissingToolError, UsageError
from pipeline.study_pages import write_study_page
from train.cli import Device, DeviceName
from train.studies.published import STUDIES, find_study

if TYPE_CHECKING:
    from train.studies.trials import Entry, Laboratory

Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any option of the recipes.")
]  # fmt: skip
Epochs = Annotated[int | None, typer.Option("--epochs", help="Passes over the training examples, for all alike.")]
STUDY_NAMES = ", ".join(study.name for study in STUDIES)


def compare(
    ctx: typer.Context,
    dataset: Annotated[str, typer.Argument(help="NAME, NAME@VERSION or the folder of a dataset version.")],
    recipes: Annotated[str | None, typer.Option("--recipes", metavar="A,B,...", help="See `train --list`.")] = None,
    study: Annotated[
        str | None, typer.Option("--study", help=f"The recipes of a published study: {STUDY_NAMES}.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, help="Trainings of each recipe; 5 unless said.")
    ] = None,
    epochs: Epochs = None,
    hold_out_characters: Annotated[
        bool, typer.Option("--hold-out-characters", help="Test on each character in turn, trained on the others.")
    ] = False,
    device: Device = DeviceName.auto,
    set_: Settings = None,
) -> None:
    """Train recipes with several seeds each and say which is better, and whether that is more than luck."""
    session = session_of(ctx)
    published = find_study(study) if study else None
    names = [name.strip() for name in (recipes or "").split(",") if name.strip()]
    names = names or list(published.recipes if published else ())
    if not names:
        raise UsageError(f"say what to compare: --recipes A,B or --study with one of {STUDY_NAMES}")
    entries = tuple(_entry(name, set_, epochs, device) for name in names)
    count = seeds or (published.seeds if published else 5)
    from pipeline.core.manifest import read_dataset

    workspace = session.workspace()
    found = read_dataset(workspace.dataset_folder(dataset))
    _require_torch()
    from train.studies.compare import CompareOptions, store
    from train.studies.compare import compare as run_compare

    options = CompareOptions(
        entries=entries, seeds=tuple(range(count)), hold_out_characters=hold_out_characters, study=published
    )
    document = run_compare(found, options, _laboratory(session, workspace.runs))
    folder = store(workspace.reports, document)
    _show(session, document, f"recipes on {document['dataset']}", "recipe")
    _finish(session, document, folder)


def shift(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(help="Dataset version that is trained on, such as photographs.")],
    target: Annotated[str, typer.Argument(help="Dataset version that is tested on, and never trained on.")],
    recipe: Annotated[str, typer.Option("--recipe", help="What to train, and how; see `train --list`.")] = "hill",
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="SOURCE=TARGET,...", help="What a class of the source means in the target."),
    ] = None,
    arms: Annotated[
        str, typer.Option("--arms", metavar="A,B,...", help="Ways to bridge the gap.")
    ] = "plain,augmented,cartoonified,styled,balanced,all",
    method: Annotated[str, typer.Option("--method", help="How to cartoonify; see `cartoonify --help`.")] = "edges",
    strength: Annotated[float, typer.Option("--strength", help="Of the cartoonifying, 0 to 1.")] = 0.5,
    split: Annotated[str, typer.Option("--split", help="What of the target is tested on.")] = "all",
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Trainings of each arm.")] = 5,
    epochs: Epochs = None,
    device: Device = DeviceName.auto,
    set_: Settings = None,
) -> None:
    """Train on one dataset, test on another that looks different, and say what bridges the gap."""
    session = session_of(ctx)
    entry = _entry(recipe, set_, epochs, device)
    from pipeline.core.manifest import read_dataset

    workspace = session.workspace()
    here, there = (read_dataset(workspace.dataset_folder(name)) for name in (source, target))
    _require_torch()
    from train.studies.compare import store
    from train.studies.labelmap import parse_pairs
    from train.studies.restyle import Look
    from train.studies.shift import ShiftOptions, find_arms
    from train.studies.shift import shift as run_shift

    options = ShiftOptions(
        entry=entry,
        seeds=tuple(range(seeds)),
        arms=find_arms([name.strip() for name in arms.split(",") if name.strip()]),
        cartoon=Look(method=method, strength=strength),  # type: ignore[arg-type]  # checked by Look
        pairs=parse_pairs(map_ or []),
        split=split,
    )
    cache = workspace.root / "cache" / "restyled"
    document = run_shift(here, there, options, _laboratory(session, workspace.runs), cache)
    folder = store(workspace.reports, document)
    _show_map(session, document)
    _show(session, document, f"{recipe}, {document['source']} to {document['target']}", "arm")
    _show_shares(session, document["shares"])
    _finish(session, document, folder)


def cartoonify(
    ctx: typer.Context,
    images: Annotated[list[Path], typer.Argument(help="Pictures.")],
    out: Annotated[Path, typer.Option("--out", help="The sheet, a PNG.")] = Path("cartoonified.png"),
    method: Annotated[
        list[str] | None, typer.Option("--method", help="edges, stylization, smooth or colours; all unless said.")
    ] = None,
    strength: Annotated[
        list[float] | None, typer.Option("--strength", help="0 to 1; 0.25, 0.5 and 1 unless said.")
    ] = None,
) -> None:
    """Draw pictures as cartoons: a sheet that shows what each method does at growing strength."""
    session = session_of(ctx)
    from pipeline.core.files import write_bytes
    from pipeline.core.images import encode_png, read_rgb
    from train.studies.cartoonify import METHODS, Method
    from train.studies.sheet import preview_sheet

    methods: list[Method] = []
    for name in method or METHODS:
        methods += [known for known in METHODS if known == name]
        if name not in METHODS:
            raise UsageError(f"there is no method {name!r} to cartoonify with; known are {', '.join(METHODS)}")
    pictures, failed = [], list[dict[str, str]]()
    for path in images:
        try:
            pictures.append(read_rgb(path))
        except InputError as error:
            failed.append({"path": str(path), "reason": str(error)})
    if pictures:
        write_bytes(out, encode_png(preview_sheet(pictures, methods, strength or (0.25, 0.5, 1.0))))
    session.emit(
        {"sheet": str(out) if pictures else None, "images": len(pictures), "methods": methods, "failed": failed},
        [*(one["reason"] for one in failed), *([f"{len(pictures)} picture(s): {out}"] if pictures else [])],
    )
    if failed:
        raise typer.Exit(1)


def _entry(name: str, settings: list[str] | None, epochs: int | None, device: DeviceName) -> "Entry":
    from train.recipes import find_recipe

    recipe = find_recipe(name)
    said = {"epochs": epochs, "device": None if device is DeviceName.auto else device}
    flags = [f"{key}={value}" for key, value in said.items() if value is not None]
    options = recipe.options.with_settings([*(settings or []), *flags])
    _require_torch()
    from train.studies.trials import Entry

    return Entry(recipe=recipe, options=options)


def _require_torch() -> None:
    if missing := [name for name in ("torch", "safetensors") if find_spec(name) is None]:
        raise MissingToolError(f"studies need {' and '.join(missing)}; install with: pip install 'toonsift[train]'")


def _laboratory(session: Session, runs: Path) -> "Laboratory":
    from train.loop import train
    from train.studies.trials import Laboratory

    return Laboratory(runs=runs, trainer=train, progress=session.progress)


def _show(session: Session, document: dict[str, Any], title: str, what: str) -> None:
    columns = (what, "seeds", "accuracy", "macro-F1", "balanced", "ECE", "epochs", "images seen", "CPU s")
    lines = [*document["summary"], *document["baselines"]]
    session.table(title, columns, [_cells(line) for line in lines])
    if "source_summary" in document:
        session.table("on the source's own test split", columns, [_cells(one) for one in document["source_summary"]])
    for key in ("class", "character", "episode"):
        _show_parts(session, document["summary"], key, what)
    if document["pairs"]:
        session.table(
            "macro-F1 of pairs, on the same test examples",
            ("", "", "difference", "p, test set", "p, training", "p", "p corrected"),
            [
                (p["first"], p["second"], f"{p['difference']:+.3f}", p["p_shots"],
                 "-" if p["p_seeds"] is None else p["p_seeds"], p["p"], p["p_corrected"])
                for p in document["pairs"]
                if p["metric"] == "macro_f1"
            ],
        )  # fmt: skip
    if published := document.get("published"):
        session.table(
            "as context, what the study reports",
            ("recipe", f"{published['source']}: {published['data']}"),
            [(one["recipe"], one["figures"]) for one in published["reported"]],
        )


def _show_parts(session: Session, summary: list[dict[str, Any]], key: str, what: str) -> None:
    """F1 of each class, macro-F1 of each character and episode; nothing where there is none or one alone."""
    parts = summary[0][f"per_{key}"] if summary else {}
    if len(parts) < 2:
        return
    figure, size = ("f1", "support") if key == "class" else ("macro_f1", "examples")
    rows = [(name, one[size], *(line[f"per_{key}"][name][figure] for line in summary)) for name, one in parts.items()]
    title = f"{'F1' if key == 'class' else 'macro-F1'} per {key}"
    session.table(title, (key, "examples", *(line["recipe"] for line in summary)), rows)


def _cells(line: dict[str, Any]) -> tuple[object, ...]:
    figures = [_figure(line, metric) for metric in ("accuracy", "macro_f1")]
    cost = [line.get(key) for key in ("epochs", "images_seen", "cpu_seconds")]
    return (
        line["recipe"], line["seeds"] if "ece" in line else "-", *figures, line["balanced_accuracy"],
        line.get("ece", "-"), *("-" if value is None else f"{value:,.0f}" for value in cost),
    )  # fmt: skip


def _figure(line: dict[str, Any], metric: str) -> str:
    words = f"{line[metric]:.3f}"
    for kind, name in (("interval", "seeds"), ("shots_interval", "shots")):
        if between := line[f"{metric}_{kind}"]:
            words += f"\n{name} {between[0]:.3f} to {between[1]:.3f}"
    return words


def _show_map(session: Session, document: dict[str, Any]) -> None:
    rows = [*document["map"].items(), *((name, "(left out)") for name in document["source_left_out"])]
    rows += [("(not learned)", name) for name in document["target_left_out"]]
    session.table("what a class means", (document["source"], document["target"]), rows)


def _show_shares(session: Session, shares: dict[str, Any]) -> None:
    named = [("training of the source", shares["prior"]), ("truth of the target", shares["truth"])]
    named += [(f"predicted: {arm['name']}", arm["predicted"]) for arm in shares["arms"]]
    rows = [(name, *(f"{share:.0%}" for share in values)) for name, values in named]
    session.table("share of each class", ("", *shares["classes"]), rows)


def _finish(session: Session, document: dict[str, Any], folder: Path) -> None:
    page = write_study_page(folder)
    failed = [row for row in document["rows"] if row["reason"]]
    lines = [*document["findings"], *(f"note: {note}" for note in document["notes"])]
    lines += [f"failed: {row['recipe']}, seed {row['seed']}: {row['reason']}" for row in failed]
    session.emit({**document, "report": str(page)}, [*lines, str(page)])
    if failed:
        raise typer.Exit(1)
