"""metrics.jsonl as a TensorBoard event file, written without TensorBoard.

An event file is a row of records (length, its checksum, bytes, their checksum; CRC-32C, masked as TFRecord does it); each
holds an `Event` in protocol-buffer encoding. Only scalars are needed, so a few dozen lines do.
"""

import json
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pipeline.core.errors import CheckpointError
from pipeline.core.files import write_bytes
from train.runs import METRICS

FOLDER, FILE = "tensorboard", "events.out.tfevents.0.toonsift"
LARGEST_EPOCH = 2**31
POLYNOMIAL = 0x82F63B78
"""of CRC-32C (Castagnoli 1993), reflected"""


def write_events(folder: Path) -> Path:
    """Writes `folder/tensorboard/` anew from metrics.jsonl and returns the file; its clock is the training's own seconds.

    Raises:
        CheckpointError: there are no metrics, or they are damaged.
    """
    source = folder / METRICS
    try:
        rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines() if line.strip()]
        events = list(_events(rows))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, struct.error) as error:
        raise CheckpointError(f"{source}: not readable ({error}); run the same `toonsift train` again") from error
    path = folder / FOLDER / FILE
    write_bytes(path, b"".join(record(event) for event in events))
    return path


def _events(rows: list[dict[str, object]]) -> Iterator[bytes]:
    yield _double(1, 0.0) + _bytes(3, b"brain.Event:2")
    clock = 0.0
    for row in rows:
        epoch = row["epoch"]
        if not isinstance(epoch, int) or not 0 <= epoch < LARGEST_EPOCH:
            raise ValueError(f"epoch {epoch!r}")
        seconds = row.get("seconds")
        clock += float(seconds) if isinstance(seconds, int | float) else 0.0
        values = b""
        for name, value in row.items():
            if name != "epoch" and isinstance(value, int | float) and not isinstance(value, bool):
                values += _bytes(1, _bytes(1, tag_of(name).encode()) + b"\x15" + struct.pack("<f", value))
        yield _double(1, clock) + b"\x10" + _varint(epoch) + _bytes(5, values)


def tag_of(name: str) -> str:
    """`train_loss` -> `loss/train`, so that the curves of one measure share a chart."""
    split, _, measure = name.partition("_")
    return f"{measure}/{split}" if split in ("train", "val") and measure else name


def record(content: bytes) -> bytes:
    """A TFRecord."""
    length = struct.pack("<Q", len(content))
    return length + struct.pack("<I", masked(length)) + content + struct.pack("<I", masked(content))


def masked(content: bytes) -> int:
    """CRC-32C, turned by 15 bits and moved, as TFRecord stores it."""
    crc = crc32c(content)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def crc32c(content: bytes) -> int:
    """Castagnoli's checksum; 0xE3069283 for b"123456789"."""
    table, crc = _table(), 0xFFFFFFFF
    for byte in content:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


@cache
def _table() -> tuple[int, ...]:
    table = []
    for number in range(256):
        for _ in range(8):
            number = (number >> 1) ^ (POLYNOMIAL if number & 1 else 0)
        table.append(number)
    return tuple(table)


def _varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found, value = found + bytes([value & 127 | 128]), value >> 7
    return found + bytes([value])


def _bytes(field: int, content: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(content)) + content


def _double(field: int, value: float) -> bytes:
    return bytes([field << 3 | 1]) + struct.pack("<d", value)
