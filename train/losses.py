"""What training makes small, and what makes up for uneven classes."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from train.examples import Split
from train.options import TrainOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """The mean loss of a batch, as the options say."""

    options: TrainOptions
    """loss, label_smoothing"""
    weights: Tensor | None
    """(C,) what each class's loss is multiplied by"""
    priors: Tensor | None
    """(C,) what is added to each class's score: the logarithm of its share of the training split"""

    def __call__(self, scores_NC: Tensor, targets_NC: Tensor) -> Tensor:
        """The loss (a scalar) of class scores beside targets whose rows sum to 1."""
        scores = scores_NC.float() if self.priors is None else scores_NC.float() + self.priors
        smoothing = self.options.label_smoothing
        if self.options.loss == "cross_entropy":
            return functional.cross_entropy(scores, targets_NC, self.weights, label_smoothing=smoothing)
        weights = None if self.weights is None else (targets_NC @ self.weights)[:, None]
        targets = targets_NC * (1 - smoothing) + smoothing / targets_NC.shape[1]
        return functional.binary_cross_entropy_with_logits(scores, targets, weights)


def build_loss(train: Split, options: TrainOptions) -> Loss:
    """The loss that the options name, balanced by the training split's classes."""
    priors = None
    if options.class_balance == "logit_adjustment":
        counts = torch.bincount(train.labels.cpu(), minlength=train.targets.shape[1]).clamp(min=1)
        priors = (counts / counts.sum()).log().to(train.labels.device)
    return Loss(options=options, weights=class_weights(train, options), priors=priors)


def validation_loss(scores_NC: Tensor, labels_N: Tensor, options: TrainOptions) -> float:
    """The same loss without weights, adjustment or smoothing, so that runs compare."""
    if options.loss == "cross_entropy":
        return functional.cross_entropy(scores_NC, labels_N).item()
    targets = functional.one_hot(labels_N, scores_NC.shape[1]).to(scores_NC.dtype)
    return functional.binary_cross_entropy_with_logits(scores_NC, targets).item()


def class_weights(train: Split, options: TrainOptions) -> Tensor | None:
    """(C,) one over each class's frequency, 1 on average over the examples; None when the loss is not weighed."""
    if options.class_balance != "weights":
        return None
    counts = torch.bincount(train.labels.cpu(), minlength=train.targets.shape[1])
    return (len(train) / (counts.clamp(min=1) * len(counts))).to(train.labels.device)
