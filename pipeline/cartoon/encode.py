"""Frames into an H.264 file through ffmpeg; the file is whole or absent."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import ffmpeg
import numpy as np

from pipeline.core.errors import VideoError
from pipeline.core.files import disk_errors
from pipeline.core.images import RGB
from pipeline.frames import ffmpeg_path

PIPE_BYTES = 2**20
"""a few frames between the one who draws and the one who encodes; a hint where pipes cannot be that large"""


class Encoder:
    """Takes frames in order."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._last: tuple[RGB, bytes] | None = None

    def write(self, picture: RGB) -> None:
        """Appends a frame, (H, W, 3) uint8; BrokenPipeError if ffmpeg is gone."""
        if self._last is None or self._last[0] is not picture:
            self._last = picture, np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)).tobytes()
        if self._process.stdin is None:
            raise AssertionError("the encoder was started without a pipe")
        self._process.stdin.write(self._last[1])


@contextlib.contextmanager
def encoding(path: Path, width: int, height: int, fps: int, *, crf: int, preset: str) -> Iterator[Encoder]:
    """Opens an encoder that renames its file to `path` when the block ends well; otherwise `path` is as before.

    Raises:
        VideoError: ffmpeg failed; says what it said.
        MissingToolError: there is no ffmpeg.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".part-{path.name}")
    raw = ffmpeg.input("pipe:0", format="rawvideo", pix_fmt="yuv420p", s=f"{width}x{height}", framerate=fps)
    coded = raw.output(
        f"file:{part}", vcodec="libx264", preset=preset, crf=crf, pix_fmt="yuv420p", format="mp4", movflags="+faststart"
    )
    command = coded.global_args("-loglevel", "error").compile(cmd=ffmpeg_path(), overwrite_output=True)
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=said, pipesize=PIPE_BYTES)
        try:
            with contextlib.suppress(BrokenPipeError):
                yield Encoder(process)
                process.communicate()
            if process.wait() != 0:
                said.seek(0)
                raise VideoError(
                    f"{path}: ffmpeg could not encode it: {' '.join(said.read().decode(errors='replace').split())[:300]}"
                )
            with disk_errors(path):
                part.replace(path)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stdin:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
            part.unlink(missing_ok=True)
