"""Fits the judge of an ensemble: the whole of the votes in every step, a fixed number of steps, nothing chosen."""

from time import perf_counter

import torch
from torch import Tensor
from torch.nn import functional

from train.checkpoint import EpochMetrics
from train.metrics import confusion_of, macro_f1_of
from train.models.stacked import Judge, log_odds
from train.options import TrainOptions

STEPS = 200
RATE = 0.01
DECAY = 0.01
LEAST_DEVIATION = 0.1
"""a vote that hardly differs between examples is not blown up"""


def fit_judge(
    judge: Judge, votes_NV: Tensor, labels_N: Tensor, validation: tuple[Tensor, Tensor], options: TrainOptions
) -> list[EpochMetrics]:
    """Trains the judge in place on votes (N, 2 C) out of fold; the metrics of every step, on `validation` too.

    With any `class_balance` classes weigh the same, as they did for the members.
    """
    features = log_odds(votes_NV)
    judge.mean.copy_(features.mean(dim=0))
    judge.std.copy_(features.std(dim=0, correction=0).clamp(min=LEAST_DEVIATION))
    counts = torch.bincount(labels_N, minlength=judge.scores.out_features).clamp(min=1)
    weights = None if options.class_balance == "none" else len(labels_N) / (counts * len(counts))
    optimizer = torch.optim.AdamW(judge.parameters(), lr=RATE, weight_decay=DECAY)
    history = []
    for step in range(1, STEPS + 1):
        started = perf_counter()
        judge.train()
        scores = judge(votes_NV)
        loss = functional.cross_entropy(scores, labels_N, weights)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        right = (scores.argmax(dim=1) == labels_N).double().mean().item()
        history.append(_measured(step, judge, loss.item(), right, validation, len(labels_N), perf_counter() - started))
    judge.eval()
    return history


def _measured(
    step: int,
    judge: Judge,
    loss: float,
    right: float,
    validation: tuple[Tensor, Tensor],
    examples: int,
    seconds: float,
) -> EpochMetrics:
    val_loss = val_accuracy = val_macro_f1 = None
    votes_NV, labels_N = validation
    if len(labels_N):
        with torch.no_grad():
            scores = judge.eval()(votes_NV)
        val_loss = functional.cross_entropy(scores, labels_N).item()
        truth, predicted = labels_N.cpu().numpy(), scores.argmax(dim=1).cpu().numpy()
        confusion = confusion_of(truth, predicted, scores.shape[1])
        val_accuracy, val_macro_f1 = float((truth == predicted).mean()), macro_f1_of(confusion)
    return EpochMetrics(
        epoch=step,
        learning_rate=RATE,
        train_loss=loss,
        train_accuracy=right,
        val_loss=val_loss,
        val_accuracy=val_accuracy,
        val_macro_f1=val_macro_f1,
        seconds=seconds,
        images_per_second=examples / max(seconds, 1e-9),
    )
