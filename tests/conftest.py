"""What all tests share: where real clips lie, a fresh workspace, the command in a process of its own."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.workspace import Workspace

REPOSITORY = Path(__file__).parent.parent
LONGEST = (
    "tests/pipeline/demo/test_demo.py",
    "tests/pipeline/test_cli.py",
    "tests/annotate/",
    "tests/pipeline/test_mining_call.py",
    "tests/pipeline/flow/test_mining.py",
    "tests/pipeline/test_killed.py",
    "tests/pipeline/test_predicting.py",
    "tests/train/",
)
"""where the tests that take longest lie: they begin first, so that no worker is left alone with one at the end"""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def turn(item: pytest.Item) -> int:
        return next((n for n, start in enumerate(LONGEST) if item.nodeid.startswith(start)), len(LONGEST))

    items.sort(key=turn)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file is one worker's, and all files that need Label Studio are one worker's: there is one server."""
    from xdist.scheduler import LoadFileScheduling

    class OneServer(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            return "Label Studio" if _needs_label_studio(REPOSITORY / file) else file

    config.option.loadscopereorder = False
    return OneServer(config, log)


@cache
def _needs_label_studio(file: Path) -> bool:
    return "pytest.mark.labelstudio" in file.read_text()


@dataclass(frozen=True)
class Done:
    """A finished call of the command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Toonsift = Callable[..., Done]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def toonsift(tmp_path: Path) -> Toonsift:
    """Runs `toonsift --workspace TMP/workspace --quiet ...` as a process."""

    def call(*words: str | Path, workspace: Path | None = None, env: dict[str, str] | None = None) -> Done:
        command = [
            sys.executable,
            "-m",
            "pipeline.cli",
            "--workspace",
            str(workspace or tmp_path / "workspace"),
            "--quiet",
        ]
        done = subprocess.run(
            [*command, *map(str, words)],
            capture_output=True, text=True, check=False, cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | (env or {}),
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def shared() -> Path:
    """The folder of real clips beside the project; tests that need it skip where it is absent."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "clips").is_dir():
        pytest.skip("no ../shared/clips: the real clips are not part of the project")
    return folder


def once_for_all_workers(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that one of the parallel test processes makes and all of them use."""
    base = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        base = base.parent
    folder = base / name
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            (folder / "made").touch()
    return folder


@pytest.fixture(scope="session")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two drawn episodes of 12 seconds with truth.json and boxes.json (COCO)."""

    def make(folder: Path) -> None:
        from pipeline.cartoon import CartoonOptions, coco_of, draw_series

        drawn = draw_series(folder, CartoonOptions(episodes=2, seconds=12, width=480, height=270, seed=5))
        (folder / "boxes.json").write_text(json.dumps(coco_of(drawn, every_frames=6)))

    return once_for_all_workers(tmp_path_factory, "series", make)


@pytest.fixture(scope="session")
def cascade_xml(tmp_path_factory: pytest.TempPathFactory, series: Path) -> Path:
    """A small cascade fitted by the command to everybody's faces in the drawn episodes."""

    def make(folder: Path) -> None:
        command = [sys.executable, "-m", "pipeline.cli", "--workspace", str(folder / "workspace"), "--json", "--quiet"]
        command += ["cascade", "fit", "everyone", "--truth", str(series / "boxes.json"), "--images", str(series)]
        command += [
            "--stages",
            "8",
            "--positives",
            "600",
            "--negatives-per-stage",
            "900",
            "--out",
            str(folder / "everyone.xml"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
        assert done.returncode == 0, done.stderr

    return once_for_all_workers(tmp_path_factory, "cascade", make) / "everyone.xml"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of `toonsift demo --quick`, with what it printed in demo.json. Copy it before changing it."""

    def make(folder: Path) -> None:
        command = [
            sys.executable,
            "-m",
            "pipeline.cli",
            "--workspace",
            str(folder),
            "--json",
            "--quiet",
            "demo",
            "--quick",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
        assert done.returncode == 0, done.stderr
        (folder / "demo.json").write_text(done.stdout)

    return once_for_all_workers(tmp_path_factory, "demo", make)
