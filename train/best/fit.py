"""Fits `best`: features of the training pictures and of changed copies of them, then a regularised linear head."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from torch import nn
from torch.nn import functional

from pipeline.core.files import write_text
from pipeline.core.progress import Progress
from train.augment import AugmentOptions, as_float, augmented
from train.best.backbone import ORIGIN, packaged_weights
from train.best.linear import Linear, balance, basis_of, fit_linear, fold_of
from train.best.net import BestNet
from train.checkpoint import EpochMetrics, Training, load_checkpoint, save_checkpoint
from train.epochs import line_of
from train.examples import Examples, Split
from train.metrics import confusion_of, macro_f1_of
from train.models.normalised import Normalised, grey_of
from train.options import TrainOptions
from train.predict import class_scores
from train.randomness import seed_for
from train.runs import CHECKPOINT, METRICS, TrainingRun

BEST = "best"
"""the net that is fitted here"""
COPIES = 4
"""of every training picture: itself and the others changed"""
FEW = 1500
"""from so many training pictures on there is one changed copy alone"""
CHANGES = AugmentOptions(
    shift_fraction=0.08, scale_fraction=0.15, turn_degrees=12.0, brightness=0.3, contrast=0.3, colour=0.5
)
STRENGTHS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
"""of the penalty, for features of mean square norm 1"""
USUAL_STRENGTH = 1e-3
"""where there are too few groups to choose by"""
FOLDS, FEWEST_GROUPS = 5, 15
BALANCE = 0.5
"""half way from the classes' frequencies to equality"""
BATCH = 64

Floats = NDArray[np.float64]


def fit_best(run: TrainingRun, net: nn.Module, data: Examples, folder: Path, progress: Progress) -> Training:
    """Fills the net and leaves a checkpoint and one line in metrics.jsonl; a killed fit starts over, it is short.

    Raises:
        MissingToolError: the ImageNet weights are not installed.
        CheckpointError: they, or the run's own checkpoint, are damaged.
    """
    best = inside(net)
    assert isinstance(net, Normalised), "build_net makes no others"
    net.origin = ORIGIN
    if (done := load_checkpoint(folder / CHECKPOINT, run.digest)) is not None:
        return done
    started = time.perf_counter()
    best.body.load_state_dict(
        {name: tensor.to(data.train.labels.device) for name, tensor in packaged_weights().items()}
    )
    best.eval()
    copies = COPIES if len(data.train) < FEW else 2
    with progress.step(f"train {run.recipe}", copies * len(data.train), "images") as step:
        features_KND = np.stack(
            [_features(best, data.train, number, run.options, step.advance) for number in range(copies)]
        )
        targets_NC = data.train.targets.double().cpu().numpy()
        labels_N = data.train.labels.cpu().numpy()
        mean_D, scale_D = statistics_of(features_KND)
        scaled_KND = (features_KND - mean_D) * scale_D
        basis_DR = basis_of(scaled_KND.reshape(-1, scaled_KND.shape[-1]))
        reduced_KNR = scaled_KND @ basis_DR
        strength = choose_strength(reduced_KNR, targets_NC, labels_N, data.train.sources, run.options.seed)
        step.note(f"penalty {strength:g}")
        head = fit_copies(reduced_KNR, targets_NC, labels_N, strength)
        fill(best, mean_D, scale_D, Linear(basis_DR @ head.weights, head.bias))
    seconds = time.perf_counter() - started
    history = [_measured(net, data, head.scores(reduced_KNR[0]), targets_NC, seconds, copies)]
    state = {name: tensor.detach().cpu().clone() for name, tensor in net.state_dict().items()}
    training = Training(model=state, optimizer={"strength": strength}, best_epoch=1, best_model=state, history=history)
    save_checkpoint(folder / CHECKPOINT, run.digest, training)
    write_text(folder / METRICS, "".join(line_of(metrics) for metrics in history))
    return training


def inside(net: nn.Module) -> BestNet:
    """The net within its normalisation, which is switched off: the body has its own."""
    net.get_buffer("mean").zero_()
    net.get_buffer("std").fill_(1.0)
    best = net.get_submodule("net")
    assert isinstance(best, BestNet), "fit_best fits the net best alone"
    return best


def choose_strength(
    reduced_KNR: Floats, targets_NC: Floats, labels_N: NDArray[np.int64], groups: Sequence[str], seed: int
) -> float:
    """The penalty with the least cross-entropy, classes balanced, on groups that were left out; the usual one for few groups."""
    if len(set(groups)) < FEWEST_GROUPS or np.bincount(labels_N).min() < 2:
        return USUAL_STRENGTH
    fold_N = fold_of(groups, labels_N, FOLDS, seed)
    importance_N = balance(labels_N, targets_NC.shape[1], 1.0)
    losses = np.zeros(len(STRENGTHS))
    for fold in range(FOLDS):
        held = fold_N == fold
        if not held.any() or len(np.unique(labels_N[~held])) < targets_NC.shape[1]:
            continue
        for place, strength in enumerate(STRENGTHS):
            head = fit_copies(reduced_KNR[:, ~held], targets_NC[~held], labels_N[~held], strength)
            wrong_N = -(targets_NC[held] * log_softmax(head.scores(reduced_KNR[0, held]), axis=1)).sum(axis=1)
            losses[place] += (importance_N[held] * wrong_N).sum()
    return STRENGTHS[int(losses.argmin())] if losses.any() else USUAL_STRENGTH


def statistics_of(features_KND: Floats) -> tuple[Floats, Floats]:
    """Mean and scale (D,) after which features deviate by 1 (rare ones by less) and have a mean square norm of 1."""
    flat_MD = features_KND.reshape(-1, features_KND.shape[-1])
    deviation_D = flat_MD.std(axis=0)
    deviation_D += 1e-3 * max(float(deviation_D.mean()), 1e-9)
    mean_D = flat_MD.mean(axis=0)
    norm = np.sqrt((((flat_MD - mean_D) / deviation_D) ** 2).sum(axis=1).mean())
    return mean_D, 1.0 / (deviation_D * max(float(norm), 1e-9))


def fit_copies(reduced_KNR: Floats, targets_NC: Floats, labels_N: NDArray[np.int64], strength: float) -> Linear:
    """The head for every copy of every example; classes weigh half way between their frequency and equality."""
    copies, classes = len(reduced_KNR), targets_NC.shape[1]
    importance_N = balance(labels_N, classes, BALANCE)
    flat_MR = reduced_KNR.reshape(-1, reduced_KNR.shape[-1])
    return fit_linear(flat_MR, np.tile(targets_NC, (copies, 1)), np.tile(importance_N, copies), strength)


def fill(best: BestNet, mean_D: Floats, scale_D: Floats, head: Linear) -> None:
    """Puts the fitted head into the net."""
    with torch.no_grad():
        best.mean.copy_(torch.from_numpy(mean_D))
        best.scale.copy_(torch.from_numpy(scale_D))
        best.head.weight.copy_(torch.from_numpy(head.weights.T))
        best.head.bias.copy_(torch.from_numpy(head.bias))


def _features(
    best: BestNet, train: Split, number: int, options: TrainOptions, advance: Callable[[int], None]
) -> Floats:
    """(N, D) of the training pictures as they are (copy 0), mirrored (copy 1), or changed at random."""
    randomness, side = torch.Generator().manual_seed(seed_for(options, number, "copy")), options.image_size
    found: list[Floats] = []
    with torch.inference_mode():
        for rows in torch.split(torch.arange(len(train), device=train.labels.device), BATCH):
            images = train.pictures(rows)
            if number < 2:
                seen = functional.interpolate(as_float(images), size=(side, side), mode="bilinear", antialias=True)
                seen = seen.flip(3) if number else seen
            else:
                seen = augmented(images, side, randomness, CHANGES)
            if options.grey:
                seen = grey_of(seen)
            found.append(best.features(seen).double().cpu().numpy())
            advance(len(images))
    return np.concatenate(found)


def _measured(
    net: nn.Module, data: Examples, scores_NC: Floats, targets_NC: Floats, seconds: float, copies: int
) -> EpochMetrics:
    """The one line of metrics.jsonl; `scores_NC` are the head's of the training pictures as they are."""
    val_loss = val_accuracy = val_macro_f1 = None
    if len(data.val):
        scores = class_scores(net, data.val.images).float()
        val_loss = functional.cross_entropy(scores, data.val.labels).item()
        truth, predicted = data.val.labels.cpu().numpy(), scores.argmax(dim=1).cpu().numpy()
        confusion = confusion_of(truth, predicted, scores.shape[1])
        val_accuracy, val_macro_f1 = float(np.trace(confusion) / len(truth)), macro_f1_of(confusion)
    labels_N = data.train.labels.cpu().numpy()
    return EpochMetrics(
        epoch=1,
        learning_rate=0.0,
        train_loss=float(-(targets_NC * log_softmax(scores_NC, axis=1)).sum(axis=1).mean()),
        train_accuracy=float((scores_NC.argmax(axis=1) == labels_N).mean()),
        val_loss=val_loss,
        val_accuracy=val_accuracy,
        val_macro_f1=val_macro_f1,
        seconds=seconds,
        images_per_second=copies * len(data.train) / seconds,
    )
