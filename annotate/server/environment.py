"""The environment of the Label Studio server: made once per machine, outside of the project and of every workspace.

The server and its 150 packages never share an environment with toonsift: each would overwrite the other's OpenCV and hold
back its numpy. uv makes it in seconds. Beside it lies a data folder whose tables are made, because making them takes
Label Studio a minute and copying them takes nothing.
"""

import contextlib
import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import MissingToolError
from pipeline.core.files import disk_errors
from pipeline.core.progress import Progress, Silent

VERSION = "1.23.2"
"""of Label Studio; another may behave differently, so change it together with the tests"""
PYTHONS = ((3, 10), (3, 14))
"""from, below: versions of Python that this Label Studio runs on"""
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SSL_CERT_FILE")
"""of our environment variables; Label Studio takes bare names like HOST, DEBUG or PASSWORD for its own settings"""
INSTALLER_NEEDS = ("UV_", "PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
"""beginnings of the variables that say where packages come from"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A Label Studio ready to start."""

    python: Path
    """its interpreter"""
    template: Path
    """a data folder with empty tables; copy it"""


def cache_folder() -> Path:
    """Where the environment lies: `TOONSIFT_CACHE`, else `toonsift` in the user's cache folder."""
    given = os.environ.get("TOONSIFT_CACHE")
    if given:
        return Path(given).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "toonsift"


def ensure_environment(progress: Progress | None = None) -> Environment:
    """The environment of this version, made now where it is not there yet (about 1 GB, network needed).

    Several processes may ask at once: one makes it, the others wait. A killed one leaves nothing that counts.

    Raises:
        MissingToolError: uv is not installed, or it could not install Label Studio; the message says why.
    """
    folder = cache_folder() / f"label-studio-{VERSION}"
    environment = Environment(python=folder / "environment" / "bin" / "python", template=folder / "template")
    if environment.template.is_dir():
        return environment
    with _locked(folder), (progress or Silent()).step(f"install Label Studio {VERSION}", 2, "steps") as step:
        for name, make in (("environment", _install), ("template", _migrate)):
            if not (folder / name).is_dir():
                with _made_aside(folder / name) as part:
                    make(folder, part)
            step.advance()
    return environment


def clean_variables(needed: dict[str, str], prefixes: Sequence[str] = ()) -> dict[str, str]:
    """Environment variables for a process of the server: few of ours, what is needed, nothing that goes out by itself."""
    ours = {k: v for k, v in os.environ.items() if k in PASSED_ON or k.startswith(tuple(prefixes) or ("\0",))}
    quiet = {
        "LABEL_STUDIO_LATEST_VERSION_CHECK": "false", "LABEL_STUDIO_COLLECT_ANALYTICS": "false",
        "LABEL_STUDIO_SENTRY_DSN": "", "LABEL_STUDIO_FRONTEND_SENTRY_DSN": "", "LABEL_STUDIO_DJANGO_DB": "sqlite",
    }  # fmt: skip
    return ours | quiet | needed


def _install(folder: Path, part: Path) -> None:
    del folder
    fits = PYTHONS[0] <= sys.version_info[:2] < PYTHONS[1]
    base = sys.executable if fits else f">={_dotted(PYTHONS[0])},<{_dotted(PYTHONS[1])}"
    _run([*_uv(), "venv", "--relocatable", "--quiet", "--python", base, str(part)], {})
    # relocatable, because the folder is renamed when it is whole
    _run([*_uv(), "pip", "install", "--quiet", "--python", str(part), f"label-studio=={VERSION}"], {})
    # --python, because `python -m uv` prefers the environment of that python, which is ours, to VIRTUAL_ENV


def _migrate(folder: Path, part: Path) -> None:
    python = folder / "environment" / "bin" / "python"
    _run([str(python), *START, "version"], {"LABEL_STUDIO_BASE_DATA_DIR": str(part)})
    (part / ".env").unlink(missing_ok=True)  # the secret that signs sessions: every server makes its own
    if not (part / "label_studio.sqlite3").is_file():
        raise MissingToolError(f"Label Studio {VERSION} made no database in {part}; delete {folder} and try again")


START = ("-c", "from label_studio.server import main; main()")
"""arguments of its interpreter that run Label Studio"""


def _uv() -> list[str]:
    if importlib.util.find_spec("uv") is not None:
        return [sys.executable, "-m", "uv"]
    beside = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if beside is None:
        raise MissingToolError(
            "a local Label Studio needs uv to install it: `pip install uv` (or toonsift[annotate]); "
            "or use a server that runs already: --url and --token"
        )
    return [beside]


def _run(command: list[str], variables: dict[str, str]) -> None:
    done = subprocess.run(
        command, env=clean_variables(variables, INSTALLER_NEEDS), stdin=subprocess.DEVNULL, capture_output=True,
        text=True, errors="replace", check=False,
    )  # fmt: skip
    if done.returncode != 0:
        last = " ".join(done.stderr.strip().splitlines()[-3:])[:400]
        raise MissingToolError(
            f"Label Studio {VERSION} could not be installed: `{' '.join(command[:4])} ...` failed ({last}); check the "
            "network and the room on the disk, then try again; or use a server that runs already: --url and --token"
        )


@contextlib.contextmanager
def _made_aside(final: Path) -> Iterator[Path]:
    """A folder to fill that becomes `final` when the block ends well."""
    with disk_errors(final):
        part = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
        try:
            yield part
            part.rename(final)
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left in [*folder.glob(".environment-*"), *folder.glob(".template-*")]:
                shutil.rmtree(left, ignore_errors=True)
            yield


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
