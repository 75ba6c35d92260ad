"""Raw RGB frames as a Matroska stream (RFC 9559) that ffmpeg reads from a pipe: the way to hand it exact times.

Raw video formats have no timestamps, so a video with a variable frame rate would lose its own. Here every frame is a
cluster with its time and duration in microseconds.
"""

from collections.abc import Sequence
from fractions import Fraction

from pipeline.core.images import RGB

TICK = Fraction(1, 1_000_000)
"""seconds per tick of the stream"""
UNKNOWN = b"\x01\xff\xff\xff\xff\xff\xff\xff"
"""a size that is not known beforehand"""
EBML, SEGMENT, INFO, TRACKS, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675


def head(width: int, height: int) -> bytes:
    """What the stream begins with: one track of raw RGB pictures of that size."""
    video = _whole(0xB0, width) + _whole(0xBA, height) + _element(0x2EB524, b"RGB\x18")
    track = _whole(0xD7, 1) + _whole(0x73C5, 1) + _whole(0x83, 1) + _element(0x86, b"V_UNCOMPRESSED")
    about = _whole(0x2AD7B1, int(TICK * 1_000_000_000)) + _element(0x4D80, b"toonsift") + _element(0x5741, b"toonsift")
    kind = [_whole(0x4286, 1), _whole(0x42F7, 1), _whole(0x42F2, 4), _whole(0x42F3, 8), _element(0x4282, b"matroska")]
    kind += [_whole(0x4287, 4), _whole(0x4285, 2)]
    return b"".join(
        [
            _element(EBML, b"".join(kind)),
            _id(SEGMENT) + UNKNOWN,
            _element(INFO, about),
            _element(TRACKS, _element(0xAE, track + _element(0xE0, video))),
        ]
    )


def frame(image_HW3: RGB, seconds: Fraction, duration_seconds: Fraction) -> Sequence[bytes]:
    """A frame in pieces, to be written one after the other. `seconds` must not be negative."""
    at, long = round(seconds / TICK), max(1, round(duration_seconds / TICK))
    pixels = image_HW3.tobytes()
    block = _id(0xA1) + _size(len(pixels) + 4) + b"\x81\x00\x00\x00"
    duration = _whole(0x9B, long)
    group = _id(0xA0) + _size(len(block) + len(pixels) + len(duration))
    time = _whole(0xE7, at)
    inner = len(time) + len(group) + len(block) + len(pixels) + len(duration)
    return [_id(CLUSTER) + _size(inner) + time + group + duration + block, pixels]


def _id(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _size(length: int) -> bytes:
    return (length | 1 << 56).to_bytes(8, "big")


def _element(number: int, content: bytes) -> bytes:
    return _id(number) + _size(len(content)) + content


def _whole(number: int, value: int) -> bytes:
    return _element(number, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))
