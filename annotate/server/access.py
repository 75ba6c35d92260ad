"""Where the server is and with which token we talk to it: kept in the workspace, readable by its owner alone."""

import json
import os
import re
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.core.errors import NotFoundError, UsageError, WorkspaceError
from pipeline.core.files import disk_errors
from pipeline.core.workspace import Workspace

FOLDER = "annotate"
"""of the workspace: the server's data, its logs, what it shows, what we know of its projects"""
AT_HOME = "@localhost"
"""what a bare name gets to be an address; no mail is ever sent to it"""
USER = f"annotator{AT_HOME}"
"""account that a server of our own is made with"""
TOKEN_VARIABLE = "TOONSIFT_LABEL_STUDIO_TOKEN"  # noqa: S105 (a name)
"""a token given this way shows up in no list of processes"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """An address and a token. Its repr hides what is secret."""

    url: str
    """`http://127.0.0.1:8080`, without a slash at its end"""
    token: str = field(repr=False)
    """a legacy token or a personal access token"""
    user: str = ""
    """e-mail of the account that a server of our own was made with; empty for somebody else's server"""
    password: str = field(default="", repr=False)
    """of that account, for the browser"""
    pid: int = 0
    """of a server of our own; 0 for somebody else's"""

    @property
    def ours(self) -> bool:
        """Whether the server is one that this workspace started."""
        return bool(self.user)


def annotator_of(email: str) -> str:
    """What labels call an account: by the bare name where it was made for one, else by its e-mail address."""
    return email.removesuffix(AT_HOME) if email != USER else email


def folder_of(workspace: Workspace) -> Path:
    """The workspace's folder for annotating, made when it is absent and open to its owner alone."""
    folder = workspace.root / FOLDER
    with disk_errors(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def read_access(workspace: Workspace) -> Access | None:
    """What was kept last; None where nothing was.

    Raises:
        WorkspaceError: the file is damaged.
    """
    path = workspace.root / FOLDER / "server.json"
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        return Access(**content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise WorkspaceError(
            f"{path} cannot be read ({type(error).__name__}); delete it and start `toonsift annotate serve`"
        ) from None


def keep_access(workspace: Workspace, access: Access) -> None:
    """Writes it for the next command, readable by its owner alone from its first byte on."""
    folder = folder_of(workspace)
    with disk_errors(folder):
        handle, temporary = tempfile.mkstemp(prefix=".part-", dir=folder)  # made with mode 600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(asdict(access), stream)
            Path(temporary).replace(folder / "server.json")
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def access_to_use(workspace: Workspace, url: str, token: str) -> Access:
    """The access that a command was given, or that the workspace keeps.

    Raises:
        UsageError: an address without a token, or no address at all.
        NotFoundError: neither was given nor kept.
    """
    kept = read_access(workspace)
    if url:
        checked = checked_url(url)
        if kept and kept.url == checked:
            return replace(kept, token=token or kept.token)
        if not token:
            raise UsageError(
                f"{checked} needs a token: set {TOKEN_VARIABLE} (Label Studio shows it under Account & Settings)"
            )
        return Access(url=checked, token=checked_token(token))
    if kept is None:
        raise NotFoundError(
            "this workspace knows no Label Studio yet: start one with `toonsift annotate serve`, or name one with "
            f"--url and {TOKEN_VARIABLE}"
        )
    return replace(kept, token=checked_token(token)) if token else kept


def checked_url(url: str) -> str:
    """The address without a slash at its end. Raises UsageError when it is none of http or https."""
    text = url.strip().rstrip("/")
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise UsageError(f"--url {url!r} is no address of a server; give one like http://127.0.0.1:8080")
    return text


def checked_token(token: str) -> str:
    """The token. Raises UsageError when it cannot be one; the message does not repeat it."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{8,4096}", token.strip()):
        raise UsageError(
            "that is no token of Label Studio: 8 or more letters, digits, dots, dashes and underscores are expected"
        )
    return token.strip()
