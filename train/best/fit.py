"""Fits `best`: published weights into the body, the upper blocks and the head tuned, one checkpoint at the end."""

import time
from pathlib import Path

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.errors import UsageError
from pipeline.core.files import write_text
from pipeline.core.progress import Progress
from train.best import tuning
from train.best.backbone import ORIGIN, packaged_weights
from train.best.net import BestNet
from train.checkpoint import EpochMetrics, Training, load_checkpoint, save_checkpoint
from train.epochs import line_of
from train.examples import Examples
from train.expressions.taught import ORIGIN as TAUGHT
from train.expressions.taught import TAUGHT_WEIGHTS, taught_weights
from train.metrics import confusion_of, macro_f1_of
from train.predict import class_scores
from train.runs import CHECKPOINT, METRICS, TrainingRun

BEST = "best"
"""the net that is fitted here"""


def fit_best(run: TrainingRun, net: nn.Module, data: Examples, folder: Path, progress: Progress) -> Training:
    """Fills the net and leaves a checkpoint and one line in metrics.jsonl; a killed fit starts over, it takes minutes.

    Raises:
        MissingToolError: the ImageNet weights are not installed.
        CheckpointError: they, or the run's own checkpoint, are damaged.
        UsageError: the options name other weights than there are for it.
        InputError: the loss is no number any more.
    """
    best = inside(net)
    if (done := load_checkpoint(folder / CHECKPOINT, run.digest)) is not None:
        return done
    started = time.perf_counter()
    weights, origin = begun_with(run.options.weights)
    best.body.load_state_dict({name: tensor.to(data.train.labels.device) for name, tensor in weights.items()})
    best.eval()
    images = tuning.images_of(len(data.train), run.options.image_size)
    with progress.step(f"train {run.recipe}", images, "images") as step:
        tuned = tuning.tune(best, data.train, run.options, step.advance)
    seconds = time.perf_counter() - started
    history = [_measured(net, data, tuned, seconds, images)]
    state = {name: tensor.detach().cpu().clone() for name, tensor in net.state_dict().items()}
    training = Training(model=state, optimizer={}, origin=origin, best_epoch=1, best_model=state, history=history)
    save_checkpoint(folder / CHECKPOINT, run.digest, training)
    write_text(folder / METRICS, "".join(line_of(metrics) for metrics in history))
    return training


def begun_with(wanted: str | None) -> tuple[dict[str, Tensor], str]:
    """The body's weights before tuning, and what summary.json says of them. Raises as `fit_best` does."""
    if wanted not in (TAUGHT_WEIGHTS, "imagenet"):
        raise UsageError(f"the recipe {BEST} begins with the weights {TAUGHT_WEIGHTS} or imagenet, not {wanted!r}")
    imagenet = packaged_weights()
    return (taught_weights(imagenet), f"{ORIGIN}, {TAUGHT}") if wanted == TAUGHT_WEIGHTS else (imagenet, ORIGIN)


def inside(net: nn.Module) -> BestNet:
    """The net within its normalisation, which is switched off: the body has its own."""
    net.get_buffer("mean").zero_()
    net.get_buffer("std").fill_(1.0)
    best = net.get_submodule("net")
    assert isinstance(best, BestNet), "fit_best fits the net best alone"
    return best


def _measured(net: nn.Module, data: Examples, tuned: tuning.Tuned, seconds: float, images: int) -> EpochMetrics:
    """The one line of metrics.jsonl."""
    val_loss = val_accuracy = val_macro_f1 = None
    if len(data.val):
        scores = class_scores(net, data.val.images).float()
        val_loss = functional.cross_entropy(scores, data.val.labels).item()
        truth, predicted = data.val.labels.cpu().numpy(), scores.argmax(dim=1).cpu().numpy()
        confusion = confusion_of(truth, predicted, scores.shape[1])
        val_accuracy, val_macro_f1 = float(np.trace(confusion) / len(truth)), macro_f1_of(confusion)
    rows = tuned.rows.to(data.train.labels.device)
    return EpochMetrics(
        epoch=1,
        learning_rate=0.0,
        train_loss=functional.cross_entropy(tuned.scores, data.train.targets[rows]).item(),
        train_accuracy=(tuned.scores.argmax(dim=1) == data.train.labels[rows]).double().mean().item(),
        val_loss=val_loss,
        val_accuracy=val_accuracy,
        val_macro_f1=val_macro_f1,
        seconds=seconds,
        images_per_second=images / seconds,
    )
