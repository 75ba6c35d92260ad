"""The verbs that look at a workspace and change nothing in it: `list`, `status`, `trace`, `report`, `doctor`."""

import re
import sys
from enum import StrEnum
from typing import Annotated

import typer

from pipeline.console import session_of
from pipeline.core.errors import UsageError


class ListFormat(StrEnum):
    """How rows are printed."""

    table = "table"
    json = "json"
    csv = "csv"
    parquet = "parquet"


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
        shown = [[_shortened(value) for value in row.values()] for row in rows]
        session.table(kind, list(rows[0]) if rows else ["nothing yet"], shown)
    elif format_ is ListFormat.parquet and sys.stdout.isatty():
        raise UsageError(
            "parquet is binary: send it to a file, e.g. `toonsift list crops --format parquet > crops.parquet`"
        )
    else:
        sys.stdout.buffer.write(inventory.written(rows, format_.value))


def _shortened(value: object) -> object:
    """The beginning of a SHA-256, which would fill five lines of a table; the other formats have all of it."""
    return f"{value[:12]}\u2026" if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) else value


def status(ctx: typer.Context) -> None:
    """Show what the workspace holds and what failed."""
    from pipeline import inventory

    session = session_of(ctx)
    found = inventory.status(session.workspace())
    session.table(found["workspace"], ("what", "count"), [(k, v) for k, v in found.items() if isinstance(v, int)])
    lines = [f"unfinished: {u['path']}, mined to {u['mined_seconds']:.1f} s" for u in found["unfinished"]]
    session.emit(found, lines + [f"failed: {f['stage']} {f['item']}: {f['reason']}" for f in found["failed"]])


def trace(
    ctx: typer.Context, item: Annotated[str, typer.Argument(help="Id of an item, or the path of a dataset's image.")]
) -> None:
    """Show where an item comes from: episode, timecode, box, labels, datasets, and the command that cuts it again."""
    from pipeline.provenance import trace as follow

    session = session_of(ctx)
    found = follow(session.workspace(), item)
    plain = {key: value for key, value in found.items() if isinstance(value, str | int | float)}
    spans = {key: f"{found[key]['id']}, {found[key]['from']} to {found[key]['to']}" for key in ("shot", "track")
             if isinstance(found.get(key), dict)}  # fmt: skip
    cascade = {"cascade": found["cascade"].get("name") or found["cascade"]["sha256"]} if "cascade" in found else {}
    session.table(found["item"], ("field", "value"), [*(found["record"] | plain | spans | cascade).items()])
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
    if faults:
        raise typer.Exit(1)
