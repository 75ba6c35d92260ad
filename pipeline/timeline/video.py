"""The episode once more, with what is said about its faces drawn on it; frame times are the episode's own."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from pipeline.core.errors import VideoError
from pipeline.core.files import disk_errors
from pipeline.core.progress import Progress, Silent
from pipeline.frames import Frame, decode, ffmpeg_path
from pipeline.timeline import matroska
from pipeline.timeline.drawing import Marks, drawn
from pipeline.timeline.records import Timeline

FLOOR_SECONDS = Fraction(1, 1000)
"""a frame is shown at least so long where the container tells nothing better"""


def write_annotated(timeline: Timeline, source: Path, target: Path, progress: Progress | None = None) -> int:
    """Writes the annotated video (H.264 in MP4, whole or not at all); returns how many frames it has.

    The sound is copied as it is; where MP4 cannot hold it, it becomes AAC.

    Raises:
        VideoError: the source does not decode, or ffmpeg cannot encode.
        DiskFullError: no room.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=target.parent) as folder, disk_errors(target):
        silent, whole = Path(folder) / "silent.mp4", Path(folder) / "whole.mp4"
        frames = _encode(timeline, source, silent, progress or Silent())
        _add_sound(silent, source, whole)
        whole.replace(target)
    return frames


def _encode(timeline: Timeline, source: Path, target: Path, progress: Progress) -> int:
    """Draws and encodes; returns how many frames."""
    marks, count, size, shift = Marks(timeline), 0, (0, 0), Fraction(0)
    with contextlib.ExitStack() as stack, progress.step("draw", timeline.episode.frames or None, "frames") as step:
        pipe: _Pipe | None = None
        for frame, duration in _timed(_sound_frames(source)):
            height, width = frame.image.shape[:2]
            at = frame.pts * frame.time_base
            if pipe is None:
                shift, size = min(at, Fraction(0)), (width, height)
                pipe = stack.enter_context(_encoder(target, frame.time_base))
                pipe.write([matroska.head(width, height)])
            if (width, height) != size:
                break  # what comes after a change of size would need another stream
            pipe.write(matroska.frame(drawn(frame.image, marks.at(frame.pts)), at - shift, duration))
            count += 1
            step.advance()
    return count


def _sound_frames(source: Path) -> Iterator[Frame]:
    """The frames that decode; damage after the first one ends them, as it did in mining."""
    first = True
    try:
        for frame in decode(source):
            first = False
            yield frame
    except VideoError:
        if first:
            raise


def _timed(frames: Iterator[Frame]) -> Iterator[tuple[Frame, Fraction]]:
    """Each frame with how long it is shown, in seconds: until the next; the last as the container tells, or as before."""
    before: Frame | None = None
    duration = Fraction(1, 24)
    for frame in frames:
        if before is not None:
            duration = (frame.pts - before.pts) * frame.time_base
            yield before, max(duration, FLOOR_SECONDS)
        before = frame
    if before is not None:
        yield before, max(before.duration * before.time_base or duration, FLOOR_SECONDS)


class _Pipe:
    """Writes to ffmpeg; a broken pipe ends the writing, and ffmpeg's words tell why."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        self.stream = process.stdin

    def write(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            self.stream.write(piece)


@contextlib.contextmanager
def _encoder(target: Path, time_base: Fraction) -> Iterator[_Pipe]:
    """An ffmpeg that reads Matroska and writes MP4 with the source's clock."""
    words = ["-f", "matroska", "-i", "pipe:0", "-an", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-copyts"]
    words += ["-fps_mode", "passthrough", "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p"]
    if time_base.numerator == 1 and time_base.denominator <= 1_000_000:
        words += ["-video_track_timescale", str(time_base.denominator)]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [ffmpeg_path(), "-y", "-v", "error", *words, f"file:{target}"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said,
        )  # fmt: skip
        try:
            with contextlib.suppress(BrokenPipeError):
                yield _Pipe(process)
            with contextlib.suppress(BrokenPipeError):
                process.communicate()
            if process.returncode != 0:
                said.seek(0)
                raise VideoError(f"{target.name}: ffmpeg could not encode it: {_words(said.read())}")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _add_sound(silent: Path, source: Path, target: Path) -> None:
    """Joins the pictures with the source's first sound track, if it has one; raises VideoError."""
    for codec in ("copy", "aac"):
        words = ["-copyts", "-i", f"file:{silent}", "-i", f"file:{source}", "-map", "0:v:0", "-map", "1:a:0?"]
        words += ["-c:v", "copy", "-c:a", codec, "-movflags", "+faststart", f"file:{target}"]
        done = subprocess.run(
            [ffmpeg_path(), "-nostdin", "-y", "-v", "error", *words], capture_output=True, check=False
        )
        if done.returncode == 0:
            return
    raise VideoError(f"{source}: its sound could not be joined with the annotated pictures: {_words(done.stderr)}")


def _words(said: bytes) -> str:
    return " ".join(said.decode(errors="replace").split())[:300]
