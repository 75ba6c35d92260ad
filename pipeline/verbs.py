"""The verbs of `pipeline`: each turns flags into options, calls the library, and says the result."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipeline.console import session_of
from pipeline.core.errors import UsageError


class EngineName(StrEnum):
    """Where mining runs."""

    local = "local"


class Unit(StrEnum):
    """What a split never parts."""

    shot = "shot"
    episode = "episode"


class ListFormat(StrEnum):
    """How rows are printed."""

    table = "table"
    json = "json"
    csv = "csv"
    parquet = "parquet"


def demo(
    ctx: typer.Context,
    quick: Annotated[bool, typer.Option("--quick", help="A smaller series, for a first look.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the drawn series and everything after it.")] = 0,
) -> None:
    """Draw a small series, do everything on it, and score it against the drawing's exact truth."""
    from pipeline.demo import run_demo, show

    session = session_of(ctx)
    workspace = session.workspace()
    with workspace.writing("demo"):
        result = run_demo(workspace, quick=quick, seed=seed, progress=session.progress)
    show(session, result)
    session.emit(result, [f"Report: {result['report']}"])


def mine(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Video files, or folders to search through.")],
    cascade: Annotated[
        list[str] | None, typer.Option("--cascade", help="Name or XML file; repeat it. Default: all of the workspace.")
    ] = None,
    fps: Annotated[float | None, typer.Option("--fps", help="Frames searched per second (4).")] = None,
    min_face: Annotated[int | None, typer.Option("--min-face", help="Smallest face, in pixels (40).")] = None,
    wanted_precision: Annotated[
        float | None,
        typer.Option("--wanted-precision", help="Faces need the score that `cascade evaluate` chose for it."),
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Episodes at once. Default: one per core.")] = None,
    engine: Annotated[EngineName, typer.Option("--engine", help="Where it runs.")] = EngineName.local,
) -> None:
    """Find shots, held drawings and faces in episodes, follow the faces, and keep the best crops."""
    from cascades.registry import mining_cascades
    from pipeline.core.options import read_settings, resolve
    from pipeline.engine import available_cores
    from pipeline.flow.mining import mine_paths
    from pipeline.mine import MineOptions

    del engine  # one choice so far
    session = session_of(ctx)
    options = resolve(MineOptions, read_settings(Path()).get("mine", {}), {"fps": fps, "min_face": min_face}, "mine")
    workspace = session.workspace()
    with workspace.writing("mine"):
        cascades = mining_cascades(workspace, cascade or [], wanted_precision)
        outcomes = mine_paths(workspace, paths, cascades, options, jobs or available_cores(), session.progress)
    failed = [o for o in outcomes if o.status == "failed"]
    for outcome in failed:
        session.warn(outcome.reason)
    columns = ("episode", "status", "frames", "shots", "detections", "tracks", "crops", "seconds")
    session.table(
        "Episodes",
        columns,
        [
            (Path(o.path).name, o.status, *(o.counts.get(c, 0) for c in columns[2:-1]), f"{o.seconds:.1f}")
            for o in outcomes
        ],
    )
    session.emit(
        {"episodes": [o.as_json() for o in outcomes], "failed": len(failed)},
        [_tally([(o.status) for o in outcomes]), f"{sum(o.counts.get('crops', 0) for o in outcomes)} crops"],
    )
    _exit_if(bool(failed))


def dedupe(
    ctx: typer.Context,
    distance: Annotated[int | None, typer.Option("--distance", help="Largest Hamming distance, in bits (6).")] = None,
) -> None:
    """Mark near-duplicate crops over all episodes; nothing is deleted."""
    from pipeline.core.options import read_settings, resolve
    from pipeline.duplicates import DedupeOptions
    from pipeline.flow.curation import dedupe as dedupe_workspace

    session = session_of(ctx)
    options = resolve(DedupeOptions, read_settings(Path()).get("dedupe", {}), {"distance": distance}, "dedupe")
    workspace = session.workspace()
    with workspace.writing("dedupe"):
        result = dedupe_workspace(workspace, options, session.progress)
    session.emit(
        result,
        [f"{result['crops']} crops, {result['groups']} groups: {result['kept']} kept, {result['marked']} marked"],
    )


def repeats(ctx: typer.Context) -> None:
    """Mark the shots that several episodes show: openings, endings, recaps; nothing is deleted. `mine` ends with it."""
    from pipeline.core.options import read_settings, resolve
    from pipeline.flow.repeats import LEFT_OUT, find_repeats
    from pipeline.repeats import RepeatOptions

    session = session_of(ctx)
    options = resolve(RepeatOptions, read_settings(Path()).get("repeats", {}), {}, "repeats")
    workspace = session.workspace()
    with workspace.writing("repeats"):
        result = find_repeats(workspace, options, session.progress)
    kinds = ", ".join(f"{result[kind]} {kind}" for kind in LEFT_OUT if result[kind]) or "nothing repeated"
    session.emit(
        result,
        [
            f"{result['compared']} of {result['episodes']} episodes compared now",
            f"{result['shots']} shots: {kinds}; {result['groups']} different ones",
        ],
    )


def import_labels(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV, JSON, JSON lines, or COCO with frames of videos.")],
) -> None:
    """Import labels: rows of `crop` (or `video,frame,left,top,right,bottom`), `emotion`, `character`, `annotator`."""
    from pipeline.flow.labelling import import_labels as import_file

    session = session_of(ctx)
    workspace = session.workspace()
    with workspace.writing("import labels"):
        result = import_file(workspace, file, session.progress)
    rejected = result["rejected"]
    if not session.json:
        for row in rejected[:20]:
            session.warn(f"{file}, row {row['row']}: {row['reason']}")
        if len(rejected) > 20:
            session.warn(f"... and {len(rejected) - 20} more rejected rows; --json lists all")
    session.emit(
        result, [f"{result['imported']} imported, {result['already']} there already, {len(rejected)} rejected"]
    )
    _exit_if(bool(rejected))


def export(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Of the dataset; each change of its contents makes a new version.")],
    format_: Annotated[str | None, typer.Option("--format", help="folder: images and examples.parquet.")] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Shares of train,val,test, e.g. 0.8,0.1,0.1 (0.7,0.1,0.2).")
    ] = None,
    unit: Annotated[Unit | None, typer.Option("--unit", help="What is never parted (shot).")] = None,
    test_episode: Annotated[
        list[str] | None, typer.Option("--test-episode", help="Name or id: hold it out as the test split; repeat it.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of the split (0).")] = None,
) -> None:
    """Write an immutable dataset version whose splits do not leak."""
    from pipeline import inventory
    from pipeline.core.options import read_settings, resolve
    from pipeline.export import ExportOptions
    from pipeline.flow.curation import export as export_version
    from pipeline.flow.curation import export_summary
    from pipeline.splits import SplitOptions

    session = session_of(ctx)
    settings = dict(read_settings(Path()).get("export", {}))
    workspace = session.workspace()
    held_out = tuple(sorted(inventory.episode_named(workspace, name).id for name in test_episode or [])) or None
    flags = {"shares": _shares(split), "unit": unit.value if unit else None, "seed": seed, "test_episodes": held_out}
    splitting = resolve(SplitOptions, settings.pop("split", {}), flags, "export.split")
    options = resolve(ExportOptions, settings, {"format": format_}, "export")
    options = type(options)(
        split=splitting, exclude=options.exclude, duplicates=options.duplicates, format=options.format
    )
    with workspace.writing("export"):
        outcome = export_version(workspace, name, options, session.progress)
    result = export_summary(workspace, outcome)
    counts = ", ".join(f"{n} {split}" for split, n in result["splits"].items())
    session.emit(
        result,
        [
            f"{result['version']}{' (there already)' if result['already'] else ''}: {result['examples']} examples ({counts})",
            f"leaks: {result['leaks']}; digest {result['digest'][:16]}",
            result["path"],
        ],
    )


def verify(
    ctx: typer.Context,
    dataset: Annotated[str | None, typer.Argument(help="A dataset version; without it, the workspace.")] = None,
) -> None:
    """Check that every file is as it was recorded."""
    from pipeline import inventory
    from pipeline.flow.curation import verify_dataset

    session = session_of(ctx)
    workspace = session.workspace()
    faults = verify_dataset(workspace, dataset) if dataset else inventory.verify(workspace)
    for fault in faults:
        session.warn(fault)
    what = dataset or str(workspace.root)
    session.emit(
        {"verified": what, "faults": faults}, [f"{what}: {f'{len(faults)} faults' if faults else 'as recorded'}"]
    )
    _exit_if(bool(faults))


def list_(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(help="episodes, shots, holds, detections, tracks, crops, duplicates, ...")],
    format_: Annotated[ListFormat, typer.Option("--format", help="How rows are printed.")] = ListFormat.table,
) -> None:
    """List records: episodes, shots, holds, detections, tracks, crops, duplicates, labels, datasets, runs, cascades, stages."""
    from pipeline import inventory

    session = session_of(ctx)
    rows = inventory.rows_of(session.workspace(), kind)
    if session.json:
        session.emit({"kind": kind, "rows": rows})
    elif format_ is ListFormat.table:
        session.table(kind, list(rows[0]) if rows else ["nothing yet"], [list(row.values()) for row in rows])
    elif format_ is ListFormat.parquet and sys.stdout.isatty():
        raise UsageError(
            "parquet is binary: send it to a file, e.g. `toonsift list crops --format parquet > crops.parquet`"
        )
    else:
        sys.stdout.buffer.write(inventory.written(rows, format_.value))


def status(ctx: typer.Context) -> None:
    """Show what the workspace holds and what failed."""
    from pipeline import inventory

    session = session_of(ctx)
    found = inventory.status(session.workspace())
    session.table(found["workspace"], ("what", "count"), [(k, v) for k, v in found.items() if isinstance(v, int)])
    session.emit(found, [f"failed: {f['stage']} {f['item']}: {f['reason']}" for f in found["failed"]])


def trace(
    ctx: typer.Context, item: Annotated[str, typer.Argument(help="Id of an item, or the path of a dataset's image.")]
) -> None:
    """Show where an item comes from: episode, timecode, box, labels, datasets, and the command that cuts it again."""
    from pipeline import inventory

    session = session_of(ctx)
    found = inventory.trace(session.workspace(), item)
    plain = {key: value for key, value in found.items() if isinstance(value, str | int | float)}
    session.table(found["item"], ("field", "value"), [*plain.items(), *found["record"].items()])
    lines = [f"label: {label['emotion'] or 'skip'} by {label['annotator']}" for label in found.get("labels", [])]
    session.emit(found, lines + [f"in {d['dataset']}, {d['split']}: {d['file']}" for d in found.get("datasets", [])])


def report(
    ctx: typer.Context,
    dataset: Annotated[str | None, typer.Option("--dataset", help="Which one to show. Default: the newest.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="Which training run to show. Default: the newest.")] = None,
) -> None:
    """Write the page that shows everything: shots, faces, duplicates, classes, training, mistakes."""
    from pipeline.report import build_report

    session = session_of(ctx)
    workspace = session.workspace()
    path = build_report(
        workspace, dataset=dataset, run=workspace.runs / run if run else None, progress=session.progress
    )
    session.emit({"report": str(path)}, [str(path)])


def doctor(ctx: typer.Context) -> None:
    """Look for faults of this machine and workspace, and name the repair of each."""
    from pipeline.doctor import examine

    session = session_of(ctx)
    findings = examine(session.root)
    session.table("", ("what", "status", "found", "repair"), [(f.what, f.status, f.found, f.repair) for f in findings])
    faults = sum(f.status == "fault" for f in findings)
    session.emit(
        {"findings": [{"what": f.what, "status": f.status, "found": f.found, "repair": f.repair} for f in findings]}
        | {"faults": faults},
        [f"{faults} faults" if faults else "no faults"],
    )
    _exit_if(bool(faults))


def _shares(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--split needs three numbers like 0.8,0.1,0.1; got {text!r}") from None


def _tally(words: list[str]) -> str:
    return (
        ", ".join(f"{words.count(word)} {word}" for word in ("mined", "already", "failed") if word in words)
        or "nothing"
    )


def _exit_if(failed: bool) -> None:
    if failed:
        raise typer.Exit(1)
