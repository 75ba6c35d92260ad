"""What the header of a video stream tells of its pictures, and the filters that make plain ones of them.

Interlaced frames hold two moments in their odd and even lines; faces that move come out as combs. Pictures in a high dynamic
range come out grey where nobody maps their tones. Neither is what a cascade, a person or a net is to see.
"""

import logging
import re
import subprocess
from dataclasses import dataclass
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
ANALYZE = "20M"
"""microseconds of the file that ffmpeg may read to know its streams"""
PATIENCE = 120
"""seconds for that"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHeader:
    """Of the first video stream that is no cover art."""

    interlaced: bool = False
    """lines of two moments in one frame"""
    high_range: bool = False
    """tones beyond what a display of BT.709 shows"""

    def deinterlaced(self, video: Any) -> Any:
        """An ffmpeg-python stream whose frames each show one moment: the frames that say that they are interlaced lose
        the lines of the second; their number and their times stay.

        By bwdif, which joins Weston's three-field filter with yadif's edges. It halves the time base on its way.
        """
        if not self.interlaced:
            return video
        return video.filter("bwdif", mode="send_frame", deint="interlaced").filter("settb", "intb*2")

    def tone_mapped(self, video: Any, ffmpeg: str) -> Any:
        """An ffmpeg-python stream whose pictures have the tones of BT.709; as they are where this ffmpeg has no zscale.

        By a Moebius curve, which leaves the darker third as it is. In RGB, as zscale takes no odd sizes of subsampled colours.
        """
        if not self.high_range or not _can_map_tones(ffmpeg):
            return video
        linear = video.filter("format", "gbrp16le").filter("zscale", transfer="linear", npl=REFERENCE_WHITE)
        linear = linear.filter("format", "gbrpf32le").filter("tonemap", "mobius", desat=0)
        return linear.filter("zscale", primaries="bt709", transfer="bt709")


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
    large = size is not None and min(int(size[1]), int(size[2])) >= SMALLEST_INTERLACED
    return StreamHeader(
        interlaced=large and re.search(r"[(, ](?:top|bottom) (?:coded )?first\b", line) is not None,
        high_range=re.search(rf"[/, ](?:{PQ}|{HLG})\b", line) is not None,
    )


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
