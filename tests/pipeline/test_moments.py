"""Frames by their time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import moments
from pipeline.core.errors import VideoError
from pipeline.decoder import Picture
from pipeline.frames import SELECTED_AT_MOST, decode
from pipeline.moments import frames_at_times
from tests.videos import encode, scenes

H264 = ("-c:v", "libx264", "-preset", "fast", "-bf", "3", "-g", "24", "-pix_fmt", "yuv420p")
MPEG2 = ("-c:v", "mpeg2video", "-g", "12", "-bf", "2", "-q:v", "4", "-f", "mpegts")


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", H264), ("a.mov", H264), ("a.mkv", H264), ("a.ts", MPEG2)])
def test_frames_by_time_are_those_of_decoding_all(tmp_path: Path, name: str, codec: tuple[str, ...]) -> None:
    path = encode(tmp_path / name, scenes(8, 24), after=codec)
    every = {frame.pts: frame.image for frame in decode(path)}
    for times in ([*every][150:153:2], [*every][1::40], [[*every][-1]], [*every][:1]):
        found = list(frames_at_times(path, times))
        assert [frame.pts for frame in found] == times
        assert all((frame.image == every[frame.pts]).all() for frame in found)


def test_frames_far_apart_are_reached_without_what_lies_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "long.mp4", scenes(12, 48, 96, 64), fps=8, after=H264)
    frames = list(decode(path))
    begun: list[float | None] = []
    selected = moments._selected

    def noted(path: Path, wanted: list[int], begin: float | None) -> Iterator[Picture]:
        begun.append(begin)
        return selected(path, wanted, begin)

    monkeypatch.setattr(moments, "_selected", noted)
    wanted = [frames[5].pts, frames[300].pts, frames[301].pts, frames[560].pts]
    assert [frame.pts for frame in frames_at_times(path, wanted)] == wanted
    assert begun == [None, 300 / 8 - 2, 560 / 8 - 2]


def test_more_times_than_fit_into_one_filter_come_all(tmp_path: Path) -> None:
    path = encode(tmp_path / "many.mp4", scenes(19, 24, 64, 48))
    times = [frame.pts for frame in decode(path)][3:]
    assert len(times) > SELECTED_AT_MOST
    assert [frame.pts for frame in frames_at_times(path, times)] == times


def test_times_at_which_nothing_is_shown_are_passed_over(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", scenes(1, 12))
    first = next(decode(path)).pts
    assert [frame.pts for frame in frames_at_times(path, [first, first + 1, 10**12])] == [first]
    assert list(frames_at_times(path, [])) == []


def test_a_cut_off_video_says_so_when_a_time_lies_beyond_the_cut(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", scenes(6, 24), after=(*H264, "-movflags", "faststart"))
    times = [frame.pts for frame in decode(path)]
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    found = []
    with pytest.raises(VideoError, match="cut off"):
        found += [frame.pts for frame in frames_at_times(path, [times[2], times[-1]])]
    path.write_bytes(b"no video at all, but long enough")
    with pytest.raises(VideoError, match="not a video"):
        list(frames_at_times(path, [0]))
