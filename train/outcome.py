"""What a training that has ended leaves behind: scores on the test split, predictions, the model, the summary."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save
from torch import nn

from pipeline import __version__
from pipeline.core.files import write_bytes
from pipeline.core.manifest import Example
from train.checkpoint import State, Training
from train.examples import Examples, mean_colours
from train.metrics import Scores, majority_guess, mean_colour_guess, score
from train.predict import Probabilities, class_scores, probabilities
from train.runs import MODEL, PREDICTIONS, SEEN, Summary, TrainingRun, write_summary
from train.weights import RANDOM

FEW_SHOTS = 10
"""with fewer shots to draw from, a bootstrap interval says little"""


def write_outcome(
    folder: Path,
    run: TrainingRun,
    net: nn.Module,
    data: Examples,
    training: Training,
    ended: str,
    beside: Mapping[str, Scores] | None = None,
    remarks: tuple[str, ...] = (),
) -> Summary:
    """Scores the best epoch's weights on the test split and writes all that a finished run has, the summary last.

    `beside` are more scores to stand among the baselines, `remarks` more notes.
    """
    net.load_state_dict(training.best_model)
    probabilities_NC = probabilities(class_scores(net, data.test.images))
    truth_N, predicted_N = data.test.labels.cpu().numpy(), probabilities_NC.argmax(axis=1)
    model_sha256 = write_model(folder / MODEL, training.best_model)
    write_predictions(folder / PREDICTIONS, data.test.examples, run.classes, truth_N, probabilities_NC)
    write_seen(folder / SEEN, data.train.examples + data.val.examples)
    device = data.test.labels.device
    trained_seconds = sum(len(data.train) / metrics.images_per_second for metrics in training.history)
    summary = Summary(
        run=run.id,
        dataset=f"{run.dataset_name}@{run.dataset_version}",
        dataset_digest=run.dataset_digest,
        recipe=run.recipe,
        seed=run.options.seed,
        classes=run.classes,
        test=score(truth_N, predicted_N, run.classes, data.test.sources),
        baselines=baselines(run, data) | dict(beside or {}),
        split_sizes={"train": len(data.train), "val": len(data.val), "test": len(data.test)},
        epochs=training.epoch,
        best_epoch=training.best_epoch,
        ended=ended,
        train_loss=training.history[-1].train_loss,
        val_macro_f1=training.best.val_macro_f1,
        seconds=sum(metrics.seconds for metrics in training.history),
        images_per_second=training.epoch * len(data.train) / trained_seconds,
        parameters=sum(weights.numel() for weights in net.parameters()),
        weights=origin_of(net),
        device=torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"cpu, {torch.get_num_threads()} threads",
        options=asdict(run.options),
        notes=notes(run, data, origin_of(net)) + remarks,
        model_sha256=model_sha256,
        code_version=__version__,
        torch_version=torch.__version__,
    )
    write_summary(folder, summary)
    return summary


def baselines(run: TrainingRun, data: Examples) -> dict[str, Scores]:
    """What needs no net, on the test split: always the most frequent class; the class whose mean colour is nearest."""
    labels_N, truth_M = data.train.labels.cpu().numpy(), data.test.labels.cpu().numpy()
    guesses = {
        "majority": majority_guess(labels_N, len(truth_M)),
        "mean_colour": mean_colour_guess(mean_colours(data.train.images), labels_N, mean_colours(data.test.images)),
    }
    return {name: score(truth_M, guess_M, run.classes, data.test.sources) for name, guess_M in guesses.items()}


def origin_of(net: nn.Module) -> str:
    """What its weights began with."""
    return str(getattr(net, "origin", RANDOM))


def notes(run: TrainingRun, data: Examples, origin: str) -> tuple[str, ...]:
    """What a reader of the figures has to know."""
    found = []
    if run.options.weights and origin.startswith(RANDOM):
        found.append(f"no {run.options.weights} weights: training began with {origin}")
    if not len(data.val):
        unstopped = ", and patience had no effect" if run.options.patience else ""
        found.append(f"there are no validation examples: the last epoch's weights were kept{unstopped}")
    if (shots := len(set(data.test.sources))) < FEW_SHOTS:
        found.append(f"the test split comes from {shots} shot(s) alone: its figures say little about others")
    if absent := [run.classes[c] for c in range(len(run.classes)) if not (data.test.labels == c).any()]:
        found.append(f"no test example is {', '.join(absent)}: macro-F1 leaves that out")
    if run.options.amp and data.train.labels.device.type != "cuda":
        found.append("amp has no effect on a CPU")
    return tuple(found)


def write_model(path: Path, weights: State) -> str:
    """Writes the weights as safetensors and returns the file's SHA-256."""
    content = save({name: tensor.contiguous() for name, tensor in weights.items()})
    write_bytes(path, content)
    return sha256(content).hexdigest()


def write_predictions(
    path: Path,
    examples: tuple[Example, ...],
    classes: tuple[str, ...],
    truth_N: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    probabilities_NC: Probabilities,
) -> None:
    """One row per example: id, file, truth, prediction, the probability of each class in the order of `classes`.

    The classes stand in the table's metadata as JSON under `classes`.
    """
    predicted_N = probabilities_NC.argmax(axis=1)
    columns = {
        "example": [example.id for example in examples],
        "file": [example.file for example in examples],
        "truth": [classes[c] for c in truth_N],
        "predicted": [classes[c] for c in predicted_N],
        "probabilities": probabilities_NC.tolist(),
    }
    text = pa.string()
    schema = pa.schema(
        [
            ("example", text),
            ("file", text),
            ("truth", text),
            ("predicted", text),
            ("probabilities", pa.list_(pa.float32())),
        ],
        metadata={"classes": json.dumps(classes)},
    )
    _write_table(path, pa.table(columns, schema=schema))


def write_seen(path: Path, examples: tuple[Example, ...]) -> None:
    """Digest and shot of every picture that training or validation saw: an evaluation says what the model had met."""
    columns = {"sha256": [example.sha256 for example in examples], "shot": [example.shot for example in examples]}
    _write_table(path, pa.table(columns, schema=pa.schema([("sha256", pa.string()), ("shot", pa.string())])))


def _write_table(path: Path, table: pa.Table) -> None:
    stream = BytesIO()
    pq.write_table(table, stream, compression="zstd")
    write_bytes(path, stream.getvalue())
