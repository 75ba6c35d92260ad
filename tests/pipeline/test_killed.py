"""kill -9 at random moments: after running again everything is as if nothing had happened."""

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PASSING = {"runs": ("seconds", "finished"), "labels": ("created",), "datasets": ("created",), "cascades": ("created",)}
"""columns that tell the time of day"""


def command(workspace: Path, *words: str | Path) -> list[str]:
    return [sys.executable, "-m", "pipeline.cli", "--workspace", str(workspace), "--quiet", *map(str, words)]


def killed_at(seconds: float, words: list[str]) -> bool:
    """Runs the command and kills it after so long; whether it was still running."""
    process = subprocess.Popen(
        words, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def finished(words: list[str]) -> None:
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def contents(workspace: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the catalogue but the times of day, and the names of all stored files."""
    connection = sqlite3.connect(workspace / "catalogue.sqlite3")
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    found = {}
    for table in tables:
        columns = [
            row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] not in PASSING.get(table, ())
        ]
        listed = ", ".join(f'"{c}"' for c in columns)
        found[table] = sorted(connection.execute(f"SELECT {listed} FROM {table}").fetchall(), key=repr)
    connection.close()
    found["files"] = sorted((p.name,) for p in (workspace / "objects").glob("*/*"))
    return found


def labels_for(workspace: Path, file: Path) -> Path:
    """A label for every crop, by its place: enough to export and train on."""
    connection = sqlite3.connect(workspace / "catalogue.sqlite3")
    ids = [row[0] for row in connection.execute("SELECT id FROM crops ORDER BY id")]
    connection.close()
    rows = [f"{crop},{'happy' if n % 2 else 'sad'}" for n, crop in enumerate(ids)]
    file.write_text("\n".join(["crop,emotion", *rows]) + "\n")
    return file


def run_with_kills(workspace: Path, words: list[str], kills: int, chance: random.Random, longest: float) -> None:
    """Kills the command until `kills` have struck it at work, then lets it end; what ended unhurt is begun anew."""
    before = workspace.with_name("before")
    shutil.copytree(workspace, before)
    hits = 0
    for _ in range(20 * kills):
        began = time.monotonic()
        if killed_at(chance.uniform(0.1, longest), words):
            hits += 1
        else:
            longest = min(longest, time.monotonic() - began)  # the machine was busier when it was measured
            shutil.rmtree(workspace)
            shutil.copytree(before, workspace)
        if hits == kills:
            break
    assert hits == kills
    shutil.rmtree(before)
    finished(words)


@pytest.mark.parametrize("kills", [1, pytest.param(12, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_mining_ends_the_same_however_often_it_is_killed(
    tmp_path: Path, series: Path, cascade_xml: Path, kills: int
) -> None:
    videos = series if kills > 1 else series / "s01e01.mp4"
    calm, wild = mined_with_kills(tmp_path, ["mine", videos, "--cascade", cascade_xml, "--jobs", "1"], kills)
    assert contents(wild) == contents(calm)
    finished(command(wild, "verify"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kills", [1, 12])
def test_exporting_ends_the_same_however_often_it_is_killed(
    tmp_path: Path, series: Path, cascade_xml: Path, kills: int
) -> None:
    calm, wild = mined_with_kills(tmp_path, ["mine", series, "--cascade", cascade_xml, "--jobs", "1"], 0)
    labels = labels_for(calm, tmp_path / "labels.csv")
    for workspace in (calm, wild):
        finished(command(workspace, "dedupe"))
        finished(command(workspace, "import", "labels", labels))
    finished(command(calm, "export", "faces"))
    run_with_kills(wild, command(wild, "export", "faces"), kills, random.Random(kills), 2.5)
    assert contents(wild) == contents(calm)
    manifests = [sorted(p.name for p in (w / "datasets" / "faces").iterdir()) for w in (calm, wild)]
    assert manifests == [["0001"], ["0001"]]
    finished(command(wild, "verify"))
    finished(command(wild, "verify", "faces"))


def mined_with_kills(place: Path, mining: list[str | Path], kills: int) -> tuple[Path, Path]:
    """Two workspaces, one mined in peace; without kills the other is its copy."""
    calm, wild = place / "calm", place / "wild"
    began = time.monotonic()
    finished(command(calm, *mining))
    longest = time.monotonic() - began
    if kills:
        wild.mkdir()
        run_with_kills(wild, command(wild, *mining), kills, random.Random(kills), longest)
    else:
        shutil.copytree(calm, wild)
    return calm, wild


def workers_of(process: "subprocess.Popen[bytes]") -> list[int]:
    """Processes of the pool that a command runs, where the system tells."""
    found = []
    for pid in children_of(process.pid):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def children_of(pid: int) -> list[int]:
    """Processes that one has started and that still run."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that ended meanwhile
            found += [int(child) for child in task.read_text().split()]
    return found


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system does not tell of processes")
@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kills", [1, 30])
def test_whoever_is_killed_at_whatever_moment_the_catalogue_ends_the_same(
    tmp_path: Path, series: Path, cascade_xml: Path, kills: int
) -> None:
    """One kill of three strikes the command with all its processes, the others a worker or its ffmpeg."""
    calm, wild = tmp_path / "calm", tmp_path / "wild"
    mining = ["mine", series, "--cascade", cascade_xml, "--jobs", "2"]
    began = time.monotonic()
    finished(command(calm, *mining))
    longest = time.monotonic() - began
    chance = random.Random(kills)
    hits = dict.fromkeys(("command", "worker", "ffmpeg"), 0)
    resumed = 0
    while sum(hits.values()) < kills:
        resumed += unfinished(wild)
        struck = strike(command(wild, *mining), wild, chance, longest)
        if struck in hits:
            hits[struck] += 1
        else:
            longest = max(1.0, 0.8 * longest)  # the machine was busier when it was measured
        if finished_runs(wild) == 2:
            finished(command(wild, *mining))  # what comes after the episodes may be missing
            assert contents(wild) == contents(calm)
            shutil.rmtree(wild)
    finished(command(wild, *mining))
    assert contents(wild) == contents(calm)
    if kills > 20:
        assert min(hits.values()) > 0
        assert resumed > 0


def strike(words: list[str], workspace: Path, chance: random.Random, longest: float) -> str:
    """Runs the command and kills one of its processes, or all, at a random moment; says who was struck.

    Half of the moments lie anywhere, half soon after a part of an episode is committed, on however busy a machine.
    """
    process = subprocess.Popen(
        words, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    if chance.random() < 0.5:
        time.sleep(chance.uniform(0.1, longest))
    else:
        while process.poll() is None and not unfinished(workspace):
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 0.3))
    wanted = chance.choice(["command", "worker", "ffmpeg"])
    workers = workers_of(process)
    if process.poll() is not None:
        wanted = "nobody"
    elif wanted == "command" or not workers:
        wanted = "command"
        os.killpg(process.pid, signal.SIGKILL)
    else:
        victim = chance.choice(workers)
        theirs = children_of(victim)
        wanted = "ffmpeg" if wanted == "ffmpeg" and theirs else "worker"
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile: nobody was hurt
            os.kill(chance.choice(theirs) if wanted == "ffmpeg" else victim, signal.SIGKILL)
    assert process.stderr is not None
    with process.stderr:
        said = process.stderr.read()
    process.wait()
    assert wanted == "command" or process.returncode == 0, said.decode()
    return wanted


def finished_runs(workspace: Path) -> int:
    return _count(workspace, "runs WHERE stage = 'mine' AND status = 'done'")


def unfinished(workspace: Path) -> bool:
    """Whether a part of an episode is committed and the rest is not."""
    return _count(workspace, "chunks") + _count(workspace, "searched") > 0


def _count(workspace: Path, what: str) -> int:
    if not (workspace / "catalogue.sqlite3").exists():
        return 0
    connection = sqlite3.connect(workspace / "catalogue.sqlite3")
    try:
        return int(connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0])
    except sqlite3.OperationalError:  # killed before the tables were made
        return 0
    finally:
        connection.close()
