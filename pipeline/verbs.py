"""The verbs of `pipeline`: each turns flags into options, calls the library, and says the result."""

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.console import session_of
from pipeline.core.errors import UsageError


class EngineName(StrEnum):
    """Where mining runs."""

    local = "local"
    ray = "ray"


class Unit(StrEnum):
    """What a split never parts."""

    shot = "shot"
    episode = "episode"
    character = "character"


class HashName(StrEnum):
    """Which perceptual hash finds near-duplicates."""

    phash = "phash"
    dhash = "dhash"
    whash = "whash"
    colour = "colour"


class DatasetFormat(StrEnum):
    """What a dataset version is written as."""

    folder = "folder"
    parquet = "parquet"
    webdataset = "webdataset"
    coco = "coco"
    croissant = "croissant"
    recipe = "recipe"


def demo(
    ctx: typer.Context,
    quick: Annotated[bool, typer.Option("--quick", help="A smaller series, for a first look.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the drawn series and everything after it.")] = 0,
    label_studio: Annotated[
        bool, typer.Option("--label-studio", help="Give the labels over a real Label Studio, started for it.")
    ] = False,
) -> None:
    """Draw a small series, do everything on it, and score it against the drawing's exact truth."""
    from pipeline.demo import run_demo, show

    session = session_of(ctx)
    workspace = session.workspace()
    with workspace.writing("demo"):
        result = run_demo(workspace, quick=quick, seed=seed, label_studio=label_studio, progress=session.progress)
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
    engine: Annotated[EngineName, typer.Option("--engine", help="Where it runs: here, or on a Ray cluster.")] = (
        EngineName.local
    ),
    ray_address: Annotated[
        str, typer.Option("--ray-address", help="HOST:PORT of a Ray cluster. Default: one on this machine.")
    ] = "",
    storage: Annotated[
        str, typer.Option("--storage", help="With ray, where workers share no disk: a URL like s3://bucket/folder.")
    ] = "",
    shard: Annotated[
        str | None, typer.Option("--shard", help="3/8: only this part of the episodes, into shards/; see `merge`.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and how long it takes.")] = False,
) -> None:
    """Find shots, held drawings and faces in episodes, follow the faces, and keep the best crops."""
    from pipeline.engine import available_cores
    from pipeline.mining_call import MiningCall, Where

    where = Where(
        engine=engine.value, jobs=jobs or available_cores(), ray_address=ray_address, storage=storage, shard=shard
    )
    call = MiningCall(
        session_of(ctx), paths, cascade or [], wanted_precision, {"fps": fps, "min_face": min_face}, where
    )
    _exit_if(call.show_forecast() if dry_run else call.mine())


def merge(
    ctx: typer.Context,
    workspaces: Annotated[
        list[Path] | None, typer.Argument(help="Workspaces to take over. Default: the shards of this one.")
    ] = None,
) -> None:
    """Join what shards or other machines mined into this workspace; the sources are only read."""
    from dataclasses import asdict

    from pipeline.core.options import read_settings, resolve
    from pipeline.flow.joining import join, shards_of
    from pipeline.flow.repeats import find_repeats
    from pipeline.repeats import RepeatOptions

    session = session_of(ctx)
    workspace = session.workspace()
    sources = workspaces or shards_of(workspace)
    if not sources:
        raise UsageError(f"nothing to merge: {workspace.root} has no shards; name the workspaces to take over")
    with workspace.writing("merge"):
        done = join(workspace, sources, session.progress)
        find_repeats(workspace, resolve(RepeatOptions, read_settings(Path()).get("repeats", {}), {}, "repeats"))
    session.emit(
        {"workspaces": [str(source) for source in sources], **asdict(done)},
        [
            f"{done.episodes} episodes taken over, {done.already} there already, {done.unfinished} not finished there; "
            f"{done.labels} labels, {done.cascades} cascades"
        ],
    )


def dedupe(
    ctx: typer.Context,
    distance: Annotated[int | None, typer.Option("--distance", help="Largest Hamming distance, in bits (6).")] = None,
    hash_: Annotated[HashName | None, typer.Option("--hash", help="Which perceptual hash (phash).")] = None,
) -> None:
    """Mark near-duplicate crops over all episodes; nothing is deleted."""
    from pipeline.core.options import read_settings, resolve
    from pipeline.duplicates import DedupeOptions
    from pipeline.flow.deduping import dedupe as dedupe_workspace

    session = session_of(ctx)
    flags = {"distance": distance, "hash_name": hash_.value if hash_ else None}
    options = resolve(DedupeOptions, read_settings(Path()).get("dedupe", {}), flags, "dedupe")
    workspace = session.workspace()
    with workspace.writing("dedupe"):
        result = dedupe_workspace(workspace, options, session.progress)
    lines = [f"{result['crops']} crops, {result['groups']} groups: {result['kept']} kept, {result['marked']} marked"]
    session.emit(result, lines + _conflict_lines(result.get("conflicts", [])))


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
    name: Annotated[
        str,
        typer.Argument(
            help="Of the dataset; each change of its contents makes a new version. NAME@2 writes that version anew."
        ),
    ],
    format_: Annotated[
        DatasetFormat | None, typer.Option("--format", help="folder: images and examples.parquet (the default).")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write it. Default: in the workspace.")] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Shares of train,val,test, e.g. 0.8,0.1,0.1 (0.7,0.1,0.2).")
    ] = None,
    unit: Annotated[Unit | None, typer.Option("--unit", help="What is never parted (shot).")] = None,
    test_episode: Annotated[
        list[str] | None, typer.Option("--test-episode", help="Name or id: hold it out as the test split; repeat it.")
    ] = None,
    embargo: Annotated[
        float | None, typer.Option("--embargo", min=0, help="Least seconds between splits within an episode (0).")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of the split (0).")] = None,
    consensus: Annotated[str | None, typer.Option("--consensus", help="majority (the default) or dawid-skene.")] = None,
    min_agreement: Annotated[float | None, typer.Option("--min-agreement", help="Least share for a class (0).")] = None,
    with_repeats: Annotated[
        bool, typer.Option("--with-repeats", help="Take crops of openings, endings and recaps as well.")
    ] = False,
    allow_leaks: Annotated[
        bool, typer.Option("--allow-leaks", help="Write it even where the certificate counts leaks.")
    ] = False,
) -> None:
    """Write an immutable dataset version whose splits do not leak."""
    from pipeline import inventory
    from pipeline.core.options import read_settings, resolve, shares_of
    from pipeline.export import ExportOptions
    from pipeline.flow.curation import export as export_version
    from pipeline.flow.curation import export_summary
    from pipeline.flow.datasets import summary_of, version_record, write_as
    from pipeline.splits import SplitOptions

    session = session_of(ctx)
    settings = dict(read_settings(Path()).get("export", {}))
    workspace = session.workspace()
    held_out = tuple(sorted(inventory.episode_named(workspace, name).id for name in test_episode or [])) or None
    flags: dict[str, Any] = {
        "shares": shares_of(split),
        "unit": unit.value if unit else None,
        "seed": seed,
        "test_episodes": held_out,
        "embargo_seconds": embargo,
    }
    splitting = resolve(SplitOptions, settings.pop("split", {}), flags, "export.split")
    flags = {"allow_leaks": allow_leaks or None, "with_repeats": with_repeats or None, "consensus": consensus}
    options = resolve(ExportOptions, settings, flags | {"min_agreement": min_agreement}, "export")
    options = dataclasses.replace(options, split=splitting)
    with workspace.writing("export"):
        if "@" in name:
            if split or unit or seed is not None or test_episode or consensus or min_agreement is not None:
                raise UsageError(
                    f"{name} is a version that exists: it cannot be split anew; leave the @ and number out"
                )
            record = version_record(workspace, name)
            result = summary_of(workspace, record)
        else:
            outcome = export_version(workspace, name, options, session.progress)
            record, result = outcome.dataset, export_summary(workspace, outcome)
        written = write_as(workspace, record, format_ or "folder", out, session.progress)
    result |= {"format": format_ or "folder", "path": str(written.path), "folder": str(workspace.root / record.path)}
    for note in written.notes:
        session.warn(note)
    counts = ", ".join(f"{n} {split}" for split, n in result["splits"].items())
    session.emit(
        result,
        _conflict_lines(result.get("conflicts", []))
        + (_balance_lines(result["balance"]) if "balance" in result else [])
        + [
            f"{result['version']}{' (there already)' if written.already and result['already'] else ''}: {result['examples']} examples ({counts})",
            f"leaks: {result['leaks']}; digest {result['digest'][:16]}",
            result["path"],
        ],
    )


def _conflict_lines(conflicts: list[dict[str, Any]]) -> list[str]:
    """The first near-duplicates with different labels, and how many more there are."""
    lines = []
    for conflict in conflicts[:10]:
        said = "; ".join(f"{label}: {', '.join(crops[:3])}" for label, crops in conflict["labels"].items())
        lines.append(f"conflict in {conflict['group']}: {said}")
    return lines + ([f"... and {len(conflicts) - 10} more conflicts; --json lists all"] if len(conflicts) > 10 else [])


def _balance_lines(balance: dict[str, Any]) -> list[str]:
    """How close the splits came to what was asked for, and what they lack."""
    got = ", ".join(f"{split} {share:.1%} of {balance['wanted'][split]:.0%}" for split, share in balance["got"].items())
    lines = [f"shares: {got}; {balance['misplaced']:.1%} would have to move for every class of every character to fit"]
    absent = [f"{one['class']} in {one['split']}" for one in balance["absent"]]
    if absent:
        largest = (
            f"the largest of {balance['components']} parts that may not be parted has {balance['largest_component']}"
        )
        lines.append(f"absent: {', '.join(absent)} ({largest} examples); label more shots, or ask for another --split")
    return lines


def _exit_if(failed: bool) -> None:
    if failed:
        raise typer.Exit(1)
