"""The training loop, from top to bottom: a dataset and a recipe in, a finished run out.

It may be killed at any moment. Every epoch ends with a checkpoint, and every epoch draws all its randomness from the
run's seed and its own number, so a run that was killed ends with the same bits as one that was not (on a CPU with the
same number of threads; on CUDA with `deterministic`).
"""

import contextlib
import hashlib
import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.errors import CheckpointError, InputError
from pipeline.core.files import disk_errors, write_text
from pipeline.core.manifest import Dataset
from pipeline.core.progress import Progress, Silent
from train.augment import AugmentOptions, as_float, augmented
from train.best.fit import fit_best
from train.checkpoint import EpochMetrics, Training, load_checkpoint, save_checkpoint
from train.examples import Examples, Split, colour_statistics, read_examples
from train.metrics import confusion_of, macro_f1_of
from train.models import build_net
from train.options import TrainOptions
from train.outcome import write_outcome
from train.predict import choose_device, class_scores, on_device
from train.runs import CHECKPOINT, METRICS, Summary, TrainingRun, only_trainer, read_summary, write_card


def train(dataset: Dataset, run: TrainingRun, runs: Path, progress: Progress | None = None) -> Summary:
    """Trains to the end, going on where an earlier call was killed; a finished run is only read. Writes `runs/ID/`.

    Raises:
        DatasetError: an image is missing or damaged.
        CheckpointError: the run's own files are damaged.
        InputError: the loss is no number any more.
        MissingToolError: CUDA was asked for and there is none.
        WorkspaceBusyError: another process trains this run.
    """
    progress, folder, options = progress or Silent(), runs / run.id, run.options
    if (finished := read_summary(folder)) is not None:
        return finished
    device = choose_device(options.device)
    with only_trainer(folder), reproducible(device, options):
        if (finished := read_summary(folder)) is not None:
            return finished
        write_card(folder, run)
        data = read_examples(dataset, run.classes, options, device, progress)
        net = fresh_net(run, data, device)
        training = (fit_best if run.net == "best" else fit)(run, net, data, folder, progress)
        return write_outcome(folder, run, net, data, training, reason_to_stop(training, data, options) or "fitted")


def fit(run: TrainingRun, net: nn.Module, data: Examples, folder: Path, progress: Progress) -> Training:
    """Trains the net epoch by epoch; keeps checkpoint and metrics.jsonl. Raises InputError, CheckpointError."""
    options, train, device = run.options, data.train, data.train.images.device
    optimizer = build_optimizer(net, options)
    training = resume(folder, run, net, optimizer)
    weights_C = class_weights(train, options)
    on_tensor_cores = torch.autocast(device.type, torch.bfloat16, enabled=options.amp and device.type == "cuda")
    with progress.step(f"train {run.recipe}", (options.epochs - training.epoch) * len(train), "images") as step:
        while reason_to_stop(training, data, options) is None:
            epoch, started = training.epoch + 1, time.perf_counter()
            torch.manual_seed(seed_for(options, epoch, "dropout"))
            randomness = torch.Generator().manual_seed(seed_for(options, epoch, "order"))
            loss_sum = torch.zeros((), dtype=torch.float64, device=device)
            right = torch.zeros((), dtype=torch.int64, device=device)
            net.train()
            for rows in batches(train, options, randomness):
                images = train.images[rows]
                if options.augment:
                    images = augmented(images, options.image_size, randomness, AugmentOptions())
                else:
                    images = as_float(images)
                with on_tensor_cores:
                    scores = net(images)
                loss = functional.cross_entropy(
                    scores.float(), train.targets[rows], weights_C, label_smoothing=options.label_smoothing
                )
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                loss_sum += loss.detach() * len(rows)
                right += (scores.argmax(dim=1) == train.labels[rows]).sum()
                step.advance(len(rows))
            metrics = measured(epoch, options, loss_sum, right, net, data, started)
            stop_if_diverged(metrics, options)
            training.model = {name: tensor.detach().cpu().clone() for name, tensor in net.state_dict().items()}
            training.optimizer = optimizer.state_dict()
            training.history.append(metrics)
            if training.best_epoch == 0 or rank(metrics) > rank(training.best):
                training.best_epoch, training.best_model = epoch, training.model
            save_checkpoint(folder / CHECKPOINT, run.digest, training)
            with disk_errors(folder), (folder / METRICS).open("a", encoding="utf-8") as stream:
                stream.write(line_of(metrics))
            step.note(words_of(metrics, options))
    return training


def resume(folder: Path, run: TrainingRun, net: nn.Module, optimizer: torch.optim.Optimizer) -> Training:
    """Puts net, optimiser and metrics.jsonl back to the last checkpoint; before the first, leaves them fresh."""
    path = folder / CHECKPOINT
    training = load_checkpoint(path, run.digest)
    if training is None:
        training = Training(model=net.state_dict(), optimizer=optimizer.state_dict())
    else:
        try:
            net.load_state_dict(training.model)
            optimizer.load_state_dict(training.optimizer)
        except (RuntimeError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"{path} does not fit this net ({error}); delete it and run the same command again"
            ) from error
    write_text(folder / METRICS, "".join(line_of(metrics) for metrics in training.history))
    return training


def reason_to_stop(training: Training, data: Examples, options: TrainOptions) -> str | None:
    """Why no further epoch is due; None when one is."""
    if training.epoch >= options.epochs:
        return "all epochs done"
    waited = training.epoch - training.best_epoch
    if options.patience and len(data.val) and waited >= options.patience:
        return f"no better for {waited} epochs"
    return None


def rank(metrics: EpochMetrics) -> tuple[float, float]:
    """How good an epoch is, more is better: by validation macro-F1, then by loss; without validation the later is."""
    if metrics.val_macro_f1 is None or metrics.val_loss is None:
        return float(metrics.epoch), 0.0
    return metrics.val_macro_f1, -metrics.val_loss


def batches(train: Split, options: TrainOptions, randomness: torch.Generator) -> tuple[Tensor, ...]:
    """One epoch's row numbers, in batches: every example once, or as many drawn so that classes come equally often."""
    if options.class_balance == "sampler":
        labels = train.labels.cpu()
        chances = 1.0 / torch.bincount(labels).clamp(min=1)[labels]
        order = torch.multinomial(chances, len(train), replacement=True, generator=randomness)
    else:
        order = torch.randperm(len(train), generator=randomness)
    return torch.split(order.to(train.images.device), options.batch_size)


def class_weights(train: Split, options: TrainOptions) -> Tensor | None:
    """(C,) one over each class's frequency, 1 on average over the examples; None when the loss is not weighed."""
    if options.class_balance != "weights":
        return None
    counts = torch.bincount(train.labels.cpu(), minlength=train.targets.shape[1])
    return (len(train) / (counts.clamp(min=1) * len(counts))).to(train.labels.device)


def build_optimizer(net: nn.Module, options: TrainOptions) -> torch.optim.Optimizer:
    """The optimiser that the options name, over all parameters of the net."""
    assert options.learning_rate is not None, "resolve the options first"
    weights, rate, decay = list(net.parameters()), options.learning_rate, options.weight_decay
    match options.optimizer:
        case "adadelta":
            return torch.optim.Adadelta(weights, lr=rate, rho=0.95, weight_decay=decay)
        case "adagrad":
            return torch.optim.Adagrad(weights, lr=rate, weight_decay=decay)
        case "adam":
            return torch.optim.Adam(weights, lr=rate, weight_decay=decay)
        case "rmsprop":
            return torch.optim.RMSprop(weights, lr=rate, alpha=0.9, weight_decay=decay)
        case "sgd":
            return torch.optim.SGD(weights, lr=rate, momentum=options.momentum, weight_decay=decay)


def fresh_net(run: TrainingRun, data: Examples, device: torch.device) -> nn.Module:
    """The run's net before the first epoch, with the colour statistics of the training split."""
    mean_3, std_3 = colour_statistics(data.train.images)
    torch.manual_seed(seed_for(run.options, 0, "weights"))
    return on_device(build_net(run.net, len(run.classes), run.options, mean_3, std_3), device)


def measured(
    epoch: int, options: TrainOptions, loss_sum: Tensor, right: Tensor, net: nn.Module, data: Examples, started: float
) -> EpochMetrics:
    """The metrics of an epoch that has just been trained; validates."""
    examples = len(data.train)
    train_loss, train_accuracy = loss_sum.item() / examples, right.item() / examples
    train_seconds = time.perf_counter() - started
    val_loss = val_accuracy = val_macro_f1 = None
    if len(data.val):
        scores = class_scores(net, data.val.images).float()
        val_loss = functional.cross_entropy(scores, data.val.labels).item()
        truth, predicted = data.val.labels.cpu().numpy(), scores.argmax(dim=1).cpu().numpy()
        confusion = confusion_of(truth, predicted, scores.shape[1])
        val_accuracy, val_macro_f1 = float(np.trace(confusion) / len(truth)), macro_f1_of(confusion)
    return EpochMetrics(
        epoch=epoch,
        learning_rate=options.learning_rate or 0.0,
        train_loss=train_loss,
        train_accuracy=train_accuracy,
        val_loss=val_loss,
        val_accuracy=val_accuracy,
        val_macro_f1=val_macro_f1,
        seconds=time.perf_counter() - started,
        images_per_second=examples / train_seconds,
    )


def stop_if_diverged(metrics: EpochMetrics, options: TrainOptions) -> None:
    """Raises InputError when a loss is infinite or no number; nothing of that epoch has been kept then."""
    for loss in (metrics.train_loss, metrics.val_loss):
        if loss is not None and not math.isfinite(loss):
            raise InputError(
                f"the loss became {loss} in epoch {metrics.epoch}: a learning rate of {options.learning_rate:g} is too "
                f"high for {options.optimizer} here; try --set learning_rate={(options.learning_rate or 1.0) / 10:g}"
            )


def seed_for(options: TrainOptions, epoch: int, purpose: str) -> int:
    """A seed of 63 bits that differs with the run's seed, the epoch and the purpose."""
    return int.from_bytes(hashlib.sha256(f"{options.seed} {epoch} {purpose}".encode()).digest()[:8]) >> 1


def line_of(metrics: EpochMetrics) -> str:
    """The line of metrics.jsonl."""
    return json.dumps(asdict(metrics)) + "\n"


def words_of(metrics: EpochMetrics, options: TrainOptions) -> str:
    """An epoch for people who watch."""
    validated = "" if metrics.val_macro_f1 is None else f", val macro-F1 {metrics.val_macro_f1:.3f}"
    return f"epoch {metrics.epoch} of {options.epochs}, loss {metrics.train_loss:.3f}{validated}"


@contextlib.contextmanager
def reproducible(device: torch.device, options: TrainOptions) -> Iterator[None]:
    """Within the block torch is deterministic (on a CPU always), its global generators ours; then all is as before."""
    memory: Any = torch.utils.deterministic  # mypy does not know its property
    strict = device.type == "cpu" or options.deterministic
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    filled, searched = memory.fill_uninitialized_memory, torch.backends.cudnn.benchmark
    if strict:
        os.environ.setdefault(
            "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
        )  # cuBLAS gives the same bits only with a fixed workspace
    try:
        torch.use_deterministic_algorithms(strict, warn_only=device.type == "cuda")
        memory.fill_uninitialized_memory = False  # a safety net for reading unset memory; costs a tenth
        torch.backends.cudnn.benchmark = not strict
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        memory.fill_uninitialized_memory = filled
        torch.backends.cudnn.benchmark = searched
