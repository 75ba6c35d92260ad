"""What the header of a video stream tells of its pictures, and the filters that make plain ones of them.

Interlaced frames hold two moments in their odd and even lines; faces that move come out as combs. Pictures in a high dynamic
range come out grey where nobody maps their tones. Those of a DVD have pixels that are no squares: faces come out narrow or
wide. None of it is what a cascade, a person or a net is to see.
"""

import logging
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from pipeline.core.errors import DecodingStoppedError

log = logging.getLogger(__name__)

PQ, HLG = "smpte2084", "arib-std-b67"
"""the transfers of a high dynamic range (ITU-R BT.2100)"""
REFERENCE_WHITE = 203
"""candela per square metre of a white sheet in such pictures (ITU-R BT.2408)"""
SMALLEST_INTERLACED = 8
"""pixels: ffmpeg's deinterlacer wants three lines and columns of each plane"""
SQUARE_ENOUGH = Fraction(1, 50)
"""an aspect this near to 1 is a rounded size; scaling would blur more than it mends"""
MOST_STRETCHED = 4
"""a header that says more is not believed; scope on DVD has 2.4 at most"""
LONGEST_STRETCHED = 16_384
"""pixels; sides that stretching would make longer stay as they are"""
SPARE_LINES = 8
"""lines of a picture for each one of the small picture: from there on every second is enough. With fewer, shots that are
shown again are missed in copies of other sizes: half a line is too much of a small pixel"""
ANALYZE = "20M"
"""microseconds of the file that ffmpeg may read to know its streams"""
PATIENCE = 120
"""seconds for that"""


Filter = tuple[str, dict[str, str | int]]
"""of ffmpeg: its name and its options"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHeader:
    """Of the first video stream that is no cover art."""

    interlaced: bool = False
    """lines of two moments in one frame"""
    high_range: bool = False
    """tones beyond what a display of BT.709 shows"""
    pixel_aspect: Fraction = Fraction(1)
    """how wide a pixel is shown for its height; 1 where the header says nothing that can be"""
    width: int = 0
    """columns of a picture that is turned upright, as stored; 0 where the header says nothing"""

    def whole(self) -> list[Filter]:
        """Filters for all frames: afterwards each shows one moment. Their number and their times stay.

        Frames that say that they are interlaced lose the lines of their second moment, by bwdif, which joins Weston's
        three-field filter with yadif's edges. It halves the time base on its way.
        """
        if not self.interlaced:
            return []
        return [("bwdif", {"mode": "send_frame", "deint": "interlaced"}), ("settb", {"expr": "intb*2"})]

    def plain(self, ffmpeg: str, most_wide: int | None = None) -> list[Filter]:
        """Filters for the frames that are wanted: afterwards they have square pixels and the tones of BT.709.

        Args:
            ffmpeg: the program.
            most_wide: pixels; wider pictures are scaled to it by area averaging, aspect kept, much wider ones by that
                of every second line: most of what scaling costs is reading lines.
        """
        return self._squared(most_wide) + (_tone_mapped() if self.high_range and _can_map_tones(ffmpeg) else [])

    def _squared(self, most_wide: int | None) -> list[Filter]:
        """Stretched in the direction in which pixels are longer, so that none is lost."""
        aspect = self.pixel_aspect
        wide = f"iw*{aspect.numerator}/{aspect.denominator}" if aspect > 1 else "iw"
        high = f"ih*{aspect.denominator}/{aspect.numerator}" if aspect < 1 else "ih"
        if most_wide is None:
            whole: dict[str, str | int] = {"w": f"round({wide})", "h": f"round({high})", "flags": "bicubic"}
            return [] if aspect == 1 else [("scale", whole)]
        spare = self.width * aspect >= SPARE_LINES * most_wide
        high = f"2*{high}" if spare else high
        height = f"if(lte({wide},{most_wide}),round({high}),max(8,round({high}*{most_wide}/({wide}))))"
        scaled: Filter = ("scale", {"w": f"min({most_wide},round({wide}))", "h": height, "flags": "area"})
        return [("field", {"type": "top"}), scaled] if spare else [scaled]


def _tone_mapped() -> list[Filter]:
    """By a Moebius curve, which leaves the darker third as it is. In RGB, as zscale takes no odd sizes of subsampled colours."""
    return [
        ("format", {"pix_fmts": "gbrp16le"}),
        ("zscale", {"transfer": "linear", "npl": REFERENCE_WHITE}),
        ("format", {"pix_fmts": "gbrpf32le"}),
        ("tonemap", {"tonemap": "mobius", "desat": 0}),
        ("zscale", {"primaries": "bt709", "transfer": "bt709"}),
    ]


def through(filters: Sequence[Filter], video: Any) -> Any:
    """An ffmpeg-python stream after these filters."""
    for name, options in filters:
        video = video.filter(name, **options)
    return video


def spelled(filters: Sequence[Filter]) -> list[str]:
    """The filters as a command line has them, where no value holds a comma."""
    return [name + "=" + ":".join(f"{key}={value}" for key, value in options.items()) for name, options in filters]


def read_stream_header(path: Path, ffmpeg: str) -> StreamHeader:
    """Reads the header as ffmpeg sees it, once per state of the file; of no video, nothing special.

    Args:
        ffmpeg: the program.

    Raises:
        DecodingStoppedError: somebody killed ffmpeg.
    """
    try:
        stamp = path.stat()
    except OSError:
        return StreamHeader()
    return _read(path.absolute(), ffmpeg, stamp.st_size, stamp.st_mtime_ns)


def parse_stream_header(said: str) -> StreamHeader:
    """From what ffmpeg says of a file on standard error."""
    lines = [line for line in said.splitlines() if re.match(r"\s*Stream #0:.*: Video: ", line)]
    line = next((line for line in lines if "(attached pic)" not in line), "")
    size = re.search(r", (\d+)x(\d+)\b", line)
    sides = (int(size[1]), int(size[2])) if size else (0, 0)
    large = min(sides) >= SMALLEST_INTERLACED
    turned = re.search(r"rotation of -?90\.", said) is not None
    aspect = _believed([Fraction(int(a), int(b)) for a, b in re.findall(r"SAR (\d+):([1-9]\d*)", line)], max(sides))
    return StreamHeader(
        interlaced=large and re.search(r"[(, ](?:top|bottom) (?:coded )?first\b", line) is not None,
        high_range=re.search(rf"[/, ](?:{PQ}|{HLG})\b", line) is not None,
        pixel_aspect=1 / aspect if turned else aspect,
        width=sides[1] if turned else sides[0],
    )


def _believed(aspects: list[Fraction], longest: int) -> Fraction:
    """The last one, the container's, which counts for ffmpeg where the codec says another; 1 where it cannot be."""
    said = aspects[-1] if aspects else Fraction(1)
    stretch = max(said, 1 / said) if said else Fraction(MOST_STRETCHED + 1)
    can_be = stretch <= MOST_STRETCHED and longest * stretch <= LONGEST_STRETCHED
    return said if can_be and abs(said - 1) > SQUARE_ENOUGH else Fraction(1)


@lru_cache(maxsize=256)
def _read(path: Path, ffmpeg: str, _size: int, _modified: int) -> StreamHeader:
    command = [ffmpeg, "-nostdin", "-hide_banner", "-protocol_whitelist", "file,pipe", "-analyzeduration", ANALYZE]
    try:
        done = subprocess.run(
            [*command, "-i", f"file:{path}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=PATIENCE,
        )  # it has no output to write, and says so by its exit code
    except (OSError, subprocess.TimeoutExpired):
        return StreamHeader()  # decoding will tell
    if done.returncode < 0:
        raise DecodingStoppedError(
            f"{path}: ffmpeg was killed (signal {-done.returncode}) before its first frame; "
            "run the same command again (what was finished is kept)"
        )
    header = parse_stream_header(done.stderr.decode(errors="replace"))
    if header.high_range and not _can_map_tones(ffmpeg):
        log.warning("%s has a high dynamic range, and this ffmpeg has no zscale to map it: colours will be pale", path)
    return header


@cache
def _can_map_tones(ffmpeg: str) -> bool:
    said = subprocess.run([ffmpeg, "-hide_banner", "-filters"], capture_output=True, text=True, check=False).stdout
    names = {words[1] for line in said.splitlines() if len(words := line.split()) > 2}
    return {"zscale", "tonemap"} <= names
