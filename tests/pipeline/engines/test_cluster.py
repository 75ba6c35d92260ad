"""A real Ray cluster on the loopback address: two machines of one core each, one of which is killed in the middle."""

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY, Toonsift
from tests.pipeline.test_killed import contents

ray = pytest.importorskip("ray", reason="no Ray here: pip install 'toonsift[cluster]'")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Cluster:
    """Two nodes; the second can be killed."""

    def __init__(self, place: Path) -> None:
        from ray.cluster_utils import Cluster as RayCluster

        options: dict[str, Any] = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "include_dashboard": False}
        options |= {"object_store_memory": 100_000_000, "env_vars": {"PYTHONPATH": _path()}}
        self.cluster = RayCluster(initialize_head=True, head_node_args=options)
        self.second = self.cluster.add_node(**{k: v for k, v in options.items() if k != "include_dashboard"})
        self.address = self.cluster.address

    def kill_second(self) -> None:
        self.cluster.remove_node(self.second, allow_graceful=False)

    def close(self) -> None:
        self.cluster.shutdown()


def _path() -> str:
    return os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("PYTHONPATH", _path())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = Cluster(tmp_path)
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


def _descendants(root: int, title: bytes) -> list[int]:
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
        if above == root:
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
