"""Bad input and faults of every kind: what can be mined is mined, what failed says why, nothing is stored twice."""

import contextlib
import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cascades.looked_for import LoadedCascade
from cascades.xml import write_xml
from pipeline.core import workspace as workspace_module
from pipeline.core.records import Chunk, Crop, Episode, Hold, Run, Shot
from pipeline.core.workspace import Workspace
from pipeline.flow import mining_work
from pipeline.flow.mining import mine_paths
from pipeline.flow.planning import EpisodeOutcome
from pipeline.ingest import find_videos
from pipeline.mine import MineOptions
from tests.cascades.drawing import random_model
from tests.videos import encode, ffmpeg, scenes

TS = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-pix_fmt", "yuv420p", "-f", "mpegts")
FFV1 = ("-c:v", "ffv1", "-f", "matroska")


@pytest.fixture(scope="module")
def cascade() -> LoadedCascade:
    """Finds something somewhere: what it is is of no interest here."""
    xml = write_xml(random_model(np.random.default_rng(1)))
    return LoadedCascade(character="anyone", digest=hashlib.sha256(xml).hexdigest(), content=xml, min_score=0.01)


Mine = Callable[..., EpisodeOutcome]


@pytest.fixture
def mine(workspace: Workspace, cascade: LoadedCascade) -> Mine:
    """Mines one file and checks that what is stored hangs together, and that mining it again stores nothing more."""

    def call(path: Path, again: bool = True) -> EpisodeOutcome:
        outcome = only(mine_paths(workspace, [path], [cascade], MineOptions(min_face=24)))
        before = everything(workspace)
        check_whole(workspace, outcome)
        if again:
            mine_paths(workspace, [path], [cascade], MineOptions(min_face=24))
            assert everything(workspace) == before
        return outcome

    return call


def only(outcomes: list[EpisodeOutcome]) -> EpisodeOutcome:
    assert len(outcomes) == 1
    return outcomes[0]


def everything(workspace: Workspace) -> list[object]:
    kinds = (Episode, Shot, Hold, Crop, Chunk)
    return [record for kind in kinds for record in workspace.catalogue.all(kind)]


def check_whole(workspace: Workspace, outcome: EpisodeOutcome) -> None:
    """Shots and holds cover the episode without a gap, each frame once."""
    assert workspace.catalogue.count(Chunk) == 0
    if not outcome.counts:
        return
    episode = workspace.catalogue.get(Episode, outcome.id)
    assert episode is not None
    for kind in (Shot, Hold):
        spans = sorted(workspace.catalogue.all(kind, episode=outcome.id), key=lambda s: s.start_pts)
        assert spans[0].start_pts == episode.start_pts
        assert spans[-1].end_pts == episode.end_pts
        assert all(a.end_pts == b.start_pts for a, b in zip(spans, spans[1:], strict=False))
        assert sum(s.frames for s in spans) == episode.frames == outcome.counts["frames"]


def test_packets_lost_in_the_middle_leave_what_is_before_and_after(tmp_path: Path, mine: Mine) -> None:
    path = encode(tmp_path / "a.ts", scenes(4, 24), after=("-g", "12", *TS))
    content = path.read_bytes()
    packets = [content[i : i + 188] for i in range(0, len(content), 188)]
    third = len(packets) // 3
    path.write_bytes(b"".join(packets[:third] + packets[third + third // 2 :]))
    outcome = mine(path)
    assert 48 <= outcome.counts["frames"] < 96
    assert outcome.counts["shots"] >= 3
    if outcome.status == "failed":
        assert "damaged" in outcome.reason
        assert "what decodes is kept" in outcome.reason


def test_bytes_changed_in_the_middle_leave_what_is_before_and_after(tmp_path: Path, mine: Mine) -> None:
    path = encode(tmp_path / "a.mkv", scenes(4, 24), after=("-g", "12", "-c:v", "libx264", "-pix_fmt", "yuv420p"))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 600] = bytes(np.random.default_rng(0).integers(0, 256, 600, dtype=np.uint8))
    path.write_bytes(content)
    outcome = mine(path)
    assert 48 <= outcome.counts["frames"] <= 96
    assert outcome.status == "failed"
    assert "damaged" in outcome.reason
    again = mine(path)
    assert (again.reason, again.counts, again.status) == (outcome.reason, outcome.counts, "failed")
    assert again.seconds == 0, "the same bytes end at the same damage: nothing is decoded a second time"


def test_timestamps_that_go_backwards_lose_no_frame(tmp_path: Path, mine: Mine) -> None:
    one = encode(tmp_path / "one.ts", scenes(2, 24), after=TS).read_bytes()
    two = encode(tmp_path / "two.ts", scenes(2, 24, seed=1), after=TS).read_bytes()
    (tmp_path / "both.ts").write_bytes(one + two)
    outcome = mine(tmp_path / "both.ts")
    assert (outcome.status, outcome.counts["frames"]) == ("mined", 96)
    assert outcome.counts["shots"] >= 4


def test_timestamps_that_start_late_are_kept_as_they_are(tmp_path: Path, mine: Mine, workspace: Workspace) -> None:
    encode(tmp_path / "a.mp4", scenes(2, 24))
    ffmpeg("-i", f"file:{tmp_path}/a.mp4", "-c", "copy", "-output_ts_offset", "100", f"file:{tmp_path}/late.mkv")
    outcome = mine(tmp_path / "late.mkv")
    assert (outcome.counts["frames"], outcome.counts["shots"]) == (48, 2)
    episode = workspace.catalogue.all(Episode)[0]
    assert 99.9 < float(episode.start_pts * episode.time_base) < 100.2


def test_timestamps_that_jump_make_a_long_hold_and_no_frames(tmp_path: Path, mine: Mine, workspace: Workspace) -> None:
    encode(tmp_path / "one.mkv", scenes(2, 24), after=FFV1)
    jump = "setts=pts=if(gte(N\\,24)\\,PTS+600/TB\\,PTS):dts=if(gte(N\\,24)\\,DTS+600/TB\\,DTS)"
    ffmpeg("-i", f"file:{tmp_path}/one.mkv", "-c", "copy", "-bsf:v", jump, f"file:{tmp_path}/jump.mkv")
    outcome = mine(tmp_path / "jump.mkv")
    assert (outcome.counts["frames"], outcome.counts["shots"]) == (48, 2)
    episode = workspace.catalogue.all(Episode)[0]
    assert 600 < float((episode.end_pts - episode.start_pts) * episode.time_base) < 604


def test_a_resolution_that_changes_in_the_stream_is_followed(tmp_path: Path, mine: Mine) -> None:
    one = encode(tmp_path / "one.ts", scenes(2, 24, 320, 240), after=TS).read_bytes()
    two = encode(
        tmp_path / "two.ts", scenes(2, 24, 192, 144, seed=1), after=("-output_ts_offset", "2", *TS)
    ).read_bytes()
    (tmp_path / "both.ts").write_bytes(one + two)
    outcome = mine(tmp_path / "both.ts")
    assert (outcome.status, outcome.counts["frames"], outcome.counts["shots"]) == ("mined", 96, 4)
    assert outcome.counts["sampled"] >= 15


@pytest.mark.parametrize(
    ("name", "size", "after"),
    [
        ("interlaced.mp4", (160, 96), ("-vf", "tinterlace=interleave_top", "-flags", "+ilme+ildct", "-c:v", "libx264")),
        (
            "hdr.mkv", (160, 96),
            ("-vf", "scale=out_color_matrix=bt2020", "-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-x265-params",
             "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"),
        ),
        ("ten-bits.mp4", (160, 96), ("-pix_fmt", "yuv420p10le", "-c:v", "libx264")),
        ("444.mp4", (160, 96), ("-pix_fmt", "yuv444p", "-c:v", "libx264")),
        ("alpha.mov", (160, 96), ("-pix_fmt", "argb", "-c:v", "qtrle")),
        ("grey.mkv", (160, 96), ("-pix_fmt", "gray", *FFV1)),
        ("grey-16.mkv", (160, 96), ("-pix_fmt", "gray16le", *FFV1)),
        ("odd.mkv", (101, 57), ("-pix_fmt", "yuv444p", *FFV1)),
    ],
)  # fmt: skip
def test_every_kind_of_picture_is_mined(
    tmp_path: Path, mine: Mine, name: str, size: tuple[int, int], after: tuple[str, ...]
) -> None:
    path = encode(tmp_path / name, scenes(2, 24, *size), after=after)
    outcome = mine(path)
    assert outcome.status == "mined", outcome.reason
    frames = 24 if name.startswith("interlaced") else 48
    assert (outcome.counts["frames"], outcome.counts["shots"]) == (frames, 2)


def test_one_pixel_is_a_video(tmp_path: Path, mine: Mine) -> None:
    frames = np.zeros((24, 1, 1, 3), dtype=np.uint8)
    frames[12:] = 255
    outcome = mine(encode(tmp_path / "one.mkv", frames, after=("-pix_fmt", "yuv444p", *FFV1)))
    assert (outcome.status, outcome.counts["frames"]) == ("mined", 24)


def test_a_video_16384_pixels_wide_is_mined(tmp_path: Path, mine: Mine) -> None:
    frames = np.zeros((6, 64, 16384, 3), dtype=np.uint8)
    frames[:, 16:48, 8000:8032] = 255
    outcome = mine(encode(tmp_path / "wide.mkv", frames, after=("-pix_fmt", "yuv420p", *FFV1)))
    assert (outcome.status, outcome.counts["frames"]) == ("mined", 6)


def test_of_two_video_streams_the_first_is_mined(tmp_path: Path, mine: Mine, workspace: Workspace) -> None:
    encode(tmp_path / "one.mp4", scenes(2, 24))
    encode(tmp_path / "two.mp4", scenes(3, 24, 320, 240))
    inputs = ("-i", f"file:{tmp_path}/one.mp4", "-i", f"file:{tmp_path}/two.mp4")
    ffmpeg(*inputs, "-map", "0:v", "-map", "1:v", "-c", "copy", f"file:{tmp_path}/both.mkv")
    outcome = mine(tmp_path / "both.mkv")
    assert (outcome.counts["frames"], outcome.counts["shots"]) == (48, 2)
    assert workspace.catalogue.all(Episode)[0].width == 160


def test_cover_art_is_no_episode(tmp_path: Path, mine: Mine, workspace: Workspace) -> None:
    encode(tmp_path / "a.mp4", scenes(2, 24))
    encode(tmp_path / "cover.png", scenes(1, 1, 300, 300), after=("-frames:v", "1", "-update", "1"))
    inputs = ("-i", f"file:{tmp_path}/cover.png", "-i", f"file:{tmp_path}/a.mp4")
    mapped = ("-map", "0:v", "-map", "1:v", "-c", "copy", "-disposition:v:0", "attached_pic")
    ffmpeg(*inputs, *mapped, f"file:{tmp_path}/covered.mp4")
    outcome = mine(tmp_path / "covered.mp4")
    assert (outcome.counts["frames"], outcome.counts["shots"]) == (48, 2)
    assert workspace.catalogue.all(Episode)[0].width == 160


def test_a_file_that_still_grows_is_told_and_mined_when_it_is_whole(
    tmp_path: Path, mine: Mine, workspace: Workspace
) -> None:
    whole = encode(tmp_path / "whole.ts", scenes(8, 24), after=TS).read_bytes()
    path = tmp_path / "growing.ts"
    path.write_bytes(whole[: len(whole) // 2])
    stop = threading.Event()

    def grow() -> None:
        with path.open("ab") as stream:
            while not stop.wait(0.002):
                stream.write(b"\xff" * 188)
                stream.flush()

    writer = threading.Thread(target=grow)
    writer.start()
    outcome = mine(path, again=False)
    stop.set()
    writer.join()
    assert outcome.status == "failed"
    assert "mine it again when it is whole" in outcome.reason
    assert everything(workspace) == []
    path.write_bytes(whole)
    assert mine(path).status == "mined"
    assert len(workspace.catalogue.all(Episode)) == 1


def test_links_that_go_round_in_a_circle_are_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "series" / "season"
    folder.mkdir(parents=True)
    good = encode(folder / "good.mp4", scenes(1, 3))
    (folder / "again").symlink_to(tmp_path / "series")
    (folder / "self.mp4").symlink_to(folder / "self.mp4")
    found, failures = find_videos([tmp_path / "series"])
    assert found == [good]
    assert [failure.item for failure in failures] == [str(folder / "self.mp4")]
    assert "a link that leads nowhere" in failures[0].reason
    found, failures = find_videos([folder / "self.mp4"])
    assert (found, len(failures)) == ([], 1)


def _children() -> set[int]:
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that ended meanwhile
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system does not tell of processes")
@pytest.mark.parametrize("kills", [1, 9])
def test_ffmpeg_killed_under_us_is_started_again(
    tmp_path: Path, mine: Mine, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, kills: int
) -> None:
    path = encode(tmp_path / "a.mp4", scenes(8, 24))
    left = kills
    real = mining_work.watch

    def watch(*args: object, **kwargs: object) -> object:
        nonlocal left
        before = _children()
        frames = real(*args, **kwargs)  # type: ignore[arg-type]
        for frame in frames:
            if frame.index == 3 and left:
                left -= 1
                (mine_it,) = _children() - before
                os.kill(mine_it, signal.SIGKILL)
            yield frame

    monkeypatch.setattr(mining_work, "watch", watch)
    outcome = mine(path, again=False)
    if kills == 1:
        assert (outcome.status, outcome.counts["frames"], outcome.counts["shots"]) == ("mined", 192, 8)
        return
    assert outcome.status == "failed"
    assert "ffmpeg was killed (signal 9)" in outcome.reason
    monkeypatch.setattr(mining_work, "watch", real)
    assert mine(path).counts["shots"] == 8


def test_a_clock_set_back_changes_nothing(
    tmp_path: Path, mine: Mine, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "a.mp4", scenes(2, 24))
    assert mine(path).status == "mined"
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 10**9)
    monkeypatch.setattr(workspace_module, "now", lambda: "1999-01-01T00:00:00+00:00")
    os.utime(path, (1, 1))
    before = everything(workspace)
    assert mine(path).status == "already"
    assert everything(workspace) == before
    later = encode(tmp_path / "b.mp4", scenes(3, 24, seed=4))
    os.utime(later, (2**33, 2**33))
    assert mine(later).status == "mined"
    assert [run.status for run in workspace.catalogue.all(Run)] == ["done", "done"]
