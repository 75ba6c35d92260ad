"""A run's model as one ONNX file that needs nothing of ours: pictures in, probabilities out, the classes written in it.

Written by torch's own exporter (torch.export), then compared with the model itself in onnxruntime.
"""

import contextlib
import importlib
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline import __version__
from pipeline.core.errors import CheckpointError, MissingToolError
from pipeline.core.files import write_bytes
from pipeline.core.manifest import Dataset
from pipeline.core.progress import Progress, Silent
from train.examples import FILL, read_images
from train.predict import Model
from train.runs import Summary

TOLERANCE = 1e-4
"""largest difference of a probability between onnxruntime and torch, both in float32 on a CPU"""
INPUT, OUTPUT = "images", "probabilities"
RANDOM_IMAGES = 64
"""compared where the dataset is not at hand"""
BATCHES = (1, 3, 32)
"""sizes of the batches compared, in turn: the batch is free"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """An ONNX file and how well it repeats the model."""

    path: Path
    """where it lies"""
    size_bytes: int
    """of the file"""
    examples: int
    """pictures compared"""
    compared_on: str
    """the test split, or random pictures"""
    largest_difference: float
    """of any probability"""
    tolerance: float
    """that was allowed"""
    changed: int
    """pictures whose class differs; of two classes that are equally likely to within the tolerance either may win"""


class Whole(nn.Module):
    """uint8 RGB pictures (N, 3, S, S), letter-boxed -> probabilities (N, C)."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        """Scaling, the net with its normalisation, softmax."""
        return torch.softmax(self.net(images.to(torch.float32) / 255), dim=1)


def export_onnx(
    model: Model, summary: Summary, path: Path, dataset: Dataset | None = None, progress: Progress | None = None
) -> Exported:
    """Writes the model, after comparing it with onnxruntime on the test split of `dataset`.

    Raises:
        MissingToolError: onnx, onnxscript or onnxruntime is not installed.
        CheckpointError: the file would not say what the model says; nothing is written.
        DatasetError: an image is missing or changed.
    """
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise MissingToolError(f"exporting needs {', '.join(missing)}; install with: pip install 'toonsift[onnx]'")
    content = _written(model, summary)
    side = model.run.options.image_size
    rows = [example for example in dataset.examples if example.split == "test"] if dataset else []
    if dataset and rows:
        images, where = read_images(dataset, rows, side, progress or Silent()), "the test split"
    else:
        random = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (RANDOM_IMAGES, 3, side, side), dtype=torch.uint8, generator=random)
        where = "random pictures"
    found, wanted = _asked(content, images), model.classify_squares(images)
    difference = float(np.abs(found - wanted).max())
    if not difference <= TOLERANCE:
        raise CheckpointError(
            f"{path} was not written: onnxruntime differs by {difference:.2g} on {where}, more than {TOLERANCE:g}; "
            "another version of onnxruntime or torch may do better"
        )
    write_bytes(path, content)
    changed = int((found.argmax(axis=1) != wanted.argmax(axis=1)).sum())
    return Exported(
        path=path,
        size_bytes=len(content),
        examples=len(images),
        compared_on=where,
        largest_difference=difference,
        tolerance=TOLERANCE,
        changed=changed,
    )


def card_of(model: Model, summary: Summary) -> dict[str, str]:
    """What the file says about itself; `classes` and `preprocessing` are JSON."""
    side = model.run.options.image_size
    preprocessing = {
        "layout": "NCHW", "type": "uint8", "colour": "RGB", "side": side, "fill": FILL,
        "resize": "longest side to `side`, bilinear with antialiasing (Pillow), centred on a grey square",
    }  # fmt: skip
    return {
        "classes": json.dumps(list(model.classes), ensure_ascii=False),
        "preprocessing": json.dumps(preprocessing),
        "image_size": str(side),
        "run": model.run.id,
        "recipe": model.run.recipe,
        "dataset": summary.dataset,
        "dataset_digest": model.run.dataset_digest,
        "model_sha256": summary.model_sha256,
        "toonsift": __version__,
    }


def _written(model: Model, summary: Summary) -> bytes:
    net, device = Whole(model.net).eval(), model.device
    side = model.run.options.image_size
    net.cpu()
    try:
        with _quiet(), contextlib.redirect_stdout(io.StringIO()):
            program: Any = torch.onnx.export(
                net,
                (torch.zeros((2, 3, side, side), dtype=torch.uint8),),
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes={"images": {0: torch.export.Dim("batch", min=1)}},
                verbose=False,
            )
        proto = program.model_proto
    finally:
        net.to(device)
    del proto.metadata_props[:]
    for node in [*proto.graph.node, *(node for function in proto.functions for node in function.node)]:
        del node.metadata_props[:]  # stack traces with this machine's paths
        node.doc_string = ""
    for value in [*proto.graph.value_info, *proto.graph.input, *proto.graph.output]:
        del value.metadata_props[:]
    del proto.graph.metadata_props[:]
    proto.producer_name, proto.producer_version = "toonsift", __version__
    for key, value in card_of(model, summary).items():
        proto.metadata_props.add(key=key, value=value)
    return bytes(proto.SerializeToString(deterministic=True))


def _asked(content: bytes, images: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    runtime: Any = importlib.import_module("onnxruntime")
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = []
    start = 0
    while start < len(images):
        size = BATCHES[len(found) % len(BATCHES)]
        found.append(session.run([OUTPUT], {INPUT: images[start : start + size].numpy()})[0])
        start += size
    return np.concatenate(found)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter logs what it decomposes; that is of no interest here."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
