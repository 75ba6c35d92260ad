"""What a workspace remembers of a project between two commands. The server is the truth; this only saves asking it."""

import contextlib
import fcntl
import json
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from annotate.server.access import folder_of
from pipeline.core.errors import WorkspaceBusyError, WorkspaceError
from pipeline.core.files import write_json
from pipeline.core.workspace import Workspace

WAIT_SECONDS = 120.0
"""how long a command waits for another one that is at the same project"""


@dataclass(slots=True, kw_only=True)
class State:
    """Of one project."""

    url: str = ""
    """the server's address when it was last used"""
    number: int = 0
    """of the project on the server; 0 before it is made"""
    created: str = ""
    """when, as the server tells it"""
    config: str = ""
    """the interface as we sent it last, XML"""
    watermark: str = ""
    """the server's time of the newest answer that was pulled; empty before the first pull"""
    annotations: dict[str, int] = field(default_factory=dict)
    """every annotation and skip that the server had at the last pull: its number -> that of its task"""
    quarantined: list[dict[str, Any]] = field(default_factory=list)
    """answers that could not be stored, each with its reason"""


def read_state(workspace: Workspace, project: str) -> State:
    """What is remembered; nothing where the file is absent or damaged, for the server knows it all."""
    try:
        content: Any = json.loads(_path(workspace, project).read_text(encoding="utf-8"))
        state = State(**content)
        sound = (
            isinstance(state.number, int)
            and isinstance(state.annotations, dict)
            and isinstance(state.quarantined, list)
        )
        return state if sound else State()
    except (OSError, ValueError, TypeError):
        return State()


def keep_state(workspace: Workspace, project: str, state: State) -> None:
    """Writes it, whole or not at all."""
    write_json(_path(workspace, project), asdict(state))


def identity_of(workspace: Workspace) -> str:
    """12 hex digits by which a server's projects are known as this workspace's; made once, moves with the workspace.

    Raises:
        WorkspaceError: the file that holds them is damaged.
    """
    path = folder_of(workspace) / "identity"
    if not path.is_file():
        write_json(path, secrets.token_hex(6))
    text = path.read_text(encoding="utf-8").strip().strip('"')
    if not re.fullmatch(r"[0-9a-f]{12}", text):
        raise WorkspaceError(
            f"{path} is damaged; restore it from a copy, its digits stand in the projects' descriptions"
        )
    return text


@contextlib.contextmanager
def alone(workspace: Workspace, project: str) -> Iterator[None]:
    """One command at a time for a project; the next one waits.

    Raises:
        WorkspaceBusyError: the other one takes longer than WAIT_SECONDS.
    """
    with (folder_of(workspace) / f".{project}.lock").open("a") as lock:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise WorkspaceBusyError(
                        f"another toonsift is at the project {project} for more than {WAIT_SECONDS:g} s; wait for it to end"
                    ) from None
            time.sleep(0.1)
        yield


def _path(workspace: Workspace, project: str) -> Path:
    return folder_of(workspace) / "projects" / f"{project}.json"
