"""Trains the upper blocks of `best` and its head on what its lower blocks see, which is computed once.

Short retraining of ImageNet's upper blocks by AdamW (Loshchilov & Hutter 2019) with a cosine schedule, label smoothing,
dropout and clipped gradients. The lower blocks are run once over every picture and a few changed copies of it; their maps
are kept, so an epoch costs a third of what it would.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.core.errors import InputError
from train.augment import AugmentOptions, as_float, changed, draw_changes
from train.best.net import BestNet
from train.examples import Split
from train.models.normalised import grey_of
from train.options import TrainOptions
from train.randomness import seed_for

FROZEN_BLOCKS = 11
"""from the first; edges and textures are the same in drawings"""
COPIES, MOST_BYTES = 6, 1 << 30
"""changed copies of a picture, fewer where their maps would take more memory"""
CHANGES = AugmentOptions(
    shift_fraction=0.08, scale_fraction=0.15, turn_degrees=12, brightness=0.3, contrast=0.3, colour=0.5
)
EPOCHS, BATCH, MOST_STEPS = 16, 32, 1500
"""passes over the pictures, fewer where they would take more steps"""
BODY_RATE, HEAD_RATE, WEIGHT_DECAY, WARM_UP = 4e-4, 3e-3, 0.02, 0.1
SMOOTHING, DROPOUT, LARGEST_GRADIENT = 0.1, 0.3, 1.0
SPREAD = 0.1
"""what every feature deviates by when training begins, so that the head's first steps are small"""
BALANCE = 0.5
"""half way from the classes' frequencies to equality"""
AT_ONCE = 64


def steps_of(examples: int) -> int:
    """How many steps so many examples are trained for."""
    return min(EPOCHS * math.ceil(examples / BATCH), MOST_STEPS)


def tune(best: BestNet, train: Split, options: TrainOptions, advance: Callable[[int], None]) -> Tensor:
    """Trains the net in place and returns its scores (N, C) of the training pictures. Ends in eval mode.

    Raises:
        InputError: the loss is no number any more.
    """
    maps_KN = _maps(best, train, options, advance)
    _standardise(best, maps_KN[:2])
    device, targets_NC = train.labels.device, train.targets.float()
    weights_C = targets_NC.sum(dim=0).clamp(min=1.0)
    weights_C = (weights_C / weights_C.mean()) ** -BALANCE
    body = [weight for block in best.body.blocks[FROZEN_BLOCKS:] for weight in block.parameters()]
    head = list(best.head.parameters())
    optimizer = torch.optim.AdamW(
        [{"params": body, "lr": BODY_RATE, "most": BODY_RATE}, {"params": head, "lr": HEAD_RATE, "most": HEAD_RATE}],
        weight_decay=WEIGHT_DECAY,
    )
    torch.manual_seed(seed_for(options, 1, "dropout"))
    chance = torch.Generator().manual_seed(seed_for(options, 1, "order"))
    steps, order = steps_of(len(train)), torch.empty(0, dtype=torch.long)
    for weight in body:
        weight.requires_grad_(True)
    for step in range(1, steps + 1):
        if not len(order):
            order = torch.randperm(len(train), generator=chance)
        rows, order = order[:BATCH], order[BATCH:]
        copies = torch.randint(len(maps_KN), (len(rows),), generator=chance)
        maps = maps_KN[copies.to(maps_KN.device), rows.to(maps_KN.device)].float()
        features_ND = (_upper(best, maps.contiguous(memory_format=torch.channels_last)) - best.mean) * best.scale
        scores_NC = best.head(functional.dropout(features_ND, DROPOUT))
        loss = functional.cross_entropy(scores_NC, targets_NC[rows.to(device)], weights_C, label_smoothing=SMOOTHING)
        if not math.isfinite(loss.item()):
            raise InputError(
                f"the loss became {loss.item()} in step {step} of {steps}; nothing was kept: check the pictures"
            )
        for group in optimizer.param_groups:
            group["lr"] = group["most"] * _pace(step, steps)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([*body, *head], LARGEST_GRADIENT)
        optimizer.step()
        advance(len(rows))
    for weight in body:
        weight.requires_grad_(False)
    with torch.inference_mode():
        return torch.cat([best.scores(_upper(best, part.float())) for part in torch.split(maps_KN[0], AT_ONCE)])


def _maps(best: BestNet, train: Split, options: TrainOptions, advance: Callable[[int], None]) -> Tensor:
    """(K, N, C, H, W) float16: what the lower blocks make of every picture as it is, mirrored, and changed at random."""
    side, device = options.image_size, train.labels.device
    chance = torch.Generator().manual_seed(seed_for(options, 1, "changes"))
    found: Tensor | None = None
    copies = 2 + COPIES
    with torch.no_grad():
        for copy in range(2 + COPIES):
            for rows in torch.split(torch.arange(len(train), device=device), AT_ONCE):
                images = train.pictures(rows)
                if copy < 2:
                    seen = functional.interpolate(as_float(images), size=(side, side), mode="bilinear", antialias=True)
                    seen = seen.flip(3) if copy else seen
                else:
                    seen = changed(images, side, draw_changes(len(rows), chance, CHANGES), CHANGES)
                maps = best.body.lower(grey_of(seen) if options.grey else seen, FROZEN_BLOCKS).half()
                if found is None:
                    each = maps[0].numel() * 2 * len(train)
                    copies = max(2, min(copies, MOST_BYTES // each))
                    found = torch.empty((copies, len(train), *maps.shape[1:]), dtype=torch.float16, device=device)
                found[copy, rows] = maps
                advance(len(rows))
            if copy + 1 == copies:
                break
    assert found is not None
    return found


def _standardise(best: BestNet, maps_KN: Tensor) -> None:
    """Sets mean and scale so that every feature of the pictures and their mirror images deviates by SPREAD."""
    with torch.no_grad():
        features = torch.cat(
            [_upper(best, part.float()) for maps_N in maps_KN for part in torch.split(maps_N, AT_ONCE)]
        )
        deviation = features.std(dim=0, correction=0)
        best.mean.copy_(features.mean(dim=0))
        best.scale.copy_(SPREAD / (deviation + 1e-3 * deviation.mean().clamp(min=1e-9)))
    torch.nn.init.zeros_(best.head.weight)
    torch.nn.init.zeros_(best.head.bias)


def _upper(best: BestNet, maps: Tensor) -> Tensor:
    return best.parts(best.body.upper(maps, FROZEN_BLOCKS))


def _pace(step: int, steps: int) -> float:
    """Share of the largest step size: a straight rise, then half a cosine."""
    return min(1.0, step / (WARM_UP * steps + 1)) * 0.5 * (1 + math.cos(math.pi * step / steps))
