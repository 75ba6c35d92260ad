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
    from train.studies.costs import Meter
    from train.studies.trials import Entry, Laboratory

Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any option of the recipes.")
]  # fmt: skip
Epochs = Annotated[int | None, typer.Option("--epochs", help="Passes over the training examples, for all alike.")]
STUDY_NAMES = ", ".join(study.name for study in STUDIES)


def compare(
    ctx: typer.Context,
    dataset: Annotated[str, typer.Argument(help="NAME, NAME@VERSION or the folder of a dataset version.")],
    recipes: Annotated[
        str | None, typer.Option("--recipes", metavar="A,B,...", help="See `train --list`; all means all of them.")
    ] = None,
    study: Annotated[
        str | None, typer.Option("--study", help=f"The recipes of a published study: {STUDY_NAMES}.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, help="Trainings of each recipe; 5 unless said.")
    ] = None,
    epochs: Epochs = None,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget",
            metavar="SECONDS",
            help="CPU seconds for each training: what an epoch costs is measured first, and each makes the epochs that fit.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="RECIPE",
            help="Test each of the others against this one, not every pair; best where all are compared.",
        ),
    ] = None,
    largest_image: Annotated[
        int | None,
        typer.Option(
            "--largest-image", metavar="PIXELS", help="Recipes that look at larger pictures see so many pixels a side."
        ),
    ] = None,
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
    if names == ["all"]:
        names, against = _all_recipes(), against or "best"
    names = names or list(published.recipes if published else ())
    if not names:
        raise UsageError(f"say what to compare: --recipes A,B or --study with one of {STUDY_NAMES}")
    if budget is not None and epochs is not None:
        raise UsageError("--budget works the epochs out, and --epochs says them; use one of them")
    entries = tuple(_entry(name, set_, epochs, device, largest_image) for name in names)
    count = seeds or (published.seeds if published else 5)
    from pipeline.core.manifest import read_dataset

    workspace = session.workspace()
    found = read_dataset(workspace.dataset_folder(dataset))
    _require_torch()
    from train.studies.compare import CompareOptions, store
    from train.studies.compare import compare as run_compare
    from train.studies.printing import show

    options = CompareOptions(
        entries=entries,
        seeds=tuple(range(count)),
        hold_out_characters=hold_out_characters,
        study=published,
        budget_seconds=budget,
        against=against or "",
    )
    laboratory = _laboratory(session, workspace.runs)
    document = run_compare(found, options, laboratory, _meter(laboratory, workspace.root, entries[0].options.device))
    folder = store(workspace.reports, document)
    show(session, document, f"recipes on {document['dataset']}", "recipe")
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
    from train.studies.printing import show, show_map, show_shares
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
    show_map(session, document)
    show(session, document, f"{recipe}, {document['source']} to {document['target']}", "arm")
    show_shares(session, document["shares"])
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


def _entry(
    name: str, settings: list[str] | None, epochs: int | None, device: DeviceName, largest_image: int | None = None
) -> "Entry":
    from train.recipes import find_recipe

    recipe = find_recipe(name)
    said = {"epochs": epochs, "device": None if device is DeviceName.auto else device}
    flags = [f"{key}={value}" for key, value in said.items() if value is not None]
    options = recipe.options.with_settings([*(settings or []), *flags])
    if largest_image is not None and options.image_size > largest_image:
        options = options.with_settings([f"image_size={largest_image}"])
    _require_torch()
    from train.studies.trials import Entry

    return Entry(recipe=recipe, options=options)


def _require_torch() -> None:
    if missing := [name for name in ("torch", "safetensors") if find_spec(name) is None]:
        raise MissingToolError(f"studies need {' and '.join(missing)}; install with: pip install 'toonsift[train]'")


def _all_recipes() -> list[str]:
    """Every recipe, but of several that are the same under two names the last alone."""
    from train.recipes import RECIPES

    return list({(recipe.net, recipe.options): recipe.name for recipe in RECIPES}.values())


def _meter(laboratory: "Laboratory", root: Path, device: str) -> "Meter":
    """CPU seconds say nothing of what a GPU does; there the clock on the wall counts."""
    import time

    from train.predict import choose_device
    from train.studies.costs import Meter

    on_gpu = choose_device(device).type == "cuda"
    return Meter(
        trainer=laboratory.trainer,
        cache=root / "cache" / "costs",
        progress=laboratory.progress,
        clock=time.perf_counter if on_gpu else time.process_time,
    )


def _laboratory(session: Session, runs: Path) -> "Laboratory":
    from train.loop import train
    from train.studies.trials import Laboratory

    return Laboratory(runs=runs, trainer=train, progress=session.progress)


def _finish(session: Session, document: dict[str, Any], folder: Path) -> None:
    page = write_study_page(folder)
    failed = [row for row in document["rows"] if row["reason"]]
    lines = [*document["findings"], *(f"note: {note}" for note in document["notes"])]
    lines += [f"failed: {row['recipe']}, seed {row['seed']}: {row['reason']}" for row in failed]
    session.emit({**document, "report": str(page)}, [*lines, str(page)])
    if failed:
        raise typer.Exit(1)
