import errno
import os
import pickle
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from pipeline.core.errors import CheckpointError, DiskFullError
from train.checkpoint import MARK, EpochMetrics, Training, load_checkpoint, save_checkpoint

METRICS = EpochMetrics(
    epoch=1, learning_rate=0.1, train_loss=1.0, train_accuracy=0.5, val_loss=None, val_accuracy=None, val_macro_f1=None,
    seconds=0.1, images_per_second=10.0,
)  # fmt: skip


def training() -> Training:
    net = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(net.parameters())
    torch.autograd.backward(net(torch.ones(1, 2)).sum())
    optimizer.step()
    state = dict(net.state_dict())
    return Training(model=state, optimizer=optimizer.state_dict(), best_epoch=1, best_model=state, history=[METRICS])


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    path, before = tmp_path / "last.pt", training()
    save_checkpoint(path, "run", before)
    after = load_checkpoint(path, "run")
    assert after is not None
    assert after.history == [METRICS]
    assert after.epoch == 1
    assert after.best == METRICS
    for name, tensor in before.model.items():
        assert torch.equal(after.model[name], tensor)
        assert torch.equal(after.best_model[name], tensor)
    assert after.optimizer["state"].keys() == before.optimizer["state"].keys()


def test_no_checkpoint_means_a_fresh_start(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "last.pt", "run") is None


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04" + bytes(500), pickle.dumps({"format": 1}), MARK])
def test_garbage_is_named_with_its_repair(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "last.pt"
    path.write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"last\.pt is (not a checkpoint|damaged).*; delete it and run the same comm"
    ):
        load_checkpoint(path, "run")


def test_every_flipped_bit_and_every_cut_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, "run", training())
    content = path.read_bytes()
    for place in range(0, len(content), max(1, len(content) // 40)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(CheckpointError, match=r"last\.pt is"):
            load_checkpoint(path, "run")
        path.write_bytes(content[:place])
        with pytest.raises(CheckpointError, match=r"last\.pt is"):
            load_checkpoint(path, "run")


def test_another_runs_checkpoint_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last.pt", "one", training())
    with pytest.raises(
        CheckpointError, match=r"belongs to another run \(another dataset, recipe or option\); delete it"
    ):
        load_checkpoint(tmp_path / "last.pt", "two")


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    """A file that carries our mark and digest, but a foreign pickle inside, is refused and its code does not run."""
    import hashlib
    import io

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "broken-in"),)

    stream = io.BytesIO()
    torch.save({"format": 1, "run": "run", "model": Evil()}, stream)
    body = stream.getvalue()
    (tmp_path / "last.pt").write_bytes(MARK + hashlib.sha256(body).digest() + body)
    with pytest.raises(CheckpointError, match=r"cannot be loaded \(UnpicklingError\)"):
        load_checkpoint(tmp_path / "last.pt", "run")
    assert not (tmp_path / "broken-in").exists()


def test_an_interrupted_write_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, "run", training())
    content = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no"):
        save_checkpoint(path, "run", training())
    assert path.read_bytes() == content
    assert len(list(tmp_path.iterdir())) == 1


def test_another_torchs_checkpoint_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path / "last.pt", "run", training())
    monkeypatch.setattr(torch, "__version__", "1.0.0")
    with pytest.raises(CheckpointError, match=r"was made with torch .*, and here is 1\.0\.0, .*; go on with that one"):
        load_checkpoint(tmp_path / "last.pt", "run")


def test_a_full_disk_is_named_and_the_old_checkpoint_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, "run", training())
    content = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError, match=r"last\.pt is full; free some space and run the same command again"):
        save_checkpoint(path, "run", training())
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]


def test_a_checkpoint_from_before_the_averages_goes_on(tmp_path: Path) -> None:
    """What was saved by format 1 lacks the average, the phase and torch's version."""
    import hashlib
    import io

    old = training()
    metrics = {name: value for name, value in asdict(METRICS).items() if name != "phase"}
    stream = io.BytesIO()
    torch.save(
        {"format": 1, "run": "run", "model": old.model, "optimizer": old.optimizer, "best_epoch": 1,
         "best_model": old.best_model, "history": [metrics]}, stream,
    )  # fmt: skip
    body = stream.getvalue()
    (tmp_path / "last.pt").write_bytes(MARK + hashlib.sha256(body).digest() + body)
    found = load_checkpoint(tmp_path / "last.pt", "run")
    assert found is not None
    assert (found.average, found.history) == ({}, [METRICS])
