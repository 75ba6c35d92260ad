"""A real Ray cluster on the loopback address: two machines of one core each, one of which is killed in the middle."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, Toonsift
from tests.pipeline.test_killed import contents

pytest.importorskip("ray", reason="no Ray here: pip install 'toonsift[cluster]'")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


LOOPBACK = "127.0.0.2"
"""Ray takes 127.0.0.1 for the machine's own address"""


class Cluster:
    """Two machines of one core each, as `ray start` makes them; the second can be killed with all that runs on it."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind((LOOPBACK, 0))
            self.address = f"{LOOPBACK}:{free.getsockname()[1]}"
        self.nodes: list[subprocess.Popen[bytes]] = []
        self._start("--head", f"--port={self.address.partition(':')[2]}", "--include-dashboard=false")
        self._start(f"--address={self.address}")

    def kill_second(self) -> None:
        self._kill(self.nodes.pop())

    def close(self) -> None:
        for node in self.nodes:
            self._kill(node)

    def _start(self, *words: str) -> None:
        common = ["--num-cpus=1", f"--node-ip-address={LOOPBACK}", "--object-store-memory=100000000", "--block"]
        started = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", *words, *common, "--disable-usage-stats"],
            env=os.environ | {"PYTHONPATH": _path()}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert started.stdout is not None
        said = b""
        for line in started.stdout:
            said += line
            if b"--block" in line or b"Ray runtime started" in line:
                break
        self.nodes.append(started)
        if b"Ray runtime started" not in said:
            self.close()
            pytest.fail(said.decode())

    def _kill(self, node: "subprocess.Popen[bytes]") -> None:
        for pid in [*_descendants(node.pid), node.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        node.wait()
        assert node.stdout is not None
        node.stdout.close()


def _path() -> str:
    return os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    made = Cluster()
    yield made
    made.close()


def command(workspace: Path, series: Path, cascade_xml: Path, *more: str) -> list[str]:
    words = [sys.executable, "-m", "pipeline.cli", "--workspace", str(workspace), "--json", "--quiet", "mine"]
    return [*words, str(series), "--cascade", str(cascade_xml), *more]


def test_a_cluster_mines_the_same_though_one_of_its_machines_is_killed(
    tmp_path: Path, series: Path, cascade_xml: Path, toonsift: Toonsift, cluster: Cluster
) -> None:
    assert toonsift("mine", series, "--cascade", cascade_xml, workspace=tmp_path / "calm").code == 0
    wild = tmp_path / "wild"
    words = command(wild, series, cascade_xml, "--engine", "ray", "--ray-address", cluster.address)
    process = subprocess.Popen(
        words, cwd=tmp_path, env=os.environ | {"PYTHONPATH": _path()}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 300
    while not list((wild / "objects").glob("*/*.png")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    cluster.kill_second()
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said.decode()
    assert contents(wild) == contents(tmp_path / "calm")


def test_killed_task_processes_are_begun_again(
    tmp_path: Path, series: Path, cascade_xml: Path, toonsift: Toonsift
) -> None:
    """On a cluster that the command starts for itself."""
    assert toonsift("mine", series, "--cascade", cascade_xml, workspace=tmp_path / "calm").code == 0
    wild = tmp_path / "wild"
    process = subprocess.Popen(
        command(wild, series, cascade_xml, "--engine", "ray", "--jobs", "2"), cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": _path()}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    killed = 0
    deadline = time.monotonic() + 300
    while not killed and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
        if list((wild / "objects").glob("*/*.png")):
            for pid in _descendants(process.pid, b"ray::_parts"):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said.decode()
    assert killed
    assert contents(wild) == contents(tmp_path / "calm")


def _descendants(root: int, title: bytes = b"") -> list[int]:
    """Processes under `root` whose title begins so, where the system tells."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = []
    for pid in parents:
        above = pid
        while above in parents and above != root:
            above = parents[above]
        if above == root and pid != root:
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if line.startswith(title):
                found.append(pid)
    return found


def test_through_a_storage_nothing_else_need_be_shared(
    tmp_path: Path, series: Path, cascade_xml: Path, toonsift: Toonsift
) -> None:
    pytest.importorskip("fsspec")
    assert toonsift("mine", series, "--cascade", cascade_xml, workspace=tmp_path / "calm").code == 0
    wild, storage = tmp_path / "wild", tmp_path / "storage"
    storage.mkdir()
    words = command(wild, series, cascade_xml, "--engine", "ray", "--jobs", "2", "--storage", f"file://{storage}")
    done = subprocess.run(
        words, cwd=tmp_path, env=os.environ | {"PYTHONPATH": _path()}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert contents(wild) == contents(tmp_path / "calm")
    assert not list((storage / "videos").iterdir())
