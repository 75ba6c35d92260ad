"""Interlaced, stretched and high-range pictures come out plain, with the times that they have."""

import logging
import shlex
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import decoder, stream_header
from pipeline.core.errors import DecodingStoppedError
from pipeline.core.images import read_rgb
from pipeline.core.places import Box
from pipeline.frames import Frame, decode, ffmpeg_path, frames_at, watch
from pipeline.moments import frames_at_times
from pipeline.provenance import command
from pipeline.shots.options import shrink
from pipeline.stream_header import StreamHeader, parse_stream_header, read_stream_header
from tests import records
from tests.videos import encode, ffmpeg, scenes

INTERLACED = ("-vf", "tinterlace=interleave_top,setfield=tff", "-flags", "+ilme+ildct")
"""two pictures in each frame: the lines of the first above, those of the second between them"""
BT709 = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,format=gbrp16le,zscale=tin=bt709:pin=bt709"


def moving(frames: int = 48) -> NDArray[np.uint8]:
    """A dark square on light ground, 6 pixels further in each frame: (T, 96, 384, 3)."""
    drawn = np.full((frames, 96, 384, 3), 200, dtype=np.uint8)
    for t in range(frames):
        drawn[t, 24:72, 10 + 6 * t : 50 + 6 * t] = 40
    return drawn


def combs(picture: NDArray[np.uint8]) -> float:
    """How much lines differ from the mean of the two beside them."""
    lines = picture.astype(float)
    return float(np.abs(lines[1:-1] - (lines[:-2] + lines[2:]) / 2).mean())


def high_range(path: Path, drawn: NDArray[np.uint8], transfer: str) -> Path:
    colours = f"{BT709}:t={transfer}:p=bt2020:npl=203,zscale=m=bt2020nc:min=gbr,format=yuv420p10le"
    x265 = f"log-level=none:crf=10:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
    return encode(path, drawn, after=("-vf", colours, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", x265))


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", ("-c:v", "libx264", "-x264-params", "tff=1", "-crf", "12")),
        ("a.mpg", ("-c:v", "mpeg2video", "-q:v", "2")),
        ("a.ts", ("-c:v", "libx264", "-crf", "12")),
    ],
)
def test_each_interlaced_frame_shows_one_moment_at_its_own_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, codec: tuple[str, ...]
) -> None:
    drawn = moving()
    path = encode(tmp_path / name, drawn, fps=50, after=(*INTERLACED, *codec))
    assert read_stream_header(path, ffmpeg_path()) == StreamHeader(interlaced=True, width=384)
    frames = list(decode(path))
    monkeypatch.setattr(decoder, "read_stream_header", lambda *_: StreamHeader())
    woven = list(decode(path))
    assert len(frames) == 24
    assert [(f.pts, f.duration, f.time_base) for f in frames] == [(f.pts, f.duration, f.time_base) for f in woven]
    assert combs(frames[10].image) < 0.5 * combs(woven[10].image)
    apart = [np.abs(frame.image.astype(int) - drawn[20]).mean() for frame in (frames[10], woven[10])]
    assert apart[0] < 0.5 * apart[1], "what the first field shows"


def test_every_way_to_a_frame_deinterlaces_alike(tmp_path: Path) -> None:
    codec = ("-c:v", "libx264", "-x264-params", "tff=1", "-g", "12")
    path = encode(tmp_path / "a.mp4", moving(), fps=50, after=(*INTERLACED, *codec))
    every: list[Frame] = list(decode(path))
    watched = list(watch(path, 5, 64, from_pts=every[6].pts))
    assert [frame.pts for frame in watched] == [frame.pts for frame in every]
    whole = [frame for frame in watched if frame.image is not None]
    assert [frame.index for frame in whole] == [10, 15, 20]
    assert all(np.array_equal(frame.image, every[frame.index].image) for frame in whole)
    for frame in frames_at(path, [0, 7, 23]):
        assert frame.pts == every[frame.index].pts
        assert np.array_equal(frame.image, every[frame.index].image)
    for picture in frames_at_times(path, [every[23].pts]):
        assert np.array_equal(picture.image, every[23].image)


def test_progressive_pictures_stay_as_they_are(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", scenes(1, 6), after=("-c:v", "ffv1", "-pix_fmt", "bgr0"))
    assert read_stream_header(path, ffmpeg_path()) == StreamHeader(width=160)
    assert all(np.array_equal(frame.image, drawn) for frame, drawn in zip(decode(path), scenes(1, 6), strict=True))


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
@pytest.mark.parametrize("size", [(160, 96), (101, 57)])
def test_a_high_dynamic_range_is_mapped_to_what_was_drawn(tmp_path: Path, transfer: str, size: tuple[int, int]) -> None:
    drawn = scenes(2, 6, *size) // 2 + 50
    path = high_range(tmp_path / "hdr.mkv", drawn[:, : size[1] // 2 * 2, : size[0] // 2 * 2], transfer)
    assert read_stream_header(path, ffmpeg_path()) == StreamHeader(high_range=True, width=size[0] // 2 * 2)
    frames = list(decode(path))
    assert len(frames) == 12
    shown = frames[8].image.astype(float)
    reference = drawn[8, : shown.shape[0], : shown.shape[1]]
    assert np.abs(shown - reference).mean() < 8
    assert shown.std() > 0.8 * reference.std(), "not grey"
    small = [frame.small for frame in watch(path, 4, 64)]
    assert small[8].std() > 0.7 * reference.std()


def test_without_the_filter_it_is_mined_as_it_is_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = high_range(tmp_path / "hdr.mkv", scenes(1, 6), "smpte2084")
    monkeypatch.setattr(stream_header, "_can_map_tones", lambda _ffmpeg: False)
    with caplog.at_level(logging.WARNING):
        assert len(list(decode(path))) == 6
    assert [record.getMessage() for record in caplog.records] == [
        f"{path} has a high dynamic range, and this ffmpeg has no zscale to map it: colours will be pale"
    ]


@pytest.mark.parametrize(("said", "size"), [("64/45", (341, 128)), ("8/9", (240, 144)), ("1280/1277", (240, 128))])
def test_pixels_become_squares_and_none_is_lost(tmp_path: Path, said: str, size: tuple[int, int]) -> None:
    width, height = size
    circle = np.hypot(*np.mgrid[-height / 2 : height / 2, -width / 2 : width / 2]) < 50
    drawn = np.repeat(np.where(circle, 40, 220).astype(np.uint8)[None, :, :, None], 12, axis=0).repeat(3, axis=3)
    squeezed = ("-vf", f"scale=240:128:flags=area,setsar={said}", "-c:v", "libx264", "-crf", "8")
    path = encode(tmp_path / "a.mkv", drawn, after=squeezed)
    frames = list(decode(path))
    assert {frame.image.shape for frame in frames} == {(height, width, 3)}
    assert np.abs(frames[3].image.astype(int) - drawn[3]).mean() < 4
    ys, xs = np.nonzero(frames[3].image[:, :, 0] < 130)
    assert abs(np.ptp(xs) - np.ptp(ys)) <= 2, "a circle again"
    small = next(iter(watch(path, 4, 64))).small
    assert small.shape == (round(height * 64 / width), 64, 3)
    assert np.array_equal(next(iter(frames_at(path, [7]))).image, frames[7].image)
    assert np.array_equal(next(iter(frames_at_times(path, [frames[7].pts]))).image, frames[7].image)


def test_turned_pictures_are_stretched_upright(tmp_path: Path) -> None:
    codec = ("-vf", "setsar=2", "-c:v", "libx264", "-pix_fmt", "yuv420p")
    encode(tmp_path / "lying.mp4", scenes(1, 4), after=codec)
    path = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", "90", "-i", str(tmp_path / "lying.mp4"), "-c", "copy", str(path))
    assert {frame.image.shape for frame in decode(path)} == {(320, 96, 3)}


@pytest.mark.parametrize(("height", "aspect", "turned"), [(96, 1, 0), (95, 1, 0), (96, 2, 0), (96, 1, 90)])
def test_small_pictures_of_wide_ones_are_those_of_every_second_line(
    tmp_path: Path, height: int, aspect: int, turned: int
) -> None:
    codec = ("-c:v", "libx264", "-crf", "8", "-pix_fmt", "yuv444p", "-vf", f"setsar={aspect}")
    path = encode(tmp_path / "lying.mp4", moving(2)[:, :height], after=codec)
    if turned:
        ffmpeg("-display_rotation", str(turned), "-i", str(path), "-c", "copy", str(tmp_path / "a.mp4"))
        path = tmp_path / "a.mp4"
    (frame,) = frames_at(path, [1])
    for width in (frame.image.shape[1] // 5, frame.image.shape[1] // 8):
        small = list(watch(path, 24, width))[1].small
        reference = shrink(frame.image, width)
        assert small.shape == reference.shape
        assert np.abs(small.astype(int) - reference).mean() < 4


def test_only_of_much_wider_pictures_are_lines_passed_over(tmp_path: Path) -> None:
    striped = np.zeros((2, 96, 384, 3), dtype=np.uint8)
    striped[:, 1::2] = 240
    path = encode(tmp_path / "a.mkv", striped, after=("-c:v", "ffv1", "-pix_fmt", "bgr0"))
    brightest = {width: int(next(watch(path, 24, width)).small.max()) for width in (40, 48, 49, 64)}
    assert max(brightest[40], brightest[48]) < 10
    assert min(brightest[49], brightest[64]) > 100


def test_the_command_of_an_item_makes_the_same_pixels(tmp_path: Path) -> None:
    codec = ("-c:v", "libx264", "-x264-params", "tff=1", "-aspect", "5")
    path = encode(tmp_path / "a.mkv", moving(), fps=50, after=(*INTERLACED, *codec))
    frame = list(decode(path))[10]
    assert frame.image.shape == (96, 480, 3)
    box = Box(left=41, top=13, right=160, bottom=90)
    words = shlex.split(command(records.episode(path=str(path)), frame.pts, box, str(tmp_path / "a.png")))
    ffmpeg(*words[1:])
    assert np.array_equal(read_rgb(tmp_path / "a.png"), frame.image[box.top : box.bottom, box.left : box.right])


def test_a_killed_ffmpeg_is_no_header(tmp_path: Path) -> None:
    killed = tmp_path / "ffmpeg"
    killed.write_text("#!/bin/sh\nkill -9 $$\n")
    killed.chmod(0o755)
    path = encode(tmp_path / "a.mp4", scenes(1, 2))
    with pytest.raises(DecodingStoppedError, match="was killed"):
        read_stream_header(path, str(killed))
    assert read_stream_header(path, ffmpeg_path()) == StreamHeader(width=160)


def test_a_file_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", scenes(1, 4))
    assert not read_stream_header(path, ffmpeg_path()).interlaced
    encode(path, scenes(1, 8), after=(*INTERLACED, "-c:v", "libx264", "-x264-params", "tff=1"))
    assert read_stream_header(path, ffmpeg_path()).interlaced


@pytest.mark.parametrize(
    ("line", "interlaced", "high"),
    [
        ("Video: h264 (High) (avc1 / 0x31), yuv420p(tv, bt709, progressive), 1280x720, 24 fps", False, False),
        ("Video: mpeg2video (Main), yuv420p(tv, top first), 720x576 [SAR 1:1 DAR 5:4], 25 fps", True, False),
        ("Video: h264 (High), yuv420p(bottom first), 720x480, 29.97 fps", True, False),
        ("Video: ffv1, yuv420p(tv, top coded first (swapped)), 720x576, 25 fps", True, False),
        ("Video: ffv1, yuv420p(tv, top first), 4x4, 25 fps", False, False),
        ("Video: hevc (Main 10), yuv420p10le(tv, bt2020nc/bt2020/smpte2084), 3840x2160, 24 fps", False, True),
        ("Video: hevc (Main 10), yuv420p10le(tv, bt2020nc/bt2020/arib-std-b67, top first), 1920x1080", True, True),
        ("Video: hevc (Main 10), yuv420p10le(tv, bt2020nc/bt2020/bt2020-10), 1920x1080, 24 fps", False, False),
        ("Audio: aac, 48000 Hz, stereo (smpte2084, top first), 720x576,", False, False),
    ],
)
def test_flags_of_headers(line: str, interlaced: bool, high: bool) -> None:
    cover = "  Stream #0:0: Video: png, rgb24(pc, gbr/unknown/smpte2084, top first), 300x300, 90k tbr (attached pic)"
    said = (
        f"Input #0\n{cover}\n  Stream #0:1[0x1](und): {line}\n  Stream #0:2: Video: h264, yuv420p(top first), 720x576,"
    )
    header = parse_stream_header(said)
    assert (header.interlaced, header.high_range) == ((True, False) if line.startswith("Audio") else (interlaced, high))


@pytest.mark.parametrize(
    ("words", "aspect"),
    [
        ("720x576 [SAR 64:45 DAR 16:9], 25 fps", Fraction(64, 45)),
        ("720x480 [SAR 8:9 DAR 4:3], 29.97 fps", Fraction(8, 9)),
        ("720x576 [SAR 1:1 DAR 5:4], SAR 16:15 DAR 4:3, 25 fps", Fraction(16, 15)),
        ("1280x718 [SAR 1280:1277 DAR 1:1], 24 fps", Fraction(1)),
        ("720x576 [SAR 9:1 DAR 45:4], 25 fps", Fraction(1)),
        ("720x576 [SAR 0:1 DAR 0:1], 25 fps", Fraction(1)),
        ("720x576 [SAR 5:0 DAR 0:1], 25 fps", Fraction(1)),
        ("16384x2 [SAR 2:1 DAR 16384:1], 25 fps", Fraction(1)),
        ("720x576, 25 fps", Fraction(1)),
    ],
)
def test_aspects_of_headers(words: str, aspect: Fraction) -> None:
    said = f"  Stream #0:0: Video: h264, yuv420p, {words}"
    assert parse_stream_header(said).pixel_aspect == aspect
    turned = f"{said}\n    Side data:\n      displaymatrix: rotation of -90.00 degrees"
    assert parse_stream_header(turned).pixel_aspect == 1 / aspect, "the decoder turns pictures upright first"
