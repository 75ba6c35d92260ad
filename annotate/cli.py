"""`toonsift annotate ...`; pipeline/cli.py mounts it. The SDK is loaded only when a server is spoken to."""

import signal
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.console import Session, session_of
from pipeline.core.errors import UsageError

if TYPE_CHECKING:
    from annotate.inviting import Invited
    from annotate.options import AnnotateOptions
    from annotate.server.access import Access
    from annotate.studio import Studio
    from pipeline.core.workspace import Workspace

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Label crops, sheets and frames in Label Studio, and bring the answers back.",
)


class KindName(StrEnum):
    """What a project asks about."""

    emotions = "emotions"
    sheets = "sheets"
    faces = "faces"


class SheetsOf(StrEnum):
    """What one sheet shows."""

    tracks = "tracks"
    groups = "groups"


Url = Annotated[str, typer.Option("--url", help="A Label Studio that runs already. Default: the workspace's own.")]
Token = Annotated[
    str, typer.Option("--token", envvar="TOONSIFT_LABEL_STUDIO_TOKEN", help="Its token; better given as the variable.")
]
Names = Annotated[
    list[str] | None, typer.Argument(help="Of projects: emotions, sheets, faces, emotions.ANNOTATOR. Default: all.")
]


@app.command()
def serve(
    ctx: typer.Context,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0: the last one, or a free one from 8080.")
    ] = 0,
    detach: Annotated[bool, typer.Option("--detach", help="Return when it runs; end it with `annotate stop`.")] = False,
    url: Url = "",
    token: Token = "",
) -> None:
    """Start this workspace's own Label Studio on this machine alone, or remember one that runs elsewhere (--url)."""
    from annotate.server import process
    from annotate.server.access import keep_access
    from annotate.sync.projects import known_projects, storages_at_home

    session = session_of(ctx)
    workspace = session.workspace()
    if url:
        access, studio = _studio(workspace, url, token)
        account = studio.whoami()
        keep_access(workspace, access)
        session.emit({"url": access.url, "user": account.email}, [f"{access.url} knows us as {account.email}"])
        return
    server = process.start(workspace, port, session.progress)
    access, studio = _studio(workspace, "", "")
    storages_at_home(workspace, studio, known_projects(workspace))
    started = server.process is not None
    stays = detach or not started
    lines = [
        f"Label Studio {'runs' if started else 'runs already'} at {access.url}",
        f"log in as {access.user} with the password {access.password}",
    ]
    session.emit(
        {"url": access.url, "user": access.user, "pid": access.pid, "started": started},
        lines if stays else [*lines, "Ctrl-C ends it"],
    )
    if not stays:
        _until_interrupted(session, access)


@app.command()
def stop(ctx: typer.Context) -> None:
    """End this workspace's own Label Studio; nothing in it is lost."""
    from annotate.server import process

    session = session_of(ctx)
    stopped = process.stop(session.workspace())
    session.emit({"stopped": stopped}, ["stopped" if stopped else "it does not run"])


@app.command()
def invite(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="ann bob: those of `push --annotators`; or e-mail addresses. Default: print the sign-up link."
        ),
    ] = None,
    new_password: Annotated[
        bool, typer.Option("--new-password", help="Also for accounts that are there: one was forgotten.")
    ] = False,
    url: Url = "",
    token: Token = "",
) -> None:
    """Make accounts for annotators; each password is shown this once and kept nowhere."""
    from annotate.inviting import invite, sign_up_link

    session = session_of(ctx)
    workspace = session.workspace()
    access, studio = _studio(workspace, url, token)
    if not names:
        link = sign_up_link(studio)
        session.emit(
            {"url": studio.url, "accounts": [], "link": link}, [f"who opens {link} chooses e-mail and password"]
        )
        return
    done = invite(workspace, studio, access, names, new_password=new_password)
    session.emit(
        {"url": studio.url, "accounts": [asdict(one) for one in done]},
        [f"log in at {studio.url}", *(_invitation(one) for one in done if not one.reason)],
    )
    for failed in (one for one in done if one.reason):
        session.warn(f"{failed.name}: {failed.reason}")
    if any(one.reason for one in done):
        raise typer.Exit(1)


@app.command()
def push(
    ctx: typer.Context,
    kind: Annotated[KindName, typer.Argument(help="What to ask about.")] = KindName.emotions,
    limit: Annotated[int, typer.Option("--limit", min=0, help="At most so many crops, sheets or frames; 0: all.")] = 0,
    items: Annotated[
        Path | None, typer.Option("--items", help="Crops in an order: what `annotate queue` wrote.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option("--predictions", help="What a model thinks: crop, emotion, probability, model.")
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", help="A training run whose model suggests the emotion of each crop.")
    ] = None,
    annotators: Annotated[
        str, typer.Option("--annotators", help="ann,bob: the same tasks in a project for each, blind to one another.")
    ] = "",
    honeypots: Annotated[
        Path | None, typer.Option("--honeypots", help="Crops with known emotions to mix in: crop, emotion.")
    ] = None,
    sheets_of: Annotated[SheetsOf, typer.Option("--of", help="What one sheet shows.")] = SheetsOf.tracks,
    no_suggestions: Annotated[
        bool, typer.Option("--no-suggestions", help="Annotators do not see what machines think.")
    ] = False,
    inline: Annotated[
        bool, typer.Option("--inline", help="Send the pictures themselves, to a server that cannot read our files.")
    ] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Make a project again that was deleted on the server.")] = False,
    change_interface: Annotated[
        bool, typer.Option("--change-interface", help="Put our interface in place of a changed one; choices may go.")
    ] = False,
    url: Url = "",
    token: Token = "",
) -> None:
    """Put what is not there yet into a project: each crop, sheet or frame once, with what machines think of it."""
    from annotate.asking import Order, ask
    from annotate.options import Kind
    from annotate.rooms import given

    session = session_of(ctx)
    if kind is not KindName.emotions and (items or predictions or honeypots or run):
        raise UsageError(f"--items, --predictions, --run and --honeypots are about crops, not about {kind.value}")
    if predictions and run:
        raise UsageError("--predictions and --run both say what a model thinks; give one of them")
    workspace = session.workspace()
    order = Order(
        kind=Kind(kind.value), replicas=_names(annotators), limit=limit, items=items, guesses=predictions,
        classifier=given().load_classifier(workspace, run) if run else None, honeypots=honeypots, sheets_of=sheets_of.value, suggest=not no_suggestions, anew=anew,
        change_interface=change_interface, inline=inline,
    )  # fmt: skip
    _, studio = _studio(workspace, url, token)
    done = ask(workspace, studio, order, _options(), session.progress)
    result = {"projects": done} | {
        key: sum(one[key] for one in done) for key in ("pushed", "already", "doubts", "swept")
    }
    session.emit(
        result,
        [
            f"{one['project']}: {one['pushed']} tasks pushed, {one['already']} there already: {one['url']}"
            for one in done
        ],
    )


@app.command()
def pull(
    ctx: typer.Context,
    names: Names = None,
    full: Annotated[bool, typer.Option("--full", help="Read everything again, not only what changed.")] = False,
    url: Url = "",
    token: Token = "",
) -> None:
    """Bring the answers into the catalogue: every annotator's, every skip; a changed answer is added, none is overwritten."""
    from annotate.answering import pull_all

    session = session_of(ctx)
    workspace = session.workspace()
    access, studio = _studio(workspace, url, token)
    result = pull_all(workspace, studio, access, names or [], _options(), full=full, progress=session.progress)
    if not session.json:
        for one in result["quarantined"][:20]:
            session.warn(
                f"{one['project']}, annotation {one['annotation']} of {one['ref']} is kept aside: {one['reason']}"
            )
        for one in result["projects"]:
            if one["interface_changed"]:
                session.warn(f"the interface of {one['project']} was changed on the server")
    session.emit(
        result,
        [
            f"{result['pulled']} answers and {result['skipped']} skips pulled ({result['labels']} labels), "
            f"{result['withdrawn']} labels withdrawn, {len(result['quarantined'])} answers kept aside, "
            f"{len(result['conflicts'])} crops with different answers"
        ],
    )


@app.command()
def status(ctx: typer.Context, url: Url = "", token: Token = "") -> None:
    """Show the projects on the server: tasks, answers, skips, and what of them is in the catalogue."""
    from annotate.answering import status_of

    session = session_of(ctx)
    workspace = session.workspace()
    _, studio = _studio(workspace, url, token)
    result = status_of(workspace, studio)
    columns = ("project", "tasks", "answers", "skips", "labels", "quarantined", "trouble")
    session.table(f"{studio.url}", columns, [[one[c] for c in columns] for one in result["projects"]])
    session.emit(result, [])


def _invitation(one: "Invited") -> str:
    if not one.password:
        return f"{one.name}: has the account {one.user} already; a forgotten password: --new-password"
    where = ", then open " + " and ".join(one.projects) if one.projects else ""
    return f"{one.name}: as {one.user} with the password {one.password}{where}"


def _studio(workspace: "Workspace", url: str, token: str) -> "tuple[Access, Studio]":
    from annotate.server.access import access_to_use
    from annotate.studio import Studio

    access = access_to_use(workspace, url, token)
    Studio(access.url, access.token, patience_seconds=2).whoami()  # no server, a wrong token: told at once
    return access, Studio(access.url, access.token)


def _options() -> "AnnotateOptions":
    from annotate.options import AnnotateOptions
    from pipeline.core.options import read_settings, resolve

    return resolve(AnnotateOptions, read_settings(Path()).get("annotate", {}), {}, "annotate")


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if len(set(names)) < len(names):
        raise UsageError(f"--annotators names somebody twice: {text!r}")
    return names


def _until_interrupted(session: Session, access: Any) -> None:
    from annotate.server.process import stop_process, wait

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    for sign in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs are born deaf to SIGINT
        signal.signal(sign, end)
    try:
        wait(access)
        session.warn("Label Studio ended by itself; its log is in the workspace's folder annotate/")
    except KeyboardInterrupt:
        stop_process(access.pid)
