"""Fits the judge of an ensemble: the whole of the votes in every step, as many steps as help on folds held out.

A judge of few votes soon knows them by heart. So it begins as the plain average (`train.models.stacked`), is fitted once
without each fold of the members, and stops where those folds were judged best: early stopping (Prechelt 1998) by
cross-validation, for which neither the validation nor the test split is looked at.
"""

import copy
from collections.abc import Iterator
from time import perf_counter

import torch
from torch import Tensor
from torch.nn import functional

from train.checkpoint import EpochMetrics
from train.metrics import confusion_of, macro_f1_of
from train.models.stacked import Judge, log_odds
from train.options import TrainOptions

MOST_STEPS, PATIENCE = 200, 30
RATE = 0.005
DECAY = 0.01
LEAST_DEVIATION = 0.1
"""a vote that hardly differs between examples is not blown up"""


def fit_judge(
    judge: Judge,
    votes_NV: Tensor,
    labels_N: Tensor,
    folds_N: Tensor,
    validation: tuple[Tensor, Tensor],
    options: TrainOptions,
) -> list[EpochMetrics]:
    """Trains the judge in place on votes (N, 2 C) out of fold; the metrics of every step, on `validation` too.

    With any `class_balance` classes weigh the same, as they did for the members.

    Args:
        folds_N: which fold's members did not see the example.
    """
    counts = torch.bincount(labels_N, minlength=judge.scores.out_features).clamp(min=1)
    weights = None if options.class_balance == "none" else len(labels_N) / (counts * len(counts))
    wanted = _steps_that_help(judge, votes_NV, labels_N, folds_N, weights)
    history = []
    started = perf_counter()
    for step, (loss, right) in enumerate(_steps(judge, votes_NV, labels_N, weights, wanted), 1):
        history.append(_measured(step, judge, loss, right, validation, len(labels_N), perf_counter() - started))
        started = perf_counter()
    judge.eval()
    return history


def _steps_that_help(judge: Judge, votes_NV: Tensor, labels_N: Tensor, folds_N: Tensor, weights: Tensor | None) -> int:
    """After how many steps, at least one, the loss on folds that were left out is least."""
    lessons = []
    for fold in sorted(set(folds_N.tolist())):
        held, pupil = folds_N == fold, copy.deepcopy(judge)
        lessons.append((held, pupil, _steps(pupil, votes_NV[~held], labels_N[~held], weights, MOST_STEPS)))
    least, wanted = float("inf"), 1
    for step in range(1, MOST_STEPS + 1):
        loss = 0.0
        for held, pupil, lesson in lessons:
            next(lesson)
            with torch.no_grad():
                scores = pupil.eval()(votes_NV[held])
            loss += functional.cross_entropy(scores, labels_N[held], weights, reduction="sum").item()
        if loss < least:
            least, wanted = loss, step
        elif step - wanted >= PATIENCE:
            break
    return wanted


def _steps(
    judge: Judge, votes_NV: Tensor, labels_N: Tensor, weights: Tensor | None, count: int
) -> Iterator[tuple[float, float]]:
    """Trains in place; loss and accuracy of each step, before it."""
    features = log_odds(votes_NV)
    judge.mean.copy_(features.mean(dim=0))
    judge.std.copy_(features.std(dim=0, correction=0).clamp(min=LEAST_DEVIATION))
    optimizer = torch.optim.AdamW(judge.parameters(), lr=RATE, weight_decay=DECAY)
    for _ in range(count):
        judge.train()
        scores = judge(votes_NV)
        loss = functional.cross_entropy(scores, labels_N, weights)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        yield loss.item(), (scores.argmax(dim=1) == labels_N).double().mean().item()


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
