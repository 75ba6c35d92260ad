"""Video files as frames with their exact timestamps, in one decode.

`decode` gives every frame whole, `frames_at` some of them, `watch` every frame small and only those whole that are to be
searched. Containers' durations and frame counts are only hints.
"""

import math
import re
from collections.abc import Callable, Collection, Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.containers import is_iso_media, missing_bytes
from pipeline.core.errors import DecodingStoppedError, VideoError
from pipeline.core.images import RGB
from pipeline.decoder import Decoder, Output, Picture, ffmpeg_path

__all__ = [
    "Frame",
    "Probe",
    "WatchedFrame",
    "check_readable",
    "decode",
    "ffmpeg_path",
    "frames_at",
    "probe",
    "read_frames",
    "watch",
]

SELECTED_AT_MOST = 400
"""indices that fit comfortably into one filter expression"""
SMALL_AHEAD = 1024
"""small pictures read ahead, so that ffmpeg never waits for us while we wait for its next whole one"""
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
class WatchedFrame:
    """A frame as mining sees it: always small, whole only where it is to be searched."""

    index: int
    """0-based, in decoding order"""
    pts: int
    """presentation time in ticks"""
    duration: int
    """ticks until the next frame, as the container tells it; 0 when it does not"""
    time_base: Fraction
    """seconds per tick"""
    small: RGB
    """(h, w, 3) uint8 RGB"""
    slot: int | None
    """of the grid of moments to search, counted from the first frame; None where the frame is not to be searched"""
    image: RGB | None
    """(H, W, 3) uint8 RGB, upright; None where the frame is not to be searched, or comes before `from_pts`"""


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
    check_readable(path)
    decoder = Decoder(path, [Output(limit=1)], loglevel="info", threads=1)  # more would decode what nobody reads
    pictures = list(decoder.pictures())
    if not pictures:
        raise VideoError(_why_nothing(path, decoder.messages()))
    first = pictures[0]
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
    check_readable(path)
    decoder = Decoder(path)
    last: Frame | None = None
    for index, picture in enumerate(decoder.pictures()):
        last = _frame(index, picture)
        yield last
    _check_damage(path, decoder, last)


def watch(
    path: Path, fps: float, small_width: int, *, from_pts: int | None = None, threads: int = 1
) -> Generator[WatchedFrame, None, None]:
    """Every frame small, and `fps` of them a second whole, in one decode with bounded memory.

    Whole is the first frame at or after each point of a grid of 1/fps seconds that begins with the first frame.

    Args:
        small_width: pixels; smaller frames stay as they are. ffmpeg scales by area averaging, aspect kept.
        from_pts: frames before the first one at or after it come small only.
        threads: that ffmpeg decodes with; one costs the least CPU.

    Raises:
        VideoError: as `decode`.
    """
    check_readable(path)
    from_pts = -(2**62) if from_pts is None else from_pts
    decoder = Decoder(
        path,
        [Output(most_wide=small_width, ahead=SMALL_AHEAD), Output(filters=_sampled(fps, from_pts))],
        threads=threads,
    )
    grid = SampleGrid(fps)
    last: WatchedFrame | None = None
    begun = False
    with decoder:
        whole: Picture | None = None
        while (small := decoder.read(0)) is not None:
            slot = grid.slot(small.pts, small.time_base)
            begun = begun or (slot is not None and small.pts >= from_pts)  # for good: a clock may run back
            chosen = slot is not None and begun
            while chosen and (whole is None or whole.pts < small.pts) and (whole := decoder.read(1)) is not None:
                continue
            last = WatchedFrame(
                index=0 if last is None else last.index + 1,
                pts=small.pts,
                duration=small.duration,
                time_base=small.time_base,
                small=small.image,
                slot=slot,
                image=whole.image if chosen and whole is not None and whole.pts == small.pts else None,
            )
            yield last
    _check_damage(path, decoder, last)


class SampleGrid:
    """Which frames are searched: the first at or after each point of a grid of 1/fps seconds.

    ffmpeg decides the same with the expression of `as_expression`, in the same floating-point operations.
    """

    SLACK = 1e-6
    """of a step; times are rounded, and a frame on a point of the grid must not come after it"""

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self._start: float | None = None
        self._last = 0

    def slot(self, pts: int, time_base: Fraction) -> int | None:
        """The slot of the next frame, shown at `pts`, where it is the first of its slot; else None.

        A clock that runs back by more than a step begins anew from there.
        """
        seconds = pts * (time_base.numerator / time_base.denominator)
        if self._start is None:
            self._start, self._last = seconds, 0
            return 0
        slot = math.floor((seconds - self._start) * self.fps + self.SLACK)
        if self._last - 1 <= slot <= self._last:
            return None
        self._last = slot
        return slot

    def as_expression(self) -> str:
        """The same for ffmpeg's `select` filter: variable 0 is the start, 2 the slot."""
        slot = f"st(1,floor((t-ld(0))*{self.fps!r}+{self.SLACK!r}))"
        taken = "st(3,eq(n,0)+gt(ld(1),ld(2))+lt(ld(1),ld(2)-1))"
        return f"if(eq(n,0),st(0,t));{slot};{taken};if(ld(3),st(2,ld(1)));ld(3)"


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
    check_readable(path)
    chosen_only = Output(filters=lambda video: video.filter("select", _any_of(wanted)), limit=len(wanted))
    decoder = Decoder(path, [chosen_only])
    count = 0
    for picture in decoder.pictures():
        yield _frame(wanted[count], picture)
        count += 1
    if decoder.exit_code and not count:
        raise VideoError(_why_nothing(path, decoder.messages()))


def read_frames(path: Path, indices: Collection[int]) -> Iterator[tuple[int, RGB]]:
    """(index, picture) of `frames_at`."""
    for frame in frames_at(path, indices):
        yield frame.index, frame.image


def _frame(index: int, picture: Picture) -> Frame:
    return Frame(
        index=index, pts=picture.pts, duration=picture.duration, time_base=picture.time_base, image=picture.image
    )


def _check_damage(path: Path, decoder: Decoder, last: Frame | WatchedFrame | None) -> None:
    """Whether all was decoded.

    Raises:
        DecodingStoppedError: somebody killed ffmpeg.
        VideoError: nothing was decoded, or ffmpeg says that a part is damaged.
    """
    count = 0 if last is None else last.index + 1
    if decoder.exit_code is not None and decoder.exit_code < 0:
        raise DecodingStoppedError(
            f"{path}: ffmpeg was killed (signal {-decoder.exit_code}) after {count} frames; "
            "run the same command again (what was finished is kept)"
        )
    if last is None:
        raise VideoError(_why_nothing(path, decoder.messages()))
    missing = missing_bytes(path)
    damage = f"cut off, {missing} bytes are missing" if missing else None
    damage = damage or next((line for line in decoder.messages() if DAMAGE.search(line)), None)
    if damage or decoder.exit_code:
        seconds = float(last.pts * last.time_base)
        raise VideoError(
            f"{path}: damaged; {count} frames decode, the last at {seconds:.2f} s: "
            f"{damage or f'ffmpeg exit {decoder.exit_code}'}; "
            "what decodes is kept; copy or download the file again for the rest"
        )


def _sampled(fps: float, from_pts: int) -> Callable[[Any], Any]:
    """A filter that passes the frames of the grid, `from_pts` and later."""
    return lambda video: video.filter("select", SampleGrid(fps).as_expression()).filter(
        "select", f"st(0,max(ld(0),gte(pts,{from_pts})))"
    )


def _any_of(indices: list[int]) -> str:
    """A filter expression that is true for these frames; halved and halved, because ffmpeg nests a sum only 100 deep."""
    if len(indices) == 1:
        return f"eq(n,{indices[0]})"
    half = len(indices) // 2
    return f"({_any_of(indices[:half])}+{_any_of(indices[half:])})"


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
