"""What is wrong with this machine or workspace, and the repair of each fault."""

import importlib.metadata
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import ToonsiftError

OPENCV_PACKAGES = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
ENOUGH_MIB = 2048
REINSTALL = (
    "pip uninstall -y opencv-python opencv-python-headless opencv-contrib-python opencv-contrib-python-headless && "
    "pip install --no-deps opencv-contrib-python-headless"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at."""

    what: str
    """its name"""
    status: str
    """`ok`, `note` (works without) or `fault`"""
    found: str
    """what is there"""
    repair: str = ""
    """what to do about a fault"""


def examine(workspace: Path) -> list[Finding]:
    """Looks at everything that toonsift needs; never raises."""
    checks: list[Callable[[], Finding]] = [_python, _opencv, _ffmpeg, _torch, _chromium]
    return [check() for check in checks] + [_disk(workspace), _workspace(workspace)]


def _python() -> Finding:
    version = platform.python_version()
    return Finding(what="Python", status="ok", found=f"{version} ({sys.executable})")


def _opencv() -> Finding:
    installed = [name for name in OPENCV_PACKAGES if _version(name)]
    described = ", ".join(f"{name} {_version(name)}" for name in installed) or "none installed"
    try:
        import cv2
    except ImportError as error:
        return Finding(what="OpenCV", status="fault", found=f"{described}; import fails: {error}", repair=REINSTALL)
    if len(installed) > 1:
        return Finding(
            what="OpenCV", status="fault", found=f"{described}: each overwrote files of the others", repair=REINSTALL
        )
    if not hasattr(cv2, "CascadeClassifier"):
        return Finding(
            what="OpenCV", status="fault", found=f"{described}: it has no CascadeClassifier", repair=REINSTALL
        )
    return Finding(what="OpenCV", status="ok", found=f"{described}, with CascadeClassifier")


def _ffmpeg() -> Finding:
    from pipeline.frames import ffmpeg_path

    try:
        path = ffmpeg_path()
        said = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=20, check=True).stdout
        encoders = subprocess.run([path, "-encoders"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (ToonsiftError, OSError, subprocess.SubprocessError) as error:
        return Finding(
            what="ffmpeg", status="fault", found=str(error), repair="install ffmpeg, or: pip install imageio-ffmpeg"
        )
    version = said.split()[2] if len(said.split()) > 2 else "unknown version"
    if "libx264" not in encoders:
        return Finding(
            what="ffmpeg", status="note", found=f"{version} ({path}) without libx264: mines, but `demo` cannot draw",
            repair="pip install imageio-ffmpeg and unset TOONSIFT_FFMPEG",
        )  # fmt: skip
    return Finding(what="ffmpeg", status="ok", found=f"{version} ({path})")


def _torch() -> Finding:
    try:
        import torch
    except ImportError:
        return Finding(
            what="torch", status="note", found="not installed: everything but `train` works",
            repair="pip install 'toonsift[train]'",
        )  # fmt: skip
    if torch.cuda.is_available():
        return Finding(what="torch", status="ok", found=f"{torch.__version__}, {torch.cuda.get_device_name(0)}")
    return Finding(what="torch", status="ok", found=f"{torch.__version__}, no CUDA device: trains on the CPU")


def _chromium() -> Finding:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path:
        return Finding(what="Chromium", status="ok", found=path)
    return Finding(
        what="Chromium", status="note", found="not installed: only the tests of the pages need it",
        repair="apt-get install chromium",
    )  # fmt: skip


def _disk(workspace: Path) -> Finding:
    place = next((p for p in (workspace.absolute(), *workspace.absolute().parents) if p.exists()), Path("/"))
    free = shutil.disk_usage(place).free >> 20
    if free < ENOUGH_MIB:
        return Finding(
            what="Disk", status="fault", found=f"{free} MiB free at {place}",
            repair="free some space, or put the workspace on another disk with --workspace",
        )  # fmt: skip
    return Finding(what="Disk", status="ok", found=f"{free} MiB free at {place}")


def _workspace(root: Path) -> Finding:
    from pipeline.core.workspace import Workspace

    if not (root / "catalogue.sqlite3").is_file():
        return Finding(what="Workspace", status="ok", found=f"{root.absolute()}: none yet, the first command makes it")
    try:
        workspace = Workspace(root)
        faults = workspace.catalogue.integrity_faults()
        workspace.close()
    except ToonsiftError as error:
        return Finding(what="Workspace", status="fault", found=str(error), repair="see the message")
    if faults:
        return Finding(
            what="Workspace",
            status="fault",
            found="; ".join(faults[:3]),
            repair="restore catalogue.sqlite3 from a copy",
        )
    return Finding(what="Workspace", status="ok", found=str(root.absolute()))


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
