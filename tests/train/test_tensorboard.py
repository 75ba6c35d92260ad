import json
import struct
from pathlib import Path

import pytest

from pipeline.core.errors import CheckpointError
from train.runs import METRICS
from train.tensorboard import crc32c, masked, tag_of, write_events

ROWS = [
    {"epoch": 1, "train_loss": 1.5, "val_loss": None, "val_macro_f1": 0.25, "learning_rate": 0.1, "seconds": 2.0},
    {"epoch": 300, "train_loss": 0.5, "val_loss": 0.75, "val_macro_f1": 0.5, "learning_rate": 0.01, "seconds": 3.0},
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / METRICS).write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return tmp_path


def test_the_checksum_is_castagnolis() -> None:
    """The check value of the CRC catalogue, and RFC 3720's of 32 zero bytes."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA


def test_records_have_their_lengths_and_checksums(run: Path) -> None:
    content, place, records = write_events(run).read_bytes(), 0, 0
    while place < len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        body = content[place + 12 : place + 12 + length]
        assert struct.unpack_from("<I", content, place + 8) == (masked(content[place : place + 8]),)
        assert struct.unpack_from("<I", content, place + 12 + length) == (masked(body),)
        place, records = place + 16 + length, records + 1
    assert (place, records) == (len(content), 3)


def test_tensorboard_reads_every_scalar(run: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed: pip install tensorboard")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own imports
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    write_events(run)
    found = EventAccumulator(str(run / "tensorboard"))
    found.Reload()
    tags = found.Tags()
    loss = found.Tensors("loss/train") if "loss/train" in tags["tensors"] else found.Scalars("loss/train")
    assert [one.step for one in loss] == [1, 300]
    assert {"loss/val", "macro_f1/val", "learning_rate"} <= {*tags["tensors"], *tags["scalars"]}
    assert [one.wall_time for one in loss] == [2.0, 5.0]


def test_the_same_metrics_give_the_same_bytes_and_tags_share_a_chart(run: Path) -> None:
    before = write_events(run).read_bytes()
    assert write_events(run).read_bytes() == before
    assert tag_of("val_macro_f1") == "macro_f1/val"
    assert tag_of("seconds") == "seconds"


@pytest.mark.parametrize("text", ["{", '{"epoch": -1}', '{"epoch": "x"}', "[1]", '{"train_loss": 1}'])
def test_damaged_metrics_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / METRICS).write_text(text)
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl: not readable"):
        write_events(tmp_path)
