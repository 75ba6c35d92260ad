"""Which weights move in an epoch, by which rule, and how far: optimisers, the two retrainings, the step size's course."""

import math
from typing import Literal

import torch
from torch import nn

from pipeline.core.errors import UsageError
from train.options import TrainOptions

Phase = Literal["short", "long"]
"""short retraining: the head alone; long: all weights"""
SCALE = "rate_scale"
"""what a parameter group's step size is multiplied by, kept in the optimiser's own groups"""


def phase_of(options: TrainOptions, epoch: int) -> Phase:
    """The phase of an epoch (from 1)."""
    return "short" if epoch <= options.frozen_epochs else "long"


def rate_at(options: TrainOptions, epochs_done: float) -> float:
    """The step size after so many epochs, fractions included: constant in the short retraining, then the schedule.

    Warm-up and schedule span the epochs of the long retraining. Cosine: Loshchilov & Hutter 2017, without restarts.
    """
    assert options.learning_rate is not None, "resolve the options first"
    done, due = epochs_done - options.frozen_epochs, options.epochs - options.frozen_epochs
    if done < 0:
        return options.learning_rate
    warm = options.warmup_epochs
    if done < warm:
        return options.learning_rate * done / warm
    if options.schedule == "cosine":
        return options.learning_rate * (1 + math.cos(math.pi * (done - warm) / max(due - warm, 1))) / 2
    if options.schedule == "step":
        return options.learning_rate * options.step_factor ** int((done - warm) // options.step_epochs)
    return options.learning_rate


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Makes it the step size of the head; the backbone's is its share of it."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group[SCALE]


def enter_phase(net: nn.Module, phase: Phase) -> None:
    """Training mode; in the short retraining the backbone stands still: no gradients, statistics and dropout as they are."""
    net.train()
    if (backbone := backbone_of(net)) is not None:
        backbone.requires_grad_(phase == "long")
        backbone.train(phase == "long")


def backbone_of(net: nn.Module) -> nn.Module | None:
    """The part of a net that transfers; None when the net has no such part. The normalising wrapper is looked through."""
    for place in (net, getattr(net, "net", None)):
        if isinstance(found := getattr(place, "backbone", None), nn.Module):
            return found
    return None


def parameter_groups(net: nn.Module, options: TrainOptions) -> list[dict[str, object]]:
    """The head's weights and, where there is one, the backbone's. Raises UsageError when a backbone is needed and absent."""
    backbone = backbone_of(net)
    if backbone is None:
        if options.frozen_epochs or options.backbone_rate != 1.0:
            raise UsageError(
                "frozen_epochs and backbone_rate are for nets that transfer, and this one has no backbone; "
                "set frozen_epochs=0 and backbone_rate=1, or take a transfer recipe (`toonsift train --list`)"
            )
        return [{"params": list(net.parameters()), SCALE: 1.0}]
    inner = {id(weight) for weight in backbone.parameters()}
    head = [weight for weight in net.parameters() if id(weight) not in inner]
    return [
        {"params": head, SCALE: 1.0},
        {"params": list(backbone.parameters()), SCALE: options.backbone_rate},
    ]


def build_optimizer(net: nn.Module, options: TrainOptions) -> torch.optim.Optimizer:
    """The optimiser that the options name, over all parameters of the net. Raises UsageError."""
    assert options.learning_rate is not None, "resolve the options first"
    weights, rate, decay = parameter_groups(net, options), options.learning_rate, options.weight_decay
    match options.optimizer:
        case "adadelta":
            return torch.optim.Adadelta(weights, lr=rate, rho=0.95, weight_decay=decay)
        case "adagrad":
            return torch.optim.Adagrad(weights, lr=rate, weight_decay=decay)
        case "adam":
            return torch.optim.Adam(weights, lr=rate, weight_decay=decay)
        case "adamw":
            return torch.optim.AdamW(weights, lr=rate, weight_decay=decay)
        case "rmsprop":
            return torch.optim.RMSprop(weights, lr=rate, alpha=0.9, weight_decay=decay)
        case "sgd":
            return torch.optim.SGD(weights, lr=rate, momentum=options.momentum, weight_decay=decay)
