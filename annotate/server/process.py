"""The server's process: started on loopback with this workspace's data folder, found again, stopped by its id."""

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from annotate.server.access import USER, Access, folder_of, keep_access, read_access
from annotate.server.environment import START, VERSION, Environment, clean_variables, ensure_environment
from annotate.studio import Studio
from pipeline.core.errors import MissingToolError, StudioError, StudioRefusedError, UsageError
from pipeline.core.files import disk_errors
from pipeline.core.progress import Progress
from pipeline.core.workspace import Workspace

HOST = "127.0.0.1"
FIRST_PORT, PORTS_TRIED = 8080, 100
START_SECONDS = 300.0
"""a start takes seconds; a machine that is busy or reads the packages for the first time is given more"""
STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server of this workspace that answers."""

    access: Access
    """how to reach it"""
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)
    """the process that was started now; None where it ran already"""


def start(workspace: Workspace, port: int = 0, progress: Progress | None = None) -> Server:
    """The workspace's own server: the one that runs, or one started now in a process group of its own.

    Args:
        workspace: its data folder, log and token lie there.
        port: where it listens; 0 for the port of the last time, or the first free one from 8080.
        progress: of the installation, which only the first start on a machine needs.

    Raises:
        MissingToolError: it cannot be installed, or does not come up; the message has the end of its log.
        UsageError: the port that was asked for is in use.
    """
    environment = ensure_environment(progress)
    with _starting(workspace):
        kept = read_access(workspace)
        if kept and kept.ours and _answers(kept):
            return Server(access=kept)
        data = _data_folder(workspace, environment)
        access = kept if kept and kept.ours else _new_access()
        for _ in range(3):
            access = replace(access, url=f"http://{HOST}:{_free_port(port, kept)}")
            process = _launch(workspace, environment, data, access)
            access = replace(access, pid=process.pid)
            if _comes_up(workspace, process, access):
                keep_access(workspace, access)
                return Server(access=access, process=process)
            stop_process(process.pid)
            process.wait()
        raise MissingToolError(
            f"Label Studio {VERSION} found no port of its own near {access.url}; give another --port"
        )


def stop(workspace: Workspace) -> bool:
    """Stops the workspace's own server; whether there was one that ran."""
    kept = read_access(workspace)
    if kept is None or not kept.ours or not _is_label_studio(kept.pid):
        return False
    stop_process(kept.pid)
    return True


def change_password(workspace: Workspace, user: str, password: str) -> None:
    """Gives an account of the workspace's own server another password; the server may run.

    Raises:
        StudioRefusedError: there is no such account.
    """
    environment = ensure_environment()
    variables = clean_variables({"LABEL_STUDIO_BASE_DATA_DIR": str(_data_folder(workspace, environment))})
    # asked for on a terminal, of which a session of its own has none, so it reads the password from its input
    done = subprocess.run(
        [str(environment.python), *START, "reset_password", "--username", user], env=variables, input=f"{password}\n",
        capture_output=True, text=True, errors="replace", start_new_session=True, check=False,
    )  # fmt: skip
    if "successfully changed" not in done.stdout:
        raise StudioRefusedError(
            f"the password of {user} was not changed: is there such an account on our Label Studio?"
        )


def stop_process(pid: int) -> None:
    """Asks a process to end, and ends it when it does not."""
    for sign, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            if not _runs(pid):
                return
            time.sleep(0.05)


def wait(access: Access) -> None:
    """Returns when the server's process has ended."""
    while _runs(access.pid):
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(access.pid, os.WNOHANG)[0]:
                return
        time.sleep(0.2)


def log_path(workspace: Workspace) -> Path:
    """Where the server's output goes."""
    return workspace.root / "annotate" / "server.log"


def _new_access() -> Access:
    return Access(url="", token=secrets.token_hex(20), user=USER, password=secrets.token_urlsafe(12))


def _data_folder(workspace: Workspace, environment: Environment) -> Path:
    """The server's data folder, copied from the template the first time."""
    data = folder_of(workspace) / "server"
    if not (data / "label_studio.sqlite3").is_file():
        part = data.with_name(".server-part")
        shutil.rmtree(part, ignore_errors=True)
        with disk_errors(data):
            shutil.copytree(environment.template, part)
            part.chmod(0o700)
            shutil.rmtree(data, ignore_errors=True)
            part.rename(data)
    return data


def _launch(workspace: Workspace, environment: Environment, data: Path, access: Access) -> "subprocess.Popen[bytes]":
    """Starts the process. User, password and token go in as variables: a list of processes shows arguments to everybody."""
    port = access.url.rpartition(":")[2]
    variables = clean_variables(
        {
            "LABEL_STUDIO_BASE_DATA_DIR": str(data), "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
            "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
            "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(workspace.root.resolve()),
            "LABEL_STUDIO_USERNAME": access.user, "LABEL_STUDIO_PASSWORD": access.password,
            "LABEL_STUDIO_USER_TOKEN": access.token,
        }
    )  # fmt: skip
    arguments = [
        "start", "--no-browser", "--internal-host", HOST, "--port", port, "--enable-legacy-api-token",
        "--log-level", "WARNING",
    ]  # fmt: skip
    with log_path(workspace).open("ab") as log:
        return subprocess.Popen(
            [str(environment.python), *START, *arguments], env=variables, cwd=data, stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def _comes_up(workspace: Workspace, process: "subprocess.Popen[bytes]", access: Access) -> bool:
    """Whether our own server answers at our port; False where another one does.

    Raises:
        MissingToolError: the process ended, or did not answer in time.
    """
    deadline = time.monotonic() + START_SECONDS
    studio = Studio(access.url, access.token)
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise MissingToolError(f"Label Studio {VERSION} ended while it started: {_end_of_log(workspace)}")
        if studio.is_up():
            try:
                return studio.whoami().email == access.user
            except StudioError:
                return False
        time.sleep(0.2)
    stop_process(process.pid)
    raise MissingToolError(f"Label Studio {VERSION} did not answer in {START_SECONDS:g} s; {_end_of_log(workspace)}")


def _answers(access: Access) -> bool:
    try:
        return Studio(access.url, access.token, patience_seconds=0).whoami().email == access.user
    except StudioError:
        return False


def _end_of_log(workspace: Workspace) -> str:
    path = log_path(workspace)
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:] if path.is_file() else []
    return f"its log {path} ends with: {' '.join(lines)[-300:]}"


def _free_port(wanted: int, kept: Access | None) -> int:
    last = int(kept.url.rpartition(":")[2]) if kept and kept.ours else 0
    for port in [wanted] if wanted else [*([last] if last else []), *range(FIRST_PORT, FIRST_PORT + PORTS_TRIED)]:
        if _is_free(port):
            return port
    raise UsageError(f"port {wanted or FIRST_PORT} of {HOST} is in use; give another --port")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _is_label_studio(pid: int) -> bool:
    """Whether that process is a Label Studio: the number may have gone to another one since."""
    if pid <= 0 or not _runs(pid):
        return False
    seen = subprocess.run(["ps", "-ww", "-p", str(pid), "-o", "args="], capture_output=True, text=True, check=False)
    return "label_studio" in seen.stdout


@contextlib.contextmanager
def _starting(workspace: Workspace) -> Iterator[None]:
    """One process at a time starts the server of a workspace."""
    with (folder_of(workspace) / ".starting").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
