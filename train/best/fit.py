"""Fits `best`: tunes the upper blocks where there are shots enough, else puts shrunk discriminants on the body as it is."""

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
from train.augment import as_float
from train.best import tuning
from train.best.backbone import ORIGIN, packaged_weights
from train.best.linear import ROWS, Linear, balance, basis_of, fit_discriminant, fold_of
from train.best.net import BestNet
from train.checkpoint import EpochMetrics, Training, load_checkpoint, save_checkpoint
from train.epochs import line_of
from train.examples import Examples, Split
from train.metrics import confusion_of, macro_f1_of
from train.models.normalised import Normalised, grey_of
from train.options import TrainOptions
from train.predict import class_scores
from train.runs import CHECKPOINT, METRICS, TrainingRun

BEST = "best"
"""the net that is fitted here"""
COPIES = 2
"""of every training picture: itself and its mirror image"""
SHRINKAGES, SHARPNESSES = (0.1, 0.2, 0.3, 0.5, 0.8), (0.03, 0.06, 0.12, 0.25, 0.5, 1.0)
"""of the discriminant: what cross-validation chooses from"""
USUAL = (0.3, 0.25)
"""where there are too few groups to choose by"""
FOLDS, FEWEST_GROUPS = 5, 15
BALANCE = 0.5
"""half way from the classes' frequencies to equality"""
BATCH, CHUNK = 64, 1024
"""pictures that are seen, and features that are scaled, at a time"""

Floats = NDArray[np.float64]
Seen = NDArray[np.float32]


def fit_best(run: TrainingRun, net: nn.Module, data: Examples, folder: Path, progress: Progress) -> Training:
    """Fills the net and leaves a checkpoint and one line in metrics.jsonl; a killed fit starts over, it takes minutes.

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
    targets_NC = data.train.targets.double().cpu().numpy()
    labels_N = data.train.labels.cpu().numpy()
    chosen: dict[str, float] = {}
    rows_M = np.arange(len(labels_N))
    if is_enough_to_tune(labels_N, data.train.sources):
        total = tuning.images_of(len(data.train), run.options.image_size)
        with progress.step(f"train {run.recipe}", total, "images") as step:
            tuned = tuning.tune(best, data.train, run.options, step.advance)
        rows_M, scores_MC = tuned.rows.numpy(), tuned.scores.double().cpu().numpy()
    else:
        scores_MC, chosen = _discriminants(best, run, data.train, targets_NC, labels_N, progress)
    seconds = time.perf_counter() - started
    history = [_measured(net, data, scores_MC, rows_M, seconds)]
    state = {name: tensor.detach().cpu().clone() for name, tensor in net.state_dict().items()}
    training = Training(model=state, optimizer=dict(chosen), best_epoch=1, best_model=state, history=history)
    save_checkpoint(folder / CHECKPOINT, run.digest, training)
    write_text(folder / METRICS, "".join(line_of(metrics) for metrics in history))
    return training


def is_enough_to_tune(labels_N: NDArray[np.int64], groups: Sequence[str]) -> bool:
    """Whether there are shots and examples enough to train more than a head; fewer are learned by heart."""
    return len(set(groups)) >= FEWEST_GROUPS and np.bincount(labels_N).min() >= 2


def _discriminants(
    best: BestNet, run: TrainingRun, train: Split, targets_NC: Floats, labels_N: NDArray[np.int64], progress: Progress
) -> tuple[Floats, dict[str, float]]:
    """Fills the net's head on the body as it is; the scores of the training pictures, and what was chosen."""
    with progress.step(f"train {run.recipe}", COPIES * len(train), "images") as step:
        features_KND = np.stack(
            [_features(best, train, bool(number), run.options, step.advance) for number in range(COPIES)]
        )
        mean_D, scale_D = statistics_of(features_KND)
        basis_DR, reduced_KNR = reduced(features_KND, mean_D, scale_D)
        shrinkage, sharpness = choose(reduced_KNR, targets_NC, labels_N, train.sources, run.options.seed)
        step.note(f"shrinkage {shrinkage:g}, sharpness {sharpness:g}")
        head = fit_copies(reduced_KNR, targets_NC, shrinkage).sharpened(sharpness)
        fill(best, mean_D, scale_D, Linear(basis_DR @ head.weights, head.bias))
    return head.scores(reduced_KNR[0]), {"shrinkage": shrinkage, "sharpness": sharpness}


def inside(net: nn.Module) -> BestNet:
    """The net within its normalisation, which is switched off: the body has its own."""
    net.get_buffer("mean").zero_()
    net.get_buffer("std").fill_(1.0)
    best = net.get_submodule("net")
    assert isinstance(best, BestNet), "fit_best fits the net best alone"
    return best


def choose(
    reduced_KNR: Floats, targets_NC: Floats, labels_N: NDArray[np.int64], groups: Sequence[str], seed: int
) -> tuple[float, float]:
    """Shrinkage and sharpness with the least cross-entropy, classes balanced, on groups that were left out."""
    if len(set(groups)) < FEWEST_GROUPS or np.bincount(labels_N).min() < 2:
        return USUAL
    fold_N = fold_of(groups, labels_N, FOLDS, seed)
    importance_N = balance(labels_N, targets_NC.shape[1], 1.0)
    losses = np.zeros((len(SHRINKAGES), len(SHARPNESSES)))
    for fold in range(FOLDS):
        held = fold_N == fold
        if not held.any() or len(np.unique(labels_N[~held])) < targets_NC.shape[1]:
            continue
        for row, shrinkage in enumerate(SHRINKAGES):
            scores_MC = fit_copies(reduced_KNR[:, ~held], targets_NC[~held], shrinkage).scores(reduced_KNR[0, held])
            for column, sharpness in enumerate(SHARPNESSES):
                wrong_M = -(targets_NC[held] * log_softmax(sharpness * scores_MC, axis=1)).sum(axis=1)
                losses[row, column] += (importance_N[held] * wrong_M).sum()
    if not losses.any():
        return USUAL
    best_row, best_column = divmod(int(losses.argmin()), len(SHARPNESSES))
    return SHRINKAGES[best_row], SHARPNESSES[best_column]


def statistics_of(features_KND: Seen) -> tuple[Floats, Floats]:
    """Mean and scale (D,) after which features deviate by 1 (rare ones by less) and have a mean square norm of 1."""
    flat_MD = features_KND.reshape(-1, features_KND.shape[-1])
    square_D = np.zeros(flat_MD.shape[1])
    mean_D = flat_MD.mean(axis=0, dtype=np.float64)
    for start in range(0, len(flat_MD), CHUNK):
        square_D += ((flat_MD[start : start + CHUNK] - mean_D) ** 2).sum(axis=0)
    deviation_D = np.sqrt(square_D / len(flat_MD))
    deviation_D += 1e-3 * max(float(deviation_D.mean()), 1e-9)
    norm = np.sqrt((square_D / len(flat_MD) / deviation_D**2).sum())
    return mean_D, 1.0 / (deviation_D * max(float(norm), 1e-9))


def reduced(features_KND: Seen, mean_D: Floats, scale_D: Floats) -> tuple[Floats, Floats]:
    """A basis (D, R) of what the scaled features span, and the features in it (K, N, R); never all of them scaled at once."""
    flat_MD = features_KND.reshape(-1, features_KND.shape[-1])
    basis_DR = basis_of((flat_MD[:: -(-len(flat_MD) // ROWS)] - mean_D) * scale_D)
    found = [
        ((flat_MD[start : start + CHUNK] - mean_D) * scale_D) @ basis_DR for start in range(0, len(flat_MD), CHUNK)
    ]
    return basis_DR, np.concatenate(found).reshape(*features_KND.shape[:2], basis_DR.shape[1])


def fit_copies(reduced_KNR: Floats, targets_NC: Floats, shrinkage: float) -> Linear:
    """The head for every copy of every example; the classes' prior is half way between their frequency and equality."""
    flat_MR = reduced_KNR.reshape(-1, reduced_KNR.shape[-1])
    return fit_discriminant(flat_MR, np.tile(targets_NC, (len(reduced_KNR), 1)), shrinkage, BALANCE)


def fill(best: BestNet, mean_D: Floats, scale_D: Floats, head: Linear) -> None:
    """Puts the fitted head into the net."""
    with torch.no_grad():
        best.mean.copy_(torch.from_numpy(mean_D))
        best.scale.copy_(torch.from_numpy(scale_D))
        best.head.weight.copy_(torch.from_numpy(head.weights.T))
        best.head.bias.copy_(torch.from_numpy(head.bias))


def _features(
    best: BestNet, train: Split, mirrored: bool, options: TrainOptions, advance: Callable[[int], None]
) -> Seen:
    """(N, D) of the training pictures as they are, or mirrored."""
    side, found = options.image_size, []
    with torch.inference_mode():
        for rows in torch.split(torch.arange(len(train), device=train.labels.device), BATCH):
            images = train.pictures(rows)
            seen = functional.interpolate(as_float(images), size=(side, side), mode="bilinear", antialias=True)
            if options.grey:
                seen = grey_of(seen)
            found.append(best.features(seen.flip(3) if mirrored else seen).float().cpu().numpy())
            advance(len(images))
    return np.concatenate(found)


def _measured(
    net: nn.Module, data: Examples, scores_MC: Floats, rows_M: NDArray[np.int64], seconds: float
) -> EpochMetrics:
    """The one line of metrics.jsonl; `scores_MC` are the head's of these training pictures as they are."""
    val_loss = val_accuracy = val_macro_f1 = None
    if len(data.val):
        scores = class_scores(net, data.val.images).float()
        val_loss = functional.cross_entropy(scores, data.val.labels).item()
        truth, predicted = data.val.labels.cpu().numpy(), scores.argmax(dim=1).cpu().numpy()
        confusion = confusion_of(truth, predicted, scores.shape[1])
        val_accuracy, val_macro_f1 = float(np.trace(confusion) / len(truth)), macro_f1_of(confusion)
    labels_M, targets_MC = data.train.labels.cpu().numpy()[rows_M], data.train.targets.cpu().numpy()[rows_M]
    return EpochMetrics(
        epoch=1,
        learning_rate=0.0,
        train_loss=float(-(targets_MC * log_softmax(scores_MC, axis=1)).sum(axis=1).mean()),
        train_accuracy=float((scores_MC.argmax(axis=1) == labels_M).mean()),
        val_loss=val_loss,
        val_accuracy=val_accuracy,
        val_macro_f1=val_macro_f1,
        seconds=seconds,
        images_per_second=COPIES * len(data.train) / seconds,
    )
