"""What is known of an epoch: its sums while it runs, its metrics at its end, its line, and which epoch was best."""

import json
import math
import time
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.core.errors import InputError
from train.checkpoint import EpochMetrics
from train.examples import Examples
from train.losses import validation_loss
from train.metrics import confusion_of, macro_f1_of
from train.options import TrainOptions
from train.predict import class_scores
from train.schedule import phase_of
from train.team import Team


class Sums:
    """Adds up an epoch's losses and hits, on the device; a loss that is no number is noticed.

    On a CPU it stops the epoch at once; elsewhere, where looking would make the device wait, at the epoch's end.
    """

    def __init__(self, epoch: int, options: TrainOptions, device: torch.device) -> None:
        self.epoch, self.options, self.started = epoch, options, time.perf_counter()
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=device)
        self.right = torch.zeros((), dtype=torch.int64, device=device)
        self.first_bad = torch.full((), -1, dtype=torch.int64, device=device)

    def add(self, step: int, loss: Tensor, scores_NC: Tensor, labels_N: Tensor) -> None:
        """Counts a step's batch. Raises InputError on a CPU when the loss is infinite or no number."""
        loss = loss.detach()
        self.loss_sum += loss * len(labels_N)
        self.right += (scores_NC.argmax(dim=1) == labels_N).sum()
        if loss.device.type == "cpu":
            if not math.isfinite(loss.item()):
                raise diverged(loss.item(), self.epoch, step, self.options)
        else:
            self.first_bad = torch.where(torch.isfinite(loss) | (self.first_bad >= 0), self.first_bad, step)

    def metrics(self, net: nn.Module, data: Examples, rate: float, team: Team) -> EpochMetrics:
        """The epoch's metrics; validates the net. Raises InputError when a loss was infinite or no number."""
        count, options = len(data.train), self.options
        if (bad := int(self.first_bad.item())) >= 0:
            raise diverged(math.nan, self.epoch, bad, options)
        train_loss, right = team.sum(self.loss_sum).item() / count, team.sum(self.right).item()
        train_seconds = time.perf_counter() - self.started
        val_loss = val_accuracy = val_macro_f1 = None
        if len(data.val):
            scores = class_scores(net, data.val.images).float()
            val_loss = validation_loss(scores, data.val.labels, options)
            truth, predicted = data.val.labels.cpu().numpy(), scores.argmax(dim=1).cpu().numpy()
            confusion = confusion_of(truth, predicted, scores.shape[1])
            val_accuracy, val_macro_f1 = float(np.trace(confusion) / len(truth)), macro_f1_of(confusion)
        for loss in (train_loss, val_loss):
            if loss is not None and not math.isfinite(loss):
                raise diverged(loss, self.epoch, None, options)
        return EpochMetrics(
            epoch=self.epoch,
            phase=phase_of(options, self.epoch),
            learning_rate=rate,
            train_loss=train_loss,
            train_accuracy=right / count,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            val_macro_f1=val_macro_f1,
            seconds=time.perf_counter() - self.started,
            images_per_second=count / train_seconds,
        )


def diverged(loss: float, epoch: int, step: int | None, options: TrainOptions) -> InputError:
    """The error for a loss that is infinite or no number; nothing of that epoch has been kept then."""
    where = "the validation after it" if step is None else f"step {step + 1}"
    kept = f"the checkpoint of epoch {epoch - 1} is kept" if epoch > 1 else "nothing was kept"
    rate = options.learning_rate or 1.0
    return InputError(
        f"the loss became {loss} in epoch {epoch}, {where} ({kept}): a learning rate of {rate:g} is too high for "
        f"{options.optimizer} here; try --set learning_rate={rate / 10:g}, or --set gradient_clip=1"
    )


def rank(metrics: EpochMetrics) -> tuple[float, float]:
    """How good an epoch is, more is better: by validation macro-F1, then by loss; without validation the later is."""
    if metrics.val_macro_f1 is None or metrics.val_loss is None:
        return float(metrics.epoch), 0.0
    return metrics.val_macro_f1, -metrics.val_loss


def line_of(metrics: EpochMetrics) -> str:
    """The line of metrics.jsonl."""
    return json.dumps(asdict(metrics)) + "\n"


def words_of(metrics: EpochMetrics, options: TrainOptions) -> str:
    """An epoch for people who watch."""
    validated = "" if metrics.val_macro_f1 is None else f", val macro-F1 {metrics.val_macro_f1:.3f}"
    return f"epoch {metrics.epoch} of {options.epochs}, loss {metrics.train_loss:.3f}{validated}"
