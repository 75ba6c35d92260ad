"""One ffmpeg process that decodes a file once and delivers its frames through one or several outputs.

Each output is two pipes: the pictures as PPM (a format that tells its own size, so rotation, odd sizes and a size that
changes in the middle need no probing program), and a `framecrc` line per picture with the time base and the pts as the
container has them (`-copyts`, no frame dropped or repeated). Interlaced frames, those of a high dynamic range and those whose
pixels are no squares are made plain on the way (`stream_header.py`).
"""

import contextlib
import fcntl
import logging
import os
import queue
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np

from pipeline.core.errors import MissingToolError, VideoError
from pipeline.core.images import MAX_PIXELS, RGB
from pipeline.stream_header import ANALYZE, read_stream_header, through

log = logging.getLogger(__name__)

PIPE_BYTES = 1 << 20
"""what Linux lets any user have"""


ONWARD = (
    "st(1,if(isnan(PTS),PREV_OUTPTS+ld(2)-ld(0),PTS));"
    "if(gt(N,0)*lte(ld(1)+ld(0),PREV_OUTPTS),st(0,PREV_OUTPTS+max(1,ld(2))-ld(1)));"
    "if(gt(N,0),st(2,ld(1)+ld(0)-PREV_OUTPTS));ld(1)+ld(0)"
)
"""the pts as the container has it; after a clock that ran back, moved on so far that time never does (variable 0 is how
far, 1 the pts, 2 the last step). Else the writers of our outputs would move them each in its own way."""


@cache
def ffmpeg_path() -> str:
    """The ffmpeg program: TOONSIFT_FFMPEG, then PATH, then the one inside imageio-ffmpeg.

    Raises:
        MissingToolError: there is none.
    """
    wanted = os.environ.get("TOONSIFT_FFMPEG")
    if wanted:
        found = shutil.which(wanted)
        if not found:
            raise MissingToolError(f"TOONSIFT_FFMPEG={wanted} is no program that can be run; correct or unset it")
        return found
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise MissingToolError("no ffmpeg found: install ffmpeg, or `pip install imageio-ffmpeg`") from error


@cache
def _demuxer_time_base() -> str:
    """How this ffmpeg spells "the time base of the file" for -enc_time_base: -1 until 6.0, `demux` since."""
    said = subprocess.run([ffmpeg_path(), "-version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"ffmpeg version n?(\d+)\.(\d+)", said)
    return "-1" if version and (int(version[1]), int(version[2])) < (6, 1) else "demux"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture as an output delivers it."""

    pts: int
    """presentation time in ticks"""
    duration: int
    """ticks until the next frame, as the container tells it; 0 when it does not"""
    time_base: Fraction
    """seconds per tick"""
    image: RGB
    """(H, W, 3) uint8 RGB, upright"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What becomes of the decoded frames on their way to one reader."""

    filters: Callable[[Any], Any] = lambda stream: stream
    """applied to the ffmpeg-python stream, before the pictures are made plain and RGB"""
    most_wide: int | None = None
    """pixels; wider pictures are scaled to it by area averaging, aspect kept"""
    limit: int | None = None
    """at most this many pictures"""
    ahead: int = 4
    """pictures decoded ahead of the reader; bounds memory whatever the file's length"""


class Decoder:
    """One ffmpeg process with its outputs; `read(output)` hands out an output's next picture.

    Raises:
        MissingToolError: ffmpeg cannot be started.
    """

    def __init__(
        self,
        path: Path,
        outputs: Sequence[Output] = (Output(),),
        *,
        loglevel: str = "error",
        threads: int = 0,
        begin_seconds: float | None = None,
    ) -> None:
        """`begin_seconds`: decode from the last frame stored at or before it that decoding can begin with."""
        self.path, self.outputs, self.loglevel, self.threads = path, tuple(outputs), loglevel, threads
        self.begin_seconds = begin_seconds
        self.exit_code: int | None = None
        self._lines: list[str] = []
        self._stopped = threading.Event()
        self._lanes = [_Lane(path, output, self._stopped) for output in self.outputs]
        self._process = self._start()
        assert self._process.stderr is not None
        self._said = threading.Thread(target=self._read_messages, args=(self._process.stderr,), daemon=True)
        self._said.start()
        for lane in self._lanes:
            lane.start()

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, output: int = 0) -> Picture | None:
        """The next picture of an output; None after its last.

        Raises:
            VideoError: a picture is absurdly large.
        """
        return self._lanes[output].read()

    def pictures(self) -> Iterator[Picture]:
        """All of the first output; the process has ended afterwards."""
        with self:
            while (picture := self.read()) is not None:
                yield picture

    def messages(self) -> list[str]:
        """What ffmpeg said on standard error, oldest first (the first 200 lines)."""
        return self._lines

    def close(self) -> None:
        """Waits for ffmpeg where it is done anyway, ends it otherwise; safe to call again."""
        if self.exit_code is not None:
            return
        process = self._process
        if not any(lane.is_over for lane in self._lanes):
            self._stopped.set()
            process.kill()
        for lane in self._lanes:
            lane.drain()
        try:
            self.exit_code = process.wait(timeout=30)
        except subprocess.TimeoutExpired:  # it said all it had to say: how it ends is of no interest
            process.kill()
            process.wait()
            self.exit_code = 0
        self._said.join(timeout=10)
        assert process.stderr is not None
        process.stderr.close()

    def _start(self) -> "subprocess.Popen[bytes]":
        given = [fd for lane in self._lanes for fd in lane.write_ends]
        try:
            return subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                pass_fds=given,
            )  # fmt: skip
        except OSError as error:
            for lane in self._lanes:
                lane.abandon()
            raise MissingToolError(f"{ffmpeg_path()} cannot be started ({error.strerror})") from error
        finally:
            for fd in given:
                os.close(fd)

    def _command(self) -> list[str]:
        import ffmpeg

        begin = {}
        if self.begin_seconds is not None:
            begin = {"ss": f"{self.begin_seconds:.6f}", "seek_timestamp": 1, "noaccurate_seek": None}
        source = ffmpeg.input(
            f"file:{self.path.absolute()}", copyts=None, protocol_whitelist="file,pipe", analyzeduration=ANALYZE,
            threads=self.threads, **begin,
        )  # fmt: skip
        header = read_stream_header(self.path, ffmpeg_path())
        frames = through(header.whole(), source["V:0"].filter("setpts", ONWARD))
        branches = frames.filter_multi_output("split", len(self._lanes))
        written = []
        for number, lane in enumerate(self._lanes):
            plain = header.plain(ffmpeg_path(), lane.output.most_wide)
            written += lane.ffmpeg_outputs(through(plain, lane.output.filters(branches[number])))
        merged = ffmpeg.merge_outputs(*written).global_args(
            "-nostdin", "-hide_banner", "-loglevel", self.loglevel, "-filter_complex_threads", "1"
        )
        return [str(word) for word in merged.compile(cmd=ffmpeg_path())]

    def _read_messages(self, stream: IO[bytes]) -> None:
        for line in stream:
            if len(self._lines) < 200:
                self._lines.append(line.decode(errors="replace").rstrip())


class _Lane:
    """The two pipes of an output, each with a thread that reads it."""

    def __init__(self, path: Path, output: Output, stopped: threading.Event) -> None:
        self.path, self.output, self.stopped = path, output, stopped
        self._images_read, self._images_write = _wide_pipe()
        self._times_read, self._times_write = os.pipe()
        self._times: queue.SimpleQueue[tuple[int, int, Fraction] | None] = queue.SimpleQueue()
        self._images: queue.Queue[RGB | VideoError | None] = queue.Queue(maxsize=output.ahead)
        self._ended = self._over = False
        self._threads = [
            threading.Thread(target=self._read_images, daemon=True),
            threading.Thread(target=self._read_times, daemon=True),
        ]

    @property
    def write_ends(self) -> tuple[int, int]:
        """File descriptors that ffmpeg inherits."""
        return self._images_write, self._times_write

    @property
    def is_over(self) -> bool:
        """Whether the reader came to the end: then ffmpeg is about to end by itself."""
        return self._over

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def abandon(self) -> None:
        """Closes what would be read, where ffmpeg never started."""
        os.close(self._images_read)
        os.close(self._times_read)

    def ffmpeg_outputs(self, chosen: Any) -> list[Any]:
        """The pictures, and their times from the same pictures made tiny."""
        split = chosen.filter("format", "rgb24").filter_multi_output("split", 2)
        common = {"fps_mode": "passthrough"} | ({"frames:v": self.output.limit} if self.output.limit else {})
        tiny = split[1].filter("scale", 16, 16, flags="neighbor").filter("format", "gray")
        return [
            split[0].output(f"pipe:{self._images_write}", format="image2pipe", vcodec="ppm", threads=1, **common),
            tiny.output(
                f"pipe:{self._times_write}", format="framecrc", enc_time_base=_demuxer_time_base(), flush_packets=1,
                threads=1, **common,
            ),
        ]  # fmt: skip

    def read(self) -> Picture | None:
        if self._ended:
            return None
        image = self._images.get()
        if isinstance(image, VideoError):
            self._ended = True
            raise image
        time = self._times.get() if image is not None else None
        if image is None or time is None:
            self._ended = self._over = True
            return None
        pts, duration, time_base = time
        return Picture(pts=pts, duration=duration, time_base=time_base, image=image)

    def drain(self) -> None:
        """Empties the queue until its writer has ended, so that the writer never waits for ever."""
        while self._threads[0].is_alive():
            try:
                self._images.get(timeout=0.05)
            except queue.Empty:
                continue
        for thread in self._threads:
            thread.join(timeout=10)

    def _read_times(self) -> None:
        time_base = Fraction(1, 1)
        with os.fdopen(self._times_read, "r") as stream:
            for line in stream:
                if line.startswith("#tb 0:"):
                    time_base = Fraction(line.removeprefix("#tb 0:").strip())
                elif not line.startswith("#"):
                    fields = line.split(",")
                    self._times.put((int(fields[2]), int(fields[3]), time_base))
        self._times.put(None)

    def _read_images(self) -> None:
        """Reads PPM pictures (`P6 width height 255`, then the pixels) until the stream ends."""
        with os.fdopen(self._images_read, "rb", buffering=1 << 16) as stream:
            while not self.stopped.is_set() and (header := _ppm_header(stream)) is not None:
                width, height = header
                if width * height > MAX_PIXELS:
                    problem = f"{self.path}: {width}x{height} is more than {MAX_PIXELS:,} pixels a frame"
                    self._images.put(VideoError(problem))
                    return
                pixels = stream.read(width * height * 3)
                if len(pixels) < width * height * 3:
                    break
                self._images.put(np.frombuffer(pixels, dtype=np.uint8).reshape(height, width, 3))
        self._images.put(None)


def _wide_pipe() -> tuple[int, int]:
    """A pipe that holds a good part of a picture, where the system allows it: less to and fro between writer and reader."""
    ends = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # this user's pipes are large enough in all
            fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return ends


def _ppm_header(stream: IO[bytes]) -> tuple[int, int] | None:
    magic = stream.readline()
    if magic.strip() != b"P6":
        return None
    width, height = (int(word) for word in stream.readline().split())
    stream.readline()
    return width, height
