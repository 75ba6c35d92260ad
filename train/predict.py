"""A trained model read back from its run, and what it says about pictures: the API for every other command."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.core.errors import CheckpointError, InputError, MissingToolError, UsageError
from pipeline.core.files import inside, sha256_of
from pipeline.core.images import RGB
from train.augment import as_float
from train.examples import letterboxed
from train.models import NETS, build_net
from train.runs import MODEL, OPTIONS, SUMMARY, Summary, TrainingRun, read_card, read_summary

BATCH, MOST_PIXELS = 256, 1 << 22
"""pictures, and pixels of all of them, at once where nothing is learned"""

Probabilities = NDArray[np.float32]
"""(N, C), rows sum to 1, columns in the order of the classes"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A finished run's model, ready to classify."""

    run: TrainingRun
    """where it comes from"""
    net: nn.Module
    """in evaluation mode, on the device"""
    device: torch.device
    """where it computes"""

    @property
    def classes(self) -> tuple[str, ...]:
        """In the order of the probabilities' columns."""
        return self.run.classes

    def classify(self, images: Sequence[RGB]) -> Probabilities:
        """Probabilities (N, C) of RGB uint8 images (H, W, 3) of any sizes; (0, C) for none."""
        side = self.run.options.image_size
        found = [np.empty((0, len(self.classes)), dtype=np.float32)]
        for start in range(0, len(images), BATCH):
            squares_NHW3 = np.stack([letterboxed(image, side) for image in images[start : start + BATCH]])
            found.append(self.classify_squares(torch.from_numpy(squares_NHW3).permute(0, 3, 1, 2)))
        return np.concatenate(found)

    def classify_squares(self, images_N3SS: Tensor) -> Probabilities:
        """Probabilities (N, C) of uint8 images (N, 3, S, S) that are letter-boxed already."""
        return probabilities(class_scores(self.net, images_N3SS.to(self.device)))


def load_run(folder: Path, device: str = "auto") -> Model:
    """The model of a finished run.

    Raises:
        CheckpointError: no run there, not finished, its files are damaged, of two runs or links that lead out of it, or
            a newer torch's.
        MissingToolError: CUDA was asked for and there is none.
    """
    for name in (OPTIONS, SUMMARY, MODEL):
        _within(folder, name)
    run, summary, path = read_card(folder), read_summary(folder), folder / MODEL
    if summary is None:
        raise CheckpointError(
            f"{folder} is not trained to the end; run the same `toonsift train` again, it goes on from there"
        )
    if run.net not in NETS:
        raise CheckpointError(f"{folder} uses the net {run.net!r}, which this toonsift does not know; upgrade toonsift")
    _check_same(folder, run, summary)
    place = choose_device(device)
    net = build_net(run.net, len(run.classes), run.options, torch.zeros(3), torch.ones(3))
    try:
        if sha256_of(path) != summary.model_sha256:
            raise CheckpointError(f"{path} has changed since it was trained; delete {folder} and train again")
        _check_shapes(path, net)
        net.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{path}: not readable ({error}); delete {folder} and train again") from error
    _check_finite(path, net)
    return Model(run=run, net=on_device(net, place).eval(), device=place)


def _within(folder: Path, name: str) -> None:
    """Raises CheckpointError when a file of the run is a link that leads out of it."""
    try:
        inside(folder, name)
    except InputError as error:
        raise CheckpointError(f"{error}; a run's files lie in its own folder: copy the run as a whole") from error


def _check_same(folder: Path, run: TrainingRun, summary: Summary) -> None:
    """Raises CheckpointError when options.json and summary.json tell of different runs, or of another torch."""
    for what, said, found in (
        ("recipe", run.recipe, summary.recipe),
        ("classes", run.classes, summary.classes),
        ("dataset", run.dataset_digest, summary.dataset_digest),
    ):
        if said != found:
            raise CheckpointError(
                f"{folder}: {OPTIONS} says {what} {said!r}, {SUMMARY} says {found!r}: files of two runs are mixed; "
                "delete it and train again"
            )
    made, here = summary.torch_version.partition(".")[0], torch.__version__.partition(".")[0]
    if made.isdigit() and int(made) > int(here):
        raise CheckpointError(
            f"{folder} was trained with torch {summary.torch_version}, here is {torch.__version__}; upgrade torch"
        )


def _check_shapes(path: Path, net: nn.Module) -> None:
    """Compares the file's header with the net before any weight is read. Raises CheckpointError."""
    wanted = {name: list(tensor.shape) for name, tensor in net.state_dict().items()}
    with safe_open(path, framework="pt") as opened:
        found = {name: opened.get_slice(name).get_shape() for name in opened.keys()}  # noqa: SIM118
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise CheckpointError(
                f"{path}: not readable (Error(s) in loading state_dict: {name} has the shape {found.get(name)}, the net "
                f"of {OPTIONS} needs {wanted.get(name)}); its options were changed, or it is another recipe's; "
                "train again"
            )


def _check_finite(path: Path, net: nn.Module) -> None:
    """Raises CheckpointError where a weight is infinite or no number."""
    bad = [name for name, tensor in net.state_dict().items() if not bool(torch.isfinite(tensor).all())]
    if bad:
        raise CheckpointError(f"{path}: {bad[0]} holds values that are no numbers; delete its folder and train again")


def choose_device(wanted: str) -> torch.device:
    """`auto`: CUDA when there is one. Raises UsageError, and MissingToolError when CUDA is asked for and absent."""
    if wanted not in ("auto", "cpu", "cuda"):
        raise UsageError(f"device must be one of auto, cpu, cuda, got {wanted!r}")
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise MissingToolError(
            f"torch {torch.__version__} finds no CUDA device here; train with --device cpu (or auto)"
        )
    return torch.device("cuda" if there and wanted != "cpu" else "cpu")


def on_device(net: nn.Module, device: torch.device) -> nn.Module:
    """The net there, its convolutions channels last in memory: twice as fast on a CPU, and what tensor cores take."""
    return net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def class_scores(net: nn.Module, images_N3SS: Tensor) -> Tensor:
    """Scores (N, C) of uint8 images, in batches, nothing learned; leaves the net in evaluation mode."""
    net.eval()
    device = next(net.parameters()).device
    at_once = max(1, min(BATCH, MOST_PIXELS // math.prod(images_N3SS.shape[2:])))
    with torch.inference_mode():
        return torch.cat([net(as_float(batch.to(device))) for batch in torch.split(images_N3SS, at_once)])


def probabilities(scores_NC: Tensor) -> Probabilities:
    """The softmax of class scores, as numpy."""
    return np.asarray(torch.softmax(scores_NC.float(), dim=1).cpu().numpy(), dtype=np.float32)
