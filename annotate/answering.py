"""A whole pull, and how the projects stand."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from annotate.options import AnnotateOptions
from annotate.server.access import Access
from annotate.studio import Studio
from annotate.sync.projects import find_project, known_projects
from annotate.sync.pull import pull
from annotate.sync.state import alone, read_state
from pipeline.core.errors import NotFoundError, StudioGoneError
from pipeline.core.progress import Progress
from pipeline.core.records import Label
from pipeline.core.workspace import Workspace


def pull_all(
    workspace: Workspace, studio: Studio, access: Access, names: Sequence[str], options: AnnotateOptions, *,
    full: bool = False, progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Pulls the named projects, or all that this workspace has.

    Returns what `annotate pull --json` prints: pulled, skipped, labels, withdrawn, gone, quarantined, conflicts, and
    `projects` with the figures of each.

    Raises:
        NotFoundError: there is no project to pull from.
        StudioGoneError: one was deleted; those before it are pulled.
    """
    wanted = list(names) or known_projects(workspace)
    if not wanted:
        raise NotFoundError("this workspace has no project on any server yet: `toonsift annotate push` makes one")
    done: list[dict[str, Any]] = []
    for name in wanted:
        with alone(workspace, name):
            project = find_project(workspace, studio, name)
            if project is None:
                raise NotFoundError(f"{studio.url} has no project {name} of this workspace; push it first")
            pulled = pull(workspace, studio, access, project, options, full=full, progress=progress)
        done.append({"project": name} | asdict(pulled))
    conflicts = done[-1]["conflicts"]
    quarantined = [{"project": one["project"]} | row for one in done for row in one["quarantined"]]
    for one in done:
        one["quarantined"] = len(one["quarantined"])
        del one["conflicts"]
    counts = ("pulled", "skipped", "labels", "withdrawn", "gone")
    totals = {key: sum(one[key] for one in done) for key in counts}
    return totals | {"quarantined": quarantined, "conflicts": conflicts, "projects": done}


def status_of(workspace: Workspace, studio: Studio) -> dict[str, Any]:
    """What `annotate status --json` prints: url, `projects[]{project,tasks,answers,skips,labels,quarantined,trouble}`."""
    account = studio.whoami()
    rows: list[dict[str, Any]] = []
    for name in known_projects(workspace):
        row: dict[str, Any] = {"project": name, "tasks": 0, "answers": 0, "skips": 0, "labels": 0, "trouble": ""}
        state = read_state(workspace, name)
        row["quarantined"] = len(state.quarantined)
        try:
            found = find_project(workspace, studio, name)
            if found is None:
                row["trouble"] = "not on this server"
            else:
                there = found.there
                row |= {"tasks": there.tasks, "answers": there.answers, "skips": there.skips}
                standing = [one for one in workspace.catalogue.all(Label, source=found.source) if not one.withdrawn]
                row["labels"] = len(standing)
                row["trouble"] = "" if there.config == state.config else "its interface was changed on the server"
        except StudioGoneError as error:
            row["trouble"] = str(error)
        rows.append(row)
    return {"url": studio.url, "user": account.email, "projects": rows}
