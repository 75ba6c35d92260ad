from pathlib import Path

import numpy as np
import pytest

from pipeline.cartoon.encode import encoding
from pipeline.core.errors import VideoError
from pipeline.frames import decode

GREY = np.full((48, 64, 3), 128, dtype=np.uint8)


def test_frames_come_back_in_order_and_color(tmp_path: Path) -> None:
    shades = [np.full((48, 64, 3), (level, 100, 255 - level), dtype=np.uint8) for level in range(10, 250, 20)]
    with encoding(tmp_path / "a.mp4", 64, 48, 24, crf=16, preset="ultrafast") as encoder:
        for shade in shades:
            encoder.write(shade)
    frames = [frame.image for frame in decode(tmp_path / "a.mp4")]
    assert len(frames) == len(shades)
    for frame, shade in zip(frames, shades, strict=True):
        assert np.abs(frame.astype(int) - shade).mean() < 4


def test_a_failure_leaves_neither_a_video_nor_a_part_of_one(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="stop"),
        encoding(tmp_path / "a.mp4", 64, 48, 24, crf=20, preset="ultrafast") as encoder,
    ):
        encoder.write(GREY)
        raise RuntimeError("stop")
    assert list(tmp_path.iterdir()) == []


def test_what_ffmpeg_says_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"a\.mp4: ffmpeg could not encode it: .*preset"):
        with encoding(tmp_path / "a.mp4", 64, 48, 24, crf=20, preset="hasty") as encoder:
            for _ in range(2000):
                encoder.write(GREY)
    assert list(tmp_path.iterdir()) == []
