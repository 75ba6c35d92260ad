"""The command as a user meets it: exit codes, one line per error, one JSON object."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import pipeline
from pipeline.cli import command_tree
from tests.conftest import Toonsift
from tests.videos import encode, ffmpeg, scenes


def test_help_answers_in_under_half_a_second() -> None:
    command = [sys.executable, "-m", "pipeline.cli", "--help"]
    subprocess.run(command, capture_output=True, check=True)
    best = 9.0
    for _ in range(5):
        before = os.times()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        after = os.times()
        best = min(best, after.children_user + after.children_system - before.children_user - before.children_system)
    assert "mine" in done.stdout
    assert best < 0.5


def test_help_loads_nothing_heavy() -> None:
    script = "import sys, pipeline.cli; print([m for m in ('numpy', 'cv2', 'torch', 'PIL', 'pyarrow', 'scipy', 'sqlite3') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_verb_has_help() -> None:
    def check(command: Any, words: list[str]) -> int:
        done = CliRunner().invoke(command_tree(), [*words, "--help"])
        assert done.exit_code == 0, words
        assert "Usage" in done.output
        return 1 + sum(check(one, [*words, name]) for name, one in getattr(command, "commands", {}).items())

    assert check(command_tree(), []) > 40


def test_version_and_usage_errors(toonsift: Toonsift) -> None:
    assert toonsift("version").out == f"toonsift {pipeline.__version__}\n"
    for words in (
        ["nonsense"],
        ["mine"],
        ["mine", "--fps", "x", "a"],
        ["list", "nonsense"],
        ["export", "x", "--split", "1,2"],
    ):
        done = toonsift(*words)
        assert done.code == 2, words
        assert done.out == ""
        assert "Traceback" not in done.err


def test_json_is_taken_before_and_after_the_verb(toonsift: Toonsift) -> None:
    for words in (["--json", "status"], ["status", "--json"]):
        done = toonsift(*words)
        assert done.code == 0
        assert done.json["episodes"] == 0


def test_an_error_is_one_line_and_one_json_object(toonsift: Toonsift) -> None:
    done = toonsift("--json", "export", "faces")
    assert done.code == 1
    assert done.json["kind"] == "DatasetError"
    assert done.err.count("\n") == 1
    assert done.err.startswith("toonsift: dataset 'faces' would be empty")
    debug = toonsift("--debug", "export", "faces")
    assert debug.code == 1
    assert "Traceback" in debug.err


def test_mining_without_a_cascade_says_how_to_get_one(toonsift: Toonsift, tmp_path: Path) -> None:
    encode(tmp_path / "a.mp4", scenes(1, 3))
    done = toonsift("mine", tmp_path / "a.mp4")
    assert done.code == 2
    assert "fit a cascade first (`toonsift cascade fit`)" in done.err


def test_one_bad_file_of_each_kind_never_stops_the_good_one(
    toonsift: Toonsift, tmp_path: Path, cascade_xml: Path
) -> None:
    folder = tmp_path / "episodes"
    folder.mkdir()
    good = encode(folder / "good.mp4", scenes(2, 24))
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("no video at all " * 50)
    whole = encode(tmp_path / "whole.mp4", scenes(3, 24, seed=1)).read_bytes()
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", f"file:{folder / 'sound.mp4'}")
    shutil.copy(good, folder / "twin.mp4")
    encode(folder / "one.mp4", scenes(1, 1, seed=2))
    encode(folder / "a name with 'quotes' \"and\"\nnewline.mp4", scenes(1, 5, seed=3))
    done = toonsift("--json", "mine", folder, folder / "gone.mp4", "--cascade", cascade_xml, "--jobs", "2")
    assert done.code == 1
    by_name = {Path(e["path"]).name: e for e in done.json["episodes"]}
    assert {n: e["status"] for n, e in by_name.items()} == {
        "good.mp4": "mined", "twin.mp4": "already", "one.mp4": "mined", "a name with 'quotes' \"and\"\nnewline.mp4": "mined",
        "empty.mp4": "failed", "text.mp4": "failed", "truncated.mp4": "failed", "sound.mp4": "failed", "gone.mp4": "failed",
    }  # fmt: skip
    assert done.json["failed"] == 5
    assert "the file is empty" in by_name["empty.mp4"]["reason"]
    assert "not a video that ffmpeg can read" in by_name["text.mp4"]["reason"]
    assert "(moov) is missing" in by_name["truncated.mp4"]["reason"]
    assert "no video in it" in by_name["sound.mp4"]["reason"]
    assert "no such file" in by_name["gone.mp4"]["reason"]
    assert "the same content as" in by_name["twin.mp4"]["reason"]
    assert (by_name["good.mp4"]["frames"], by_name["good.mp4"]["shots"]) == (48, 2)
    assert (by_name["one.mp4"]["frames"], by_name["one.mp4"]["shots"]) == (1, 1)
    for name in ("empty", "text", "truncated", "sound", "gone"):
        assert f"{name}.mp4" in done.err
    again = toonsift("--json", "mine", good, folder / "one.mp4", "--cascade", cascade_xml)
    assert again.code == 0
    assert {e["status"] for e in again.json["episodes"]} == {"already"}
    status = toonsift("--json", "status")
    assert status.json["episodes"] == 3


def test_changed_options_mine_again_and_the_same_do_not(
    toonsift: Toonsift, tmp_path: Path, series: Path, cascade_xml: Path
) -> None:
    episode = series / "s01e01.mp4"
    first = toonsift("--json", "mine", episode, "--cascade", cascade_xml).json["episodes"][0]
    assert (first["status"], first["frames"], first["sampled"]) == ("mined", 288, 48)
    assert first["crops"] > 0
    other = toonsift("--json", "mine", episode, "--cascade", cascade_xml, "--fps", "2").json["episodes"][0]
    assert (other["status"], other["sampled"]) == ("mined", 24)
    assert toonsift("--json", "status").json["shots"] == other["shots"], "the new rows replaced the old"
    rows = json.loads(toonsift("list", "crops", "--format", "json").out)
    assert len(rows) == other["crops"]
    assert {"pts", "time_base", "seconds", "left", "top", "right", "bottom"} <= set(rows[0])


def test_crops_with_labels_outlive_mining_again(
    toonsift: Toonsift, tmp_path: Path, series: Path, cascade_xml: Path
) -> None:
    episode = series / "s01e01.mp4"
    toonsift("mine", episode, "--cascade", cascade_xml)
    crops = [row["id"] for row in json.loads(toonsift("list", "crops", "--format", "json").out)]
    (tmp_path / "labels.csv").write_text("crop,emotion\n" + "".join(f"{c},happy\n" for c in crops))
    assert toonsift("--json", "import", "labels", tmp_path / "labels.csv").json["imported"] == len(crops)
    toonsift("mine", episode, "--cascade", cascade_xml, "--min-face", "90", "--fps", "1")
    kept = {row["id"]: row for row in json.loads(toonsift("list", "crops", "--format", "json").out)}
    shots = {row["id"] for row in json.loads(toonsift("list", "shots", "--format", "json").out)}
    assert set(crops) <= set(kept)
    assert {row["shot"] for row in kept.values()} <= shots


def test_labels_for_what_does_not_exist_are_listed_and_the_rest_is_kept(
    toonsift: Toonsift, tmp_path: Path, series: Path, cascade_xml: Path
) -> None:
    toonsift("mine", series / "s01e01.mp4", "--cascade", cascade_xml)
    crop = json.loads(toonsift("list", "crops", "--format", "json").out)[0]["id"]
    (tmp_path / "labels.csv").write_text(f"crop,emotion\n{crop},happy\nnobody,sad\n{crop},../etc\n")
    done = toonsift("--json", "import", "labels", tmp_path / "labels.csv")
    assert done.code == 1
    assert done.json["imported"] == 1
    assert [r["row"] for r in done.json["rejected"]] == [2, 3]
    assert "no crop 'nobody' in this workspace" in done.json["rejected"][0]["reason"]
    again = toonsift("--json", "import", "labels", tmp_path / "labels.csv")
    assert (again.json["imported"], again.json["already"]) == (0, 1)


def test_boxes_label_the_faces_that_were_mined_there(toonsift: Toonsift, series: Path, cascade_xml: Path) -> None:
    toonsift("mine", series, "--cascade", cascade_xml)
    done = toonsift("--json", "import", "labels", series / "boxes.json")
    assert done.json["imported"] > 20
    assert done.json["crops_added"] > 0
    assert done.json["rejected"] == []
    assert done.json["places"] > 0
    labels = json.loads(toonsift("list", "labels", "--format", "json").out)
    assert {row["emotion"] for row in labels} <= {"afraid", "angry", "happy", "neutral", "sad", "surprised"}


def test_trace_leads_back_to_the_pixels(toonsift: Toonsift, tmp_path: Path, series: Path, cascade_xml: Path) -> None:
    import numpy as np

    from pipeline.core.images import read_rgb
    from pipeline.frames import decode

    toonsift("mine", series / "s01e01.mp4", "--cascade", cascade_xml)
    row = json.loads(toonsift("list", "crops", "--format", "json").out)[3]
    found = toonsift("--json", "trace", row["id"]).json
    assert found["path"] == str((series / "s01e01.mp4").resolve())
    assert found["seconds"] == row["seconds"]
    stored = read_rgb(tmp_path / "workspace" / "objects" / row["sha256"][:2] / f"{row['sha256']}.png")
    frame = next(f for f in decode(Path(found["path"])) if f.pts == found["pts"])
    cut = frame.image[row["top"] : row["bottom"], row["left"] : row["right"]]
    assert (cut == stored).all()
    ours = found["command"].replace("ffmpeg", "", 1)
    import shlex

    ffmpeg(*shlex.split(ours)[:-1], str(tmp_path / "again.png"))
    assert np.array_equal(read_rgb(tmp_path / "again.png"), stored), "the command gives the very pixels"
    assert found["cascade"]["sha256"] == row["cascade"]
    assert found["shot"]["id"] == row["shot"]
    assert toonsift("trace", "nothing").code == 1


def test_list_writes_csv_and_parquet(toonsift: Toonsift, tmp_path: Path, series: Path, cascade_xml: Path) -> None:
    import io

    import pyarrow.parquet as pq

    toonsift("mine", series / "s01e01.mp4", "--cascade", cascade_xml)
    text = toonsift("list", "shots", "--format", "csv").out
    assert text.startswith("id,episode,start_pts")
    command = [
        sys.executable,
        "-m",
        "pipeline.cli",
        "--workspace",
        str(tmp_path / "workspace"),
        "list",
        "shots",
        "--format",
        "parquet",
    ]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    assert pq.read_table(io.BytesIO(raw)).num_rows == text.count("\n") - 1


def test_a_newer_workspace_is_left_alone(toonsift: Toonsift, tmp_path: Path) -> None:
    toonsift("status")
    path = tmp_path / "workspace" / "catalogue.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    done = toonsift("status")
    assert done.code == 1
    assert "a newer toonsift made it; upgrade toonsift (nothing was changed)" in done.err
    assert toonsift("doctor").code == 1


def test_two_processes_on_one_workspace(toonsift: Toonsift, tmp_path: Path, series: Path, cascade_xml: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pipeline.cli",
        "--workspace",
        str(tmp_path / "workspace"),
        "--quiet",
        "--json",
        "mine",
    ]
    first = subprocess.Popen(
        [*command, str(series), "--cascade", str(cascade_xml)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lock = tmp_path / "workspace" / ".writer"
    while not (lock.exists() and "mine" in lock.read_text()) and first.poll() is None:
        time.sleep(0.02)
    second = toonsift("--json", "mine", series, "--cascade", cascade_xml)
    assert second.code == 1
    assert f"in use by another toonsift (process {first.pid}: mine); wait until it ends" in second.json["error"]
    assert toonsift("status").code == 0, "reading is always possible"
    out, err = first.communicate()
    assert first.returncode == 0, err
    assert {e["status"] for e in json.loads(out)["episodes"]} == {"mined"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A disk of 6 MiB: what mining one episode needs, twice."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"cannot mount a small tmpfs here: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_named_and_what_was_done_is_kept(
    toonsift: Toonsift, small_disk: Path, series: Path, cascade_xml: Path
) -> None:
    place = small_disk / "workspace"
    toonsift("status", workspace=place)
    ballast = small_disk / "ballast"
    handle = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="No space left"):
        while True:
            os.write(handle, b"\0" * 4096)
    os.close(handle)
    done = toonsift("mine", series, "--cascade", cascade_xml, workspace=place)
    assert done.code == 1
    assert "is full; free some space and run the same command again" in done.err
    assert "Traceback" not in done.err
    assert not list(place.rglob(".part-*"))
    ballast.unlink()
    after = toonsift("--json", "mine", series / "s01e01.mp4", "--cascade", cascade_xml, workspace=place)
    assert after.code == 0, after.err
    assert toonsift("verify", workspace=place).code == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"<opencv_storage><cascade>", "XML"),
        (b"<html></html>", "opencv_storage"),
        (
            b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'
            b"<opencv_storage>&c;</opencv_storage>",
            "entit",
        ),
    ],
)
def test_a_bad_cascade_is_named(toonsift: Toonsift, tmp_path: Path, series: Path, content: bytes, says: str) -> None:
    path = tmp_path / "bad.xml"
    path.write_bytes(content)
    done = toonsift("mine", series, "--cascade", path)
    assert done.code == 1
    assert "bad.xml" in done.err
    assert says in done.err
    assert done.err.count("\n") == 1


def test_an_unreadable_folder_is_named_and_the_others_are_mined(
    toonsift: Toonsift, tmp_path: Path, cascade_xml: Path
) -> None:
    if os.geteuid() == 0:
        runner = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        if subprocess.run([*runner, sys.executable, "-c", ""], capture_output=True, check=False).returncode:
            pytest.skip("cannot run this Python as an ordinary user here, and root may read every folder")
    else:
        runner = []
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        root.chmod(0o777)
        (root / "locked").mkdir()
        encode(root / "good.mp4", scenes(1, 4, 16, 16))  # smaller than a face: no kernel is compiled for that user
        shutil.copy(cascade_xml, root / "c.xml")
        (root / "locked").chmod(0)
        if not runner:
            (root / "locked").chmod(0)
        command = [*runner, sys.executable, "-m", "pipeline.cli", "--workspace", str(root / "w"), "--quiet", "--json"]
        done = subprocess.run(
            [*command, "mine", str(root), "--cascade", str(root / "c.xml"), "--jobs", "1"],
            capture_output=True, text=True, check=False, env=os.environ | {"NUMBA_CACHE_DIR": str(root / "n")},
        )  # fmt: skip
        (root / "locked").chmod(0o700)
    assert done.returncode == 1, done.stderr
    assert "locked: folder cannot be read (Permission denied); check its permissions" in done.stderr
    statuses = {Path(e["path"]).name: e["status"] for e in json.loads(done.stdout)["episodes"]}
    assert statuses == {"good.mp4": "mined", "locked": "failed"}


def test_doctor_finds_this_machine_fit(toonsift: Toonsift) -> None:
    done = toonsift("--json", "doctor")
    assert done.code == 0, done.out
    found = {f["what"]: f["status"] for f in done.json["findings"]}
    assert found["Python"] == found["OpenCV"] == found["ffmpeg"] == "ok"


def test_doctor_names_a_missing_ffmpeg_and_the_repair(toonsift: Toonsift) -> None:
    done = toonsift("--json", "doctor", env={"TOONSIFT_FFMPEG": "/nowhere"})
    assert done.code == 1
    [fault] = [f for f in done.json["findings"] if f["status"] == "fault"]
    assert fault["what"] == "ffmpeg"
    assert "pip install imageio-ffmpeg" in fault["repair"]
