"""Where a killed run goes on from. One file, whole or absent, plain values and tensors: never an arbitrary pickle."""

import hashlib
import io
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from pipeline.core.errors import CheckpointError
from pipeline.core.files import whole_file

FORMAT = 2
MARK = b"toonsift checkpoint\n"
"""the file begins with it, then 32 bytes SHA-256 of the rest, then what torch.save wrote"""

State = dict[str, Tensor]
"""a module's tensors by name"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochMetrics:
    """One line of metrics.jsonl."""

    epoch: int
    """from 1"""
    phase: Literal["short", "long"] = "long"
    """short retraining (the head alone) or long (all weights)"""
    learning_rate: float
    """of this epoch's last step"""
    train_loss: float
    """mean over the epoch's examples, as it was when each was met"""
    train_accuracy: float
    """likewise, on augmented pictures where they are"""
    val_loss: float | None
    """the run's loss without weights, adjustment or smoothing; None without validation examples"""
    val_accuracy: float | None
    """likewise"""
    val_macro_f1: float | None
    """likewise"""
    seconds: float
    """training and validation"""
    images_per_second: float
    """training alone"""


@dataclass(slots=True, kw_only=True)
class Training:
    """How far a run is: all that the next epoch depends on besides the run itself.

    There is no state of random generators in it: every epoch seeds its own from the run's seed and its number.
    """

    model: State
    """after the last epoch"""
    optimizer: dict[str, Any]
    """its state_dict"""
    average: State = field(default_factory=dict)
    """the weights' moving average; empty without"""
    best_epoch: int = 0
    """whose weights are `best_model`; 0 before the first"""
    best_model: State = field(default_factory=dict)
    """a copy"""
    history: list[EpochMetrics] = field(default_factory=list)
    """one per epoch done"""

    @property
    def epoch(self) -> int:
        """The last one done, 0 before the first."""
        return len(self.history)

    @property
    def best(self) -> EpochMetrics:
        """The best epoch's metrics."""
        return self.history[self.best_epoch - 1]


def save_checkpoint(path: Path, run_digest: str, training: Training) -> None:
    """Replaces the checkpoint. Raises DiskFullError; the old one then stays."""
    document = {
        "format": FORMAT,
        "run": run_digest,
        "model": training.model,
        "optimizer": training.optimizer,
        "average": training.average,
        "torch": str(torch.__version__),
        "best_epoch": training.best_epoch,
        "best_model": training.best_model,
        "history": [asdict(metrics) for metrics in training.history],
    }
    stream = io.BytesIO()
    torch.save(document, stream)
    content = stream.getbuffer()
    with whole_file(path) as target:
        target.write(MARK + hashlib.sha256(content).digest())
        target.write(content)


def load_checkpoint(path: Path, run_digest: str) -> Training | None:
    """The checkpoint, its tensors on the CPU; None when there is none.

    Raises:
        CheckpointError: not a checkpoint, damaged, of another run, another torch's, or a newer toonsift's.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, f"cannot be read ({error.strerror})") from error
    head, body = len(MARK) + 32, memoryview(content)[len(MARK) + 32 :]
    if not content.startswith(MARK):
        raise _unusable(path, "is not a checkpoint of toonsift")
    if hashlib.sha256(body).digest() != content[len(MARK) : head]:
        raise _unusable(path, "is damaged: its contents do not give its digest")
    try:
        document = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
        if document["format"] > FORMAT:
            raise CheckpointError(f"{path}: made by a newer toonsift; upgrade toonsift")
        if document["run"] != run_digest:
            raise _unusable(path, "belongs to another run (another dataset, recipe or option)")
        if (made := document.get("torch", str(torch.__version__))) != str(torch.__version__):
            raise CheckpointError(
                f"{path} was made with torch {made}, and here is {torch.__version__}, which may compute other bits; go on "
                "with that one, or delete the file and run the same command again: the run then starts over"
            )
        return Training(
            model=document["model"],
            optimizer=document["optimizer"],
            average=document.get("average", {}),
            best_epoch=document["best_epoch"],
            best_model=document["best_model"],
            history=[EpochMetrics(**metrics) for metrics in document["history"]],
        )
    except CheckpointError:
        raise
    except Exception as error:  # torch.load raises whatever the bytes lead it to
        raise _unusable(path, f"cannot be loaded ({type(error).__name__})") from error


def _unusable(path: Path, why: str) -> CheckpointError:
    return CheckpointError(f"{path} {why}; delete it and run the same command again: the run then starts over")
