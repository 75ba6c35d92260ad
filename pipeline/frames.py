"""Video files as frames with their exact timestamps, in one decode, through ffmpeg.

One ffmpeg process writes two things: every frame as PPM (a format that tells its own size, so rotation and odd sizes
need no probing program) and, on a second pipe, a `framecrc` line per frame with the time base and the pts as the
container has them (`-copyts`, no frame dropped or repeated). Containers' durations and frame counts are only hints.
"""

import logging
import os
import queue
import re
import shutil
import subprocess
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np

from pipeline.containers import is_iso_media, missing_bytes
from pipeline.core.errors import MissingToolError, VideoError
from pipeline.core.images import MAX_PIXELS, RGB

log = logging.getLogger(__name__)

QUEUED_FRAMES = 4
"""decoded ahead of the reader; bounds memory whatever the episode's length"""
SELECTED_AT_MOST = 400
"""indices that fit comfortably into one filter expression"""
DAMAGE = re.compile(
    r"partial file|invalid nal|error while decoding|error submitting|corrupt|truncat|moov atom|missing picture"
    r"|invalid data found|ebml header|end of file|ended prematurely|reference picture missing|error splitting",
    re.IGNORECASE,
)
"""what ffmpeg says of a damaged stream; it may still exit with 0"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One decoded picture."""

    index: int
    """0-based, in decoding order; never an identity (a re-encode shifts it)"""
    pts: int
    """presentation time in ticks"""
    duration: int
    """ticks until the next frame, as the container tells it; 0 when it does not"""
    time_base: Fraction
    """seconds per tick"""
    image: RGB
    """(H, W, 3) uint8 RGB, upright"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What the first decoded frame and the container tell of a file."""

    width: int
    """pixels, as displayed"""
    height: int
    """pixels, as displayed"""
    time_base: Fraction
    """seconds per tick"""
    start_pts: int
    """of the first frame"""
    frames_hint: int | None
    """container duration times frame rate; only for progress, it may be wrong"""


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


def check_readable(path: Path) -> None:
    """Raises VideoError when `path` is missing, no regular file, empty, or unreadable."""
    try:
        if not path.exists():
            raise VideoError(f"{path}: no such file; check the path")
        if not path.is_file():
            raise VideoError(f"{path}: not a regular file; give a video file or a folder of them")
        if path.stat().st_size == 0:
            raise VideoError(f"{path}: the file is empty; copy or download it again")
        with path.open("rb"):
            pass
    except OSError as error:
        raise VideoError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


def probe(path: Path) -> Probe:
    """Decodes the first frame of a video file.

    Raises:
        VideoError: missing, empty, no video in it, or its first frame does not decode.
    """
    decoder = _Decoder(path, limit=1, loglevel="info")
    frames = list(decoder.frames())
    if not frames:
        raise VideoError(_why_nothing(path, decoder.messages()))
    first = frames[0]
    text = "\n".join(decoder.messages())
    duration = re.search(r"Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)", text)
    rate = re.search(r"Video:.*?([\d.]+k?) fps", text)
    hint = None
    if duration and rate and "k" not in rate[1]:
        hours, minutes, seconds = float(duration[1]), float(duration[2]), float(duration[3])
        hint = round((hours * 3600 + minutes * 60 + seconds) * float(rate[1]))
    height, width = first.image.shape[:2]
    return Probe(width=width, height=height, time_base=first.time_base, start_pts=first.pts, frames_hint=hint)


def decode(path: Path) -> Iterator[Frame]:
    """Every frame of a video file, in order, in one decode with bounded memory.

    Raises:
        VideoError: at once when nothing decodes; after the last good frame when the file is damaged from there on.
    """
    decoder = _Decoder(path)
    count, last = 0, None
    for frame in decoder.frames():
        count, last = count + 1, frame
        yield frame
    if last is None:
        raise VideoError(_why_nothing(path, decoder.messages()))
    missing = missing_bytes(path)
    damage = f"cut off, {missing} bytes are missing" if missing else None
    damage = damage or next((line for line in decoder.messages() if DAMAGE.search(line)), None)
    if damage or decoder.exit_code:
        seconds = float(last.pts * last.time_base)
        raise VideoError(
            f"{path}: damaged after {count} frames ({seconds:.2f} s): {damage or f'ffmpeg exit {decoder.exit_code}'}; "
            "what decodes is kept; copy or download the file again for the rest"
        )


def frames_at(path: Path, indices: Collection[int]) -> Iterator[Frame]:
    """The frames with these 0-based indices in decoding order, ascending; indices past the end are passed over.

    Raises:
        VideoError: nothing decodes.
    """
    wanted = sorted({index for index in indices if index >= 0})
    if not wanted:
        return
    if len(wanted) > SELECTED_AT_MOST:
        chosen = set(wanted)
        for frame in decode(path):
            if frame.index in chosen:
                yield frame
            if frame.index >= wanted[-1]:
                return
        return
    decoder = _Decoder(path, select=wanted, limit=len(wanted))
    for position, frame in enumerate(decoder.frames()):
        yield replace(frame, index=wanted[position])
    if decoder.failed_early:
        raise VideoError(_why_nothing(path, decoder.messages()))


def read_frames(path: Path, indices: Collection[int]) -> Iterator[tuple[int, RGB]]:
    """(index, picture) of `frames_at`."""
    for frame in frames_at(path, indices):
        yield frame.index, frame.image


class _Decoder:
    """One ffmpeg process, its two pipes and its messages."""

    def __init__(
        self, path: Path, *, select: list[int] | None = None, limit: int | None = None, loglevel: str = "error"
    ) -> None:
        check_readable(path)
        self.path, self.select, self.limit, self.loglevel = path, select, limit, loglevel
        self.exit_code: int | None = None
        self.decoded = 0
        self._lines: list[str] = []

    @property
    def failed_early(self) -> bool:
        """Whether ffmpeg ended badly without a single frame."""
        return self.decoded == 0 and bool(self.exit_code)

    def messages(self) -> list[str]:
        """What ffmpeg said on standard error, oldest first (the first 200 lines)."""
        return self._lines

    def frames(self) -> Iterator[Frame]:
        crc_read, crc_write = os.pipe()
        try:
            process = subprocess.Popen(
                self._command(crc_write),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(crc_write,),
            )
        except OSError as error:
            os.close(crc_read)
            raise MissingToolError(f"{ffmpeg_path()} cannot be started ({error.strerror})") from error
        finally:
            os.close(crc_write)
        assert process.stdout is not None
        assert process.stderr is not None
        times: queue.SimpleQueue[tuple[int, int, Fraction] | None] = queue.SimpleQueue()
        images: queue.Queue[RGB | VideoError | None] = queue.Queue(maxsize=QUEUED_FRAMES)
        stopped = threading.Event()
        threads = [
            threading.Thread(target=_read_times, args=(os.fdopen(crc_read, "r"), times), daemon=True),
            threading.Thread(target=_read_images, args=(self.path, process.stdout, images, stopped), daemon=True),
            threading.Thread(target=self._read_messages, args=(process.stderr,), daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            while True:
                image = images.get()
                if isinstance(image, VideoError):
                    raise image
                time = times.get() if image is not None else None
                if image is None or time is None:
                    break
                pts, duration, time_base = time
                yield Frame(index=self.decoded, pts=pts, duration=duration, time_base=time_base, image=image)
                self.decoded += 1
        finally:
            stopped.set()
            if process.poll() is None and not threads[1].is_alive() and images.empty():
                process.wait(timeout=30)
            process.kill() if process.poll() is None else None
            with process.stdout:
                _drain(images, threads[1])
            self.exit_code = process.wait()
            for thread in threads:
                thread.join(timeout=10)
            process.stderr.close()

    def _command(self, crc_fd: int) -> list[str]:
        import ffmpeg

        source = ffmpeg.input(
            f"file:{self.path.absolute()}", copyts=None, protocol_whitelist="file,pipe", analyzeduration="20M"
        )
        video = source["V:0"]
        if self.select is not None:
            video = video.filter("select", _any_of(self.select))
        branches = video.filter_multi_output("split", 2)
        common = {"fps_mode": "passthrough"} | ({"frames:v": self.limit} if self.limit else {})
        pictures = branches[0].filter("format", "rgb24")
        pictures = pictures.output("pipe:1", format="image2pipe", vcodec="ppm", **common)
        times = branches[1].filter("scale", 16, 16, flags="neighbor").filter("format", "gray")
        times = times.output(
            f"pipe:{crc_fd}", format="framecrc", enc_time_base=_demuxer_time_base(), flush_packets=1, **common
        )
        both = ffmpeg.merge_outputs(pictures, times).global_args("-nostdin", "-hide_banner", "-loglevel", self.loglevel)
        return [str(word) for word in both.compile(cmd=ffmpeg_path())]

    def _read_messages(self, stream: IO[bytes]) -> None:
        for line in stream:
            if len(self._lines) < 200:
                self._lines.append(line.decode(errors="replace").rstrip())


def _any_of(indices: list[int]) -> str:
    """A filter expression that is true for these frames; halved and halved, because ffmpeg nests a sum only 100 deep."""
    if len(indices) == 1:
        return f"eq(n,{indices[0]})"
    half = len(indices) // 2
    return f"({_any_of(indices[:half])}+{_any_of(indices[half:])})"


def _read_times(stream: IO[str], times: "queue.SimpleQueue[tuple[int, int, Fraction] | None]") -> None:
    time_base = Fraction(1, 1)
    with stream:
        for line in stream:
            if line.startswith("#tb 0:"):
                time_base = Fraction(line.removeprefix("#tb 0:").strip())
            elif not line.startswith("#"):
                fields = line.split(",")
                times.put((int(fields[2]), int(fields[3]), time_base))
    times.put(None)


def _read_images(
    path: Path, stream: IO[bytes], images: "queue.Queue[RGB | VideoError | None]", stopped: threading.Event
) -> None:
    """Reads PPM pictures (`P6 width height 255`, then the pixels) until the stream ends."""
    try:
        while not stopped.is_set():
            header = _ppm_header(stream)
            if header is None:
                break
            width, height = header
            if width * height > MAX_PIXELS:
                images.put(VideoError(f"{path}: {width}x{height} is more than {MAX_PIXELS:,} pixels a frame"))
                return
            pixels = stream.read(width * height * 3)
            if len(pixels) < width * height * 3:
                break
            images.put(np.frombuffer(pixels, dtype=np.uint8).reshape(height, width, 3))
    except (OSError, ValueError) as error:  # the pipe was closed under us: the reader stopped early
        log.debug("%s: reading ended: %s", path, error)
    images.put(None)


def _ppm_header(stream: IO[bytes]) -> tuple[int, int] | None:
    magic = stream.readline()
    if magic.strip() != b"P6":
        return None
    width, height = (int(word) for word in stream.readline().split())
    stream.readline()
    return width, height


def _drain(images: "queue.Queue[RGB | VideoError | None]", thread: threading.Thread) -> None:
    """Empties the queue until its writer has ended, so that the writer never waits for ever."""
    while thread.is_alive():
        try:
            images.get(timeout=0.05)
        except queue.Empty:
            continue


def _why_nothing(path: Path, messages: list[str]) -> str:
    """One line on why ffmpeg gave no frame, with the repair."""
    text = "\n".join(messages)
    if "moov atom not found" in text and is_iso_media(path):
        return f"{path}: truncated: the index at its end (moov) is missing; copy or download the file again"
    if re.search(r"matches no streams|Cannot find a matching stream|does not contain any stream", text):
        return f"{path}: no video in it, only sound or data; give a file with a video stream"
    if "Invalid data found" in text or "could not find codec parameters" in text.lower():
        return f"{path}: not a video that ffmpeg can read; check the file, or convert it with ffmpeg first"
    last = messages[-1] if messages else "it decodes to no frame"
    return f"{path}: no frame could be decoded ({last}); copy the file again or convert it with ffmpeg first"
