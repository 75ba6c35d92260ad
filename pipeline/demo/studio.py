"""The oracle's answers given over a real Label Studio: pushed, answered one by one, pulled. Killed, it goes on."""

from collections.abc import Sequence
from typing import Any

from annotate.answering import pull_all
from annotate.asking import Order, ask
from annotate.options import AnnotateOptions, Kind
from annotate.server.process import start, stop_process
from annotate.studio import Studio
from annotate.sync.projects import characters_of
from annotate.tasks.drafts import choice
from pipeline.core.progress import Progress
from pipeline.core.records import NOT_A_FACE
from pipeline.core.workspace import Workspace
from pipeline.demo.oracle import Shown


def label_over_server(workspace: Workspace, items: Sequence[Shown], progress: Progress) -> dict[str, Any]:
    """Starts the workspace's own server, asks about its crops, answers with the drawing's truth, pulls the answers.

    Returns the figures of the push and of the pull. A server that ran already is left running.

    Raises:
        MissingToolError: Label Studio cannot be installed or started.
        StudioError: the server refuses, or gives no usable answer.
    """
    options = AnnotateOptions(emotions=tuple(sorted({item.face.emotion for item in items if item.face})))
    server = start(workspace, progress=progress)
    try:
        studio = Studio(server.access.url, server.access.token)
        (pushed,) = ask(workspace, studio, Order(kind=Kind.emotions), options, progress)
        given = _answer(studio, pushed["number"], items, characters_of(workspace, options), progress)
        pulled = pull_all(workspace, studio, server.access, [Kind.emotions.value], options, progress=progress)
    finally:
        if server.process is not None:
            stop_process(server.access.pid)
    return {"pushed": pushed["pushed"], "already": pushed["already"], "answered": given} | {
        key: pulled[key] for key in ("pulled", "skipped", "labels")
    }


def _answer(studio: Studio, project: int, items: Sequence[Shown], characters: Sequence[str], progress: Progress) -> int:
    """Answers every task that has no answer yet; how many."""
    shown = {item.crop.id: item for item in items}
    answered = {task["data"]["ref"] for task in studio.export(project)}
    open_tasks = [task for task in studio.all_tasks(project) if task.ref in shown and task.ref not in answered]
    with progress.step("answer", len(open_tasks), "tasks") as step:
        for task in open_tasks:
            studio.annotate(task.id, _said(shown[task.ref], characters))
            step.advance(1)
    return len(open_tasks)


def _said(item: Shown, characters: Sequence[str]) -> list[dict[str, Any]]:
    """The result that the interface would send."""
    if item.face is None:
        return [choice("emotion", "face", NOT_A_FACE)]
    said = [choice("emotion", "face", item.face.emotion)]
    if item.face.character in characters:
        said.append(choice("character", "face", item.face.character))
    return said
