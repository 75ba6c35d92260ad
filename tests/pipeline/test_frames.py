"""Decoding: exact times, every shape of input, every kind of damage."""

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import MissingToolError, VideoError
from pipeline.frames import decode, ffmpeg_path, frames_at, probe
from tests.videos import encode, ffmpeg, scenes


def test_every_frame_comes_with_its_pts_and_pixels(tmp_path: Path) -> None:
    drawn = scenes(2, 12)
    path = encode(tmp_path / "a.mp4", drawn)
    frames = list(decode(path))
    assert [f.index for f in frames] == list(range(24))
    steps = {(b.pts - a.pts) * a.time_base for a, b in zip(frames, frames[1:], strict=False)}
    assert steps == {Fraction(1, 24)}
    assert np.abs(frames[13].image.astype(int) - drawn[13]).mean() < 6


def test_a_variable_frame_rate_keeps_its_own_times(tmp_path: Path) -> None:
    path = tmp_path / "vfr.mkv"
    encode(
        path, scenes(1, 12), fps=10,
        after=("-vf", "select=not(mod(n\\,4)-1)+not(mod(n\\,4))", "-fps_mode", "vfr", "-c:v", "libx264"),
    )  # fmt: skip
    frames = list(decode(path))
    seconds = [round(float(f.pts * f.time_base), 3) for f in frames]
    assert seconds == [0.0, 0.1, 0.4, 0.5, 0.8, 0.9]


def test_frames_at_gives_the_same_frames_as_decoding_all(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", scenes(2, 12))
    every = {f.index: f for f in decode(path)}
    some = list(frames_at(path, [20, 3, 3, 500, -1, 7]))
    assert [f.index for f in some] == [3, 7, 20]
    for frame in some:
        assert frame.pts == every[frame.index].pts
        assert (frame.image == every[frame.index].image).all()


@pytest.mark.parametrize("count", [1, 150, 400, 420])
def test_many_frames_can_be_asked_for_at_once(tmp_path: Path, count: int) -> None:
    path = encode(tmp_path / "long.mp4", scenes(18, 24, 64, 48))
    assert [f.index for f in frames_at(path, range(5, 5 + count))] == list(range(5, 5 + count))


@pytest.mark.parametrize(("width", "height"), [(161, 97), (98, 54), (16, 16)])
def test_any_size_comes_out_as_it_is(tmp_path: Path, width: int, height: int) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (4, height, width, 3), dtype=np.uint8)
    path = encode(tmp_path / "odd.mkv", frames, after=("-c:v", "ffv1", "-pix_fmt", "bgr0"))
    decoded = [f.image for f in decode(path)]
    assert len(decoded) == 4
    assert decoded[0].shape == (height, width, 3)
    assert (decoded[2] == frames[2]).all(), "ffv1 in RGB loses nothing"


def test_a_rotated_video_comes_upright(tmp_path: Path) -> None:
    lying = encode(tmp_path / "lying.mp4", scenes(1, 4, 160, 96))
    ffmpeg("-display_rotation", "90", "-i", f"file:{lying}", "-c", "copy", f"file:{tmp_path / 'turned.mp4'}")
    seen = probe(tmp_path / "turned.mp4")
    assert (seen.width, seen.height) == (96, 160)


def test_ten_bits_become_eight(tmp_path: Path) -> None:
    drawn = scenes(1, 6)
    path = encode(tmp_path / "deep.mkv", drawn, after=("-c:v", "libx264", "-pix_fmt", "yuv420p10le", "-crf", "10"))
    frames = list(decode(path))
    assert len(frames) == 6
    assert np.abs(frames[2].image.astype(int) - drawn[2]).mean() < 6


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    path = encode(tmp_path / "one.mp4", scenes(1, 1))
    assert [f.index for f in decode(path)] == [0]


@pytest.mark.parametrize(
    "name",
    [
        "with space.mp4",
        "quo'te\".mp4",
        "new\nline.mp4",
        "-dash.mp4",
        "ünï 猫.mp4",
        "a:b,c;[d]=e\\f%03d.mp4",
        "x" * 196 + ".mp4",
    ],
)
def test_a_file_may_be_called_anything(tmp_path: Path, name: str) -> None:
    plain = encode(tmp_path / "plain.mp4", scenes(1, 3))
    path = tmp_path / name
    plain.rename(path)
    assert len(list(decode(path))) == 3


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"gone\.mp4: no such file; check the path"):
        probe(tmp_path / "gone.mp4")
    with pytest.raises(VideoError, match="not a regular file"):
        probe(tmp_path)


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(VideoError, match=r"empty\.mp4: the file is empty"):
        probe(tmp_path / "empty.mp4")


def test_text_called_mp4_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("this is a shopping list\n" * 100)
    with pytest.raises(VideoError, match=r"text\.mp4: not a video that ffmpeg can read"):
        probe(tmp_path / "text.mp4")


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", f"file:{tmp_path / 'sound.mp4'}")
    with pytest.raises(VideoError, match=r"sound\.mp4: no video in it"):
        probe(tmp_path / "sound.mp4")


def test_an_mp4_cut_off_before_its_index_says_so(tmp_path: Path) -> None:
    whole = encode(tmp_path / "whole.mp4", scenes(3, 24)).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(VideoError, match=r"cut\.mp4: truncated: the index at its end \(moov\) is missing"):
        probe(tmp_path / "cut.mp4")


def test_a_file_cut_off_in_the_middle_gives_its_good_frames_first(tmp_path: Path) -> None:
    encode(
        tmp_path / "whole.mp4", scenes(4, 24),
        after=("-c:v", "libx264", "-g", "12", "-crf", "10", "-movflags", "+faststart"),
    )  # fmt: skip
    whole = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 6 // 10])
    seen = 0
    with pytest.raises(VideoError, match=r"cut\.mp4: damaged; \d+ frames decode.* what decodes is kept"):
        for _ in decode(tmp_path / "cut.mp4"):
            seen += 1
    assert 24 <= seen < 96


def test_an_unreadable_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = encode(tmp_path / "a.mp4", scenes(1, 2))
    path.chmod(0)
    if os.access(path, os.R_OK):  # root reads everything: let the system refuse it in our stead

        def refuse(self: Path, *_: object, **__: object) -> object:
            raise PermissionError(13, "Permission denied", str(self))

        monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(VideoError, match=r"a\.mp4: cannot be read \(Permission denied\); check its permissions"):
        probe(path)


def test_stopping_early_leaves_no_process_behind(tmp_path: Path) -> None:
    path = encode(tmp_path / "long.mp4", scenes(10, 48))
    before = _children()
    for frame in decode(path):
        if frame.index == 2:
            break
    assert _children() <= before


def _children() -> set[str]:
    """Processes begun by this one, where the system tells."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children")
    return set(listed.read_text().split()) if listed.exists() else set()


def test_a_wrong_ffmpeg_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    ffmpeg_path.cache_clear()
    monkeypatch.setenv("TOONSIFT_FFMPEG", "/nowhere/ffmpeg")
    with pytest.raises(MissingToolError, match="TOONSIFT_FFMPEG=/nowhere/ffmpeg is no program"):
        ffmpeg_path()
    ffmpeg_path.cache_clear()


def test_a_playlist_called_mp4_opens_no_other_file(tmp_path: Path) -> None:
    encode(tmp_path / "secret.ts", scenes(1, 24), after=("-c:v", "libx264", "-f", "mpegts"))
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n"
    (tmp_path / "list.mp4").write_text(playlist)
    with pytest.raises(VideoError, match=r"list\.mp4"):
        probe(tmp_path / "list.mp4")
