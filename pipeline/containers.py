"""What an MP4 or MOV file says about its own length: ffmpeg ends silently where such a file was cut off."""

from pathlib import Path

TOP_LEVEL = frozenset(
    {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"mfra", b"sidx", b"styp", b"uuid", b"pdin"}
)
"""boxes that may stand at the top of an ISO base media file (ISO/IEC 14496-12)"""


def is_iso_media(path: Path) -> bool:
    """Whether the file begins like an MP4 or MOV."""
    with path.open("rb") as stream:
        return stream.read(8)[4:8] in TOP_LEVEL


def missing_bytes(path: Path) -> int:
    """How many bytes the last box of an MP4 or MOV promises beyond the end of the file; 0 for any other file."""
    if not is_iso_media(path):
        return 0
    size = path.stat().st_size
    position = 0
    with path.open("rb") as stream:
        while position + 8 <= size:
            stream.seek(position)
            head = stream.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if kind not in TOP_LEVEL or length == 0:  # padding after the last box, or a box that lasts to the end
                return 0
            if length < 8:
                return 0
            position += length
    return max(position - size, 0)
