"""The `toonsift` command: global flags, errors as one line, and the verbs of every folder.

Nothing heavy is imported here: a verb loads what it needs when it runs, so `toonsift --help` answers at once.
"""

import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import pipeline
from annotate import cli as annotate_cli
from annotate import judging_cli
from annotate.rooms import give
from cascades import cli as cascades_cli
from pipeline import dataset_verbs, judging, looking_verbs, model_verbs, verbs
from pipeline.console import Session
from pipeline.core.errors import ToonsiftError, UsageError
from train import cli as train_cli
from train.studies import cli as studies_cli

app = typer.Typer(
    name="toonsift",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: importing rich for it costs more than everything else
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Cartoon episodes in, a trustworthy face dataset and an emotion model out.",
)
ANYWHERE = ("--json", "--quiet", "--debug")
"""global flags that are taken wherever they stand"""


@app.callback()
def begin(
    ctx: typer.Context,
    workspace: Annotated[
        Path, typer.Option("--workspace", envvar="TOONSIFT_WORKSPACE", help="Folder that holds everything.")
    ] = Path("data"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Log, and show the traceback of an error.")] = False,
) -> None:
    ctx.obj = Session(root=workspace, json=as_json, quiet=quiet, debug=debug)
    logging.basicConfig(
        stream=sys.stderr, level=logging.DEBUG if debug else logging.WARNING, format="%(name)s: %(message)s"
    )
    _current.append(ctx.obj)


app.command("demo")(verbs.demo)
app.command("mine")(verbs.mine)
app.command("merge")(verbs.merge)
app.command("detect")(cascades_cli.detect)
app.add_typer(cascades_cli.app, name="cascade")
app.command("dedupe")(verbs.dedupe)
app.command("repeats")(verbs.repeats)
imports = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Bring in labels and data sets made elsewhere.")
imports.command("labels")(verbs.import_labels)
imports.command("dataset")(dataset_verbs.import_dataset)
app.add_typer(imports, name="import")
give(judging.ROOMS)
judging_cli.add_verbs(annotate_cli.app, judging.ROOMS)
app.add_typer(annotate_cli.app, name="annotate")
app.command("export")(verbs.export)
app.command("verify")(dataset_verbs.verify)
app.command("diff")(dataset_verbs.diff)
app.command("rebuild")(dataset_verbs.rebuild)
app.command("train")(train_cli.train)
train_cli.AFTER_TRAINING.append(model_verbs.write_run_page)
app.command("evaluate")(train_cli.evaluate)
app.command("leak-study")(train_cli.leak_study)
app.command("predict")(model_verbs.predict)
app.command("onnx")(model_verbs.onnx)
app.command("explain")(model_verbs.explain)
app.command("compare")(studies_cli.compare)
app.command("shift")(studies_cli.shift)
app.command("cartoonify")(studies_cli.cartoonify)
app.command("list")(looking_verbs.list_)
app.command("status")(looking_verbs.status)
app.command("trace")(looking_verbs.trace)
app.command("report")(looking_verbs.report)
app.command("doctor")(looking_verbs.doctor)


@app.command("version")
def version() -> None:
    """Print the version."""
    sys.stdout.write(f"toonsift {pipeline.__version__}\n")


_current: list[Session] = []


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command and exits: 0 all done, 1 something failed, 2 called wrongly."""
    _current.clear()
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "16")  # else its idle threads burn a tenth of a second each
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(_globals_first(words))
    except ToonsiftError as error:
        if _current and _current[-1].debug:
            raise
        _say_error(error)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except BrokenPipeError:  # the reader of our output went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _say_error(error: ToonsiftError) -> None:
    session = _current[-1] if _current else None
    text = " ".join(str(error).split("\n"))
    sys.stderr.write(f"toonsift: {text}\n")
    if session and session.json and not session.emitted:
        sys.stdout.write(json.dumps({"error": text, "kind": type(error).__name__}) + "\n")


def _globals_first(words: list[str]) -> list[str]:
    """`mine x --json` works like `--json mine x`; what follows `--` is left alone."""
    end = words.index("--") if "--" in words else len(words)
    ahead = [word for word in words[:end] if word in ANYWHERE]
    return [*dict.fromkeys(ahead), *(word for word in words[:end] if word not in ANYWHERE), *words[end:]]


def command_tree() -> Any:
    """The click command behind the app, for the generated reference in the README."""
    return typer.main.get_command(app)


if __name__ == "__main__":
    main()
