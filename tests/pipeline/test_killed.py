"""kill -9 at random moments: after running again everything is as if nothing had happened."""

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
        if killed_at(chance.uniform(0.1, longest), words):
            hits += 1
        else:
            shutil.rmtree(workspace)
            shutil.copytree(before, workspace)
        if hits == kills:
            break
    assert hits == kills
    shutil.rmtree(before)
    finished(words)


@pytest.mark.parametrize("kills", [2, pytest.param(12, marks=pytest.mark.slow)])
def test_mining_and_exporting_end_the_same_however_often_they_are_killed(
    tmp_path: Path, series: Path, cascade_xml: Path, kills: int
) -> None:
    calm, wild = tmp_path / "calm", tmp_path / "wild"
    mining = ["mine", series, "--cascade", cascade_xml, "--jobs", "1"]
    began = time.monotonic()
    finished(command(calm, *mining))
    longest = time.monotonic() - began
    chance = random.Random(kills)
    wild.mkdir()
    run_with_kills(wild, command(wild, *mining), kills, chance, longest)
    assert contents(wild) == contents(calm)
    labels = labels_for(calm, tmp_path / "labels.csv")
    for workspace in (calm, wild):
        finished(command(workspace, "dedupe"))
        finished(command(workspace, "import", "labels", labels))
    finished(command(calm, "export", "faces"))
    run_with_kills(wild, command(wild, "export", "faces"), kills, chance, 2.5)
    assert contents(wild) == contents(calm)
    manifests = [sorted(p.name for p in (w / "datasets" / "faces").iterdir()) for w in (calm, wild)]
    assert manifests == [["0001"], ["0001"]]
    finished(command(wild, "verify"))
    finished(command(wild, "verify", "faces"))
