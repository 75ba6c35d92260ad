"""`annotate agreement` and `annotate queue`: how far labels can be trusted, and what to label next.

Neither needs a server. What other folders do (grouping near-duplicates, loading a trained model) the command passes in.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from annotate.rooms import Rooms
from pipeline.console import Session, session_of
from pipeline.core.errors import UsageError, WorkspaceBusyError

if TYPE_CHECKING:
    from annotate.queueing.order import Queue
    from pipeline.core.workspace import Workspace

SHOWN = 20
"""lines of a table for people; --json lists more"""


def add_verbs(app: typer.Typer, rooms: Rooms) -> None:
    """Adds `agreement` and `queue` to the `annotate` command."""
    app.command("agreement")(agreement)

    @app.command("queue")
    def queue(
        ctx: typer.Context,
        run: Annotated[
            str | None, typer.Option("--run", help="A training run: ask about what its model doubts. Default: none.")
        ] = None,
        count: Annotated[int, typer.Option("--count", min=1, help="How many crops.")] = 100,
        out: Annotated[
            Path | None, typer.Option("--out", help="Write them for `annotate push --items`: .csv or .json.")
        ] = None,
        verify_sheets: Annotated[
            int | None,
            typer.Option("--verify-sheets", min=1, help="Instead: so many members of answered sheets, to check these."),
        ] = None,
        seed: Annotated[int, typer.Option("--seed", min=0, help="Of what is drawn at random (0).")] = 0,
    ) -> None:
        """Say which crops to label next: where the model doubts, and what is unlike all that is labelled."""
        from annotate.queueing.order import queue_of, verification_of, write_queue

        if run is not None and verify_sheets is not None:
            raise UsageError("--run and --verify-sheets exclude each other: members to verify are drawn at random")
        if out is not None and out.suffix not in (".csv", ".json"):
            raise UsageError(f"--out must end in .csv or .json; got {out.name!r}")
        session = session_of(ctx)
        workspace = session.workspace()
        if verify_sheets is not None:
            found = verification_of(workspace, verify_sheets, seed)
        else:
            classifier = rooms.load_classifier(workspace, run) if run is not None else None
            _group_duplicates(session, workspace, rooms)
            found = queue_of(workspace, count, classifier, seed, progress=session.progress)
        if out is not None:
            write_queue(out, found)
        _emit_queue(session, found, out)


def agreement(
    ctx: typer.Context,
    honeypots: Annotated[
        Path | None,
        typer.Option("--honeypots", help="Crops with known answers. Default: annotate/honeypots.csv in the workspace."),
    ] = None,
) -> None:
    """Show how far annotators agree with one another, with known answers and with themselves, and what they dispute."""
    from annotate.agreement.summary import document, read_agreement

    session = session_of(ctx)
    workspace = session.workspace()
    result = document(read_agreement(workspace, honeypots))
    _show_annotators(session, result)
    _show_pairs(session, result)
    session.emit(result, _agreement_lines(result))


def _show_annotators(session: Session, result: dict[str, Any]) -> None:
    columns = ("annotator", "answers", "unsure", "skips", "s/answer", "agrees with others", "estimated right", "honeypots",
               "as suggested (others)", "twice alike")  # fmt: skip
    session.table("Annotators", columns, [_annotator_row(one) for one in result["annotators"]])


def _annotator_row(one: dict[str, Any]) -> tuple[str, ...]:
    traps, repeats = one["honeypots"], one["repeats"]
    shown, others = one["anchoring"]["shown"], one["anchoring"]["others"]
    return (
        one["name"], str(one["answers"]), str(one["unsure"]), str(one["skips"]), _said(one["median_seconds"]),
        _between(one["agreement"]["share"], one["agreement"]["interval"]), _said(one["estimated_right"]),
        f"{traps['right']} of {traps['answered']}: {traps['verdict']}" if traps else "-",
        f"{_said(shown['share'])} ({_said(others['share'])})" if shown["of"] else "-",
        f"{repeats['hits']} of {repeats['of']}" if repeats["of"] else "-",
    )  # fmt: skip


def _show_pairs(session: Session, result: dict[str, Any]) -> None:
    pairs = [(*one["annotators"], one["items"], one["same"], _said(one["kappa"])) for one in result["kappas"]]
    if pairs:
        session.table("Pairs", ("annotator", "annotator", "items", "same", "Cohen's kappa"), pairs[:SHOWN])
    classes = [(name, _between(one["alpha"], one["interval"])) for name, one in result["per_class"].items()]
    if classes:
        session.table("Classes", ("class", "alpha against the rest"), classes)
    disputed = [
        (one["item"], ", ".join(f"{n} {name}" for name, n in one["votes"].items())) for one in result["disputed"]
    ]
    if disputed:
        session.table("Most disputed", ("crop or sheet", "answers"), disputed[:SHOWN])


def _agreement_lines(result: dict[str, Any]) -> list[str]:
    if not result["answered_twice_or_more"]:
        return [f"{result['items']} items answered, none by two annotators: agreement cannot be measured"]
    checked = result["propagation"]
    sheets = (
        f"sheets: {checked['wrong']} of {checked['checked']} checked members have another answer than their sheet "
        f"({_between(checked['error'], checked['interval'])})"
        if checked["checked"]
        else f"sheets: {checked['members']} members answered through sheets, none checked (annotate queue --verify-sheets N)"
    )
    return [
        *([sheets] if checked["members"] else []),
        f"{result['answered_twice_or_more']} of {result['items']} items have two answers or more, "
        f"{result['unanimous']} of them unanimous; {result['conflicts']} ties",
        f"alpha {_between(result['alpha'], result['alpha_interval'])}; raw agreement {_said(result['raw_agreement'])}",
    ]


def _group_duplicates(session: Session, workspace: "Workspace", rooms: Rooms) -> None:
    try:
        with workspace.writing("annotate queue"):
            rooms.group_duplicates(workspace, session.progress)
    except WorkspaceBusyError as error:
        session.warn(f"near-duplicates are taken as they were grouped last: {error}")


def _emit_queue(session: Session, found: "Queue", out: Path | None) -> None:
    from annotate.queueing.order import rows_of

    rows = rows_of(found)
    session.table("Label next", ("crop", "priority", "reason"), [tuple(row.values()) for row in rows[:SHOWN]])
    left_out = ", ".join(f"{n} {reason}" for reason, n in found.left_out.items()) or "none"
    result = {
        "queued": len(rows),
        "candidates": found.candidates,
        "model": found.model,
        "left_out": dict(found.left_out),
    }
    session.emit(
        result | {"out": str(out) if out else None, "items": rows},
        [
            *([f"... and {len(rows) - SHOWN} more"] if len(rows) > SHOWN and out is None else []),
            f"left out: {left_out}",
            f"{len(rows)} of {found.candidates} crops queued" + (f": {out}" if out else ""),
        ],
    )


def _said(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _between(value: float | None, interval: list[float] | None) -> str:
    return _said(value) + (f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else "")
