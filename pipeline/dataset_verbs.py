"""The verbs about dataset versions that exist: verify, diff, import dataset, rebuild."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipeline.console import session_of


class OutsideKind(StrEnum):
    """Layouts of other people's data sets."""

    fer2013 = "fer2013"
    ferg = "ferg"
    folder = "folder"
    parquet = "parquet"
    webdataset = "webdataset"
    coco = "coco"


SHOWN = 20
"""lines of one kind for people; --json lists all"""


def verify(
    ctx: typer.Context,
    dataset: Annotated[
        str | None,
        typer.Argument(help="NAME, NAME@VERSION or a folder that `export` wrote. Without it, the workspace."),
    ] = None,
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, help="Decode so many examples' frames again and compare.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which ones --sample takes (0).")] = 0,
) -> None:
    """Check that every file is as it was recorded."""
    from pipeline import inventory
    from pipeline.core.errors import UsageError
    from pipeline.flow.datasets import verify_dataset, verify_sources

    session = session_of(ctx)
    if sample and not dataset:
        raise UsageError("--sample needs a dataset version: `toonsift verify NAME --sample 20`")
    workspace = session.workspace()
    faults = verify_dataset(workspace, dataset) if dataset else inventory.verify(workspace)
    what = dataset or str(workspace.root)
    result: dict[str, object] = {"verified": what, "faults": faults}
    lines = [f"{what}: {f'{len(faults)} faults' if faults else 'as recorded'}"]
    if dataset and sample and not faults:
        looked = verify_sources(workspace, dataset, sample, seed, session.progress)
        faults += looked.faults
        result["decoded_again"] = looked.checked
        lines.append(f"decoded again: {looked.checked}, {len(looked.faults) or 'no'} differences")
    for fault in faults:
        session.warn(fault)
    session.emit(result, lines)
    if faults:
        raise typer.Exit(1)


def diff(
    ctx: typer.Context,
    first: Annotated[str, typer.Argument(help="NAME, NAME@VERSION or the folder of a dataset version.")],
    second: Annotated[str, typer.Argument(help="The version to compare it with.")],
) -> None:
    """Show what changed between two dataset versions: added, removed, relabelled, moved between splits."""
    from pipeline.flow.datasets import diff as compare

    session = session_of(ctx)
    found = compare(session.workspace(), first, second)
    changes = [
        (what, change.id, change.before, change.after)
        for what in ("relabelled", "moved", "redrawn", "reweighed")
        for change in getattr(found, what)
    ]
    rows = [("added", id, "", "") for id in found.added] + [("removed", id, "", "") for id in found.removed] + changes
    if rows:
        session.table(f"{first} -> {second}", ("what", "example", "before", "after"), rows[:SHOWN])
    counts = {name: len(value) for name, value in asdict(found).items() if isinstance(value, list)}
    more = [f"... and {len(rows) - SHOWN} more; --json lists all"] if len(rows) > SHOWN else []
    said = ", ".join(f"{n} {name}" for name, n in counts.items() if n) or "nothing changed"
    session.emit(
        {"first": first, "second": second, "same": found.same, "counts": counts, **asdict(found)},
        [*more, f"{said}; {found.unchanged} examples unchanged"],
    )


def import_dataset(
    ctx: typer.Context,
    kind: Annotated[OutsideKind, typer.Argument(help="How it is laid out.")],
    path: Annotated[Path, typer.Argument(help="The folder, file, zip or tar.")],
    name: Annotated[str, typer.Option("--name", help="Of the dataset that it becomes.")],
    split: Annotated[
        str | None, typer.Option("--split", help="Shares of train,val,test where it has no splits (0.7,0.1,0.2).")
    ] = None,
    resplit: Annotated[bool, typer.Option("--resplit", help="Make splits even where it has its own.")] = False,
    test_character: Annotated[
        list[str] | None, typer.Option("--test-character", help="Hold a character out as the test split; repeat it.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of splits that are made (0).")] = 0,
) -> None:
    """Import somebody else's data set as a dataset version, its splits respected or leak-free ones made."""
    from pipeline.core.options import shares_of
    from pipeline.flow.importing import ImportOptions, import_summary
    from pipeline.flow.importing import import_dataset as import_version
    from pipeline.splits import SplitOptions

    session = session_of(ctx)
    shares = shares_of(split)
    options = ImportOptions(
        split=SplitOptions(seed=seed, shares=shares) if shares else SplitOptions(seed=seed),
        resplit=resplit,
        test_characters=tuple(sorted(test_character or [])),
    )
    workspace = session.workspace()
    with workspace.writing("import dataset"):
        outcome = import_version(workspace, kind.value, path, name, options, session.progress)
    result = import_summary(workspace, outcome)
    for one in outcome.rejected[: SHOWN if not session.json else 0]:
        session.warn(f"{one.source}: {one.reason}")
    if len(outcome.rejected) > SHOWN and not session.json:
        session.warn(f"... and {len(outcome.rejected) - SHOWN} more rejected; --json lists all")
    counts = ", ".join(f"{n} {split}" for split, n in result["splits"].items())
    session.emit(
        result,
        [
            *(f"note: {note}" for note in outcome.notes),
            f"{result['version']}{' (there already)' if result['already'] else ''}: {result['imported']} examples ({counts}), "
            f"{len(outcome.rejected)} rejected",
            f"leaks: {result['leaks']}; digest {result['digest'][:16]}",
            result["path"],
        ],
    )
    if outcome.rejected:
        raise typer.Exit(1)


def rebuild(
    ctx: typer.Context,
    recipe: Annotated[Path, typer.Argument(help="recipe.json, or the folder that it lies in.")],
    videos: Annotated[list[Path], typer.Option("--videos", help="Your own copies: a folder or a file; repeat it.")],
    name: Annotated[str | None, typer.Option("--name", help="Of the dataset. Default: the recipe's.")] = None,
    within: Annotated[
        int | None,
        typer.Option("--within", min=0, max=64, help="Bits that a picture may differ from the recipe's (14)."),
    ] = None,
) -> None:
    """Make a dataset from a recipe without pixels and your own copies of its episodes, whatever their encoding."""
    from pipeline.flow.recipes import WITHIN_BITS, rebuild_summary
    from pipeline.flow.recipes import rebuild as rebuild_version

    session = session_of(ctx)
    workspace = session.workspace()
    with workspace.writing("rebuild"):
        outcome = rebuild_version(
            workspace, recipe, videos, name, WITHIN_BITS if within is None else within, session.progress
        )
    result = rebuild_summary(workspace, outcome)
    columns = ("name", "copy", "how", "speed", "offset_seconds", "fingerprints", "agreeing", "cuts")
    session.table("Episodes", columns, [[one.get(c, "") for c in columns] for one in result["episodes"]])
    items = [(one["item"], one["match"], one["bits"], one["shift_seconds"]) for one in result["items"]]
    session.table("Items", ("item", "match", "bits", "shift, s"), items)
    matches = ", ".join(f"{n} {word}" for word, n in result["matches"].items() if n)
    session.emit(
        result,
        [
            f"{result['version']}{' (there already)' if result['already'] else ''}: {result['examples']} examples; {matches}",
            "the same version, to the bit" if outcome.same else f"digest {result['digest'][:16]}",
            result["path"],
        ],
    )
    if result["matches"]["missing"]:
        raise typer.Exit(1)
