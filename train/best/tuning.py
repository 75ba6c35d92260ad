"""Trains the upper blocks of `best` and its head on what its lower blocks see.

Short retraining of ImageNet's upper blocks by AdamW (Loshchilov & Hutter 2019) with a cosine schedule, label smoothing,
dropout and clipped gradients. The lower blocks are run once over every picture and a few changed copies of it; their maps
are kept, so an epoch costs a third of what it would. Of more pictures than memory has room for they are made anew in each step.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.core.errors import InputError
from train.augment import AugmentOptions, as_float, changed, draw_changes
from train.best.net import BestNet
from train.examples import Split
from train.lite0 import STAGES
from train.models.normalised import grey_of
from train.options import TrainOptions
from train.randomness import seed_for

FROZEN_BLOCKS = 11
"""from the first; edges and textures are the same in drawings"""
MAP_CHANNELS, MAP_STRIDE = STAGES[4][3], 16
"""of what they leave"""
COPIES = 6
"""changed copies of a picture, beside itself and its mirror image"""
MOST_BYTES, SAMPLE = 1 << 29, 1024
"""what all maps may take; of more pictures the features' spread is measured on so many"""
CHANGES = AugmentOptions(
    shift_fraction=0.08, scale_fraction=0.15, turn_degrees=12, brightness=0.3, contrast=0.3, colour=0.5
)
EPOCHS, BATCH, MOST_STEPS = 16, 32, 1500
"""passes over the pictures, fewer where they would take more steps"""
BODY_RATE, HEAD_RATE, WEIGHT_DECAY, WARM_UP = 4e-4, 3e-3, 0.02, 0.1
SMOOTHING, DROPOUT, LARGEST_GRADIENT = 0.1, 0.3, 1.0
SPREAD = 0.1
"""what every feature deviates by when training begins, so that the head's first steps are small"""
LEAST_DEVIATION = 1e-3
"""of a feature: pictures that are all the same are not blown up"""
BALANCE = 0.5
"""half way from the classes' frequencies to equality"""
AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Tuned:
    """What the tuned net says of training pictures as they are."""

    rows: Tensor
    """(n,) which: all, or of many an even choice"""
    scores: Tensor
    """(n, C)"""


def steps_of(examples: int) -> int:
    """How many steps so many examples are trained for."""
    return min(EPOCHS * math.ceil(examples / BATCH), MOST_STEPS)


def is_kept(examples: int, side: int) -> bool:
    """Whether the maps of so many pictures and their copies have room in memory, as float16."""
    return (2 + COPIES) * examples * MAP_CHANNELS * math.ceil(side / MAP_STRIDE) ** 2 * 2 <= MOST_BYTES


def images_of(examples: int, side: int) -> int:
    """How many pictures `tune` looks at, for its progress."""
    before = (2 + COPIES) * examples if is_kept(examples, side) else 2 * len(_sample(examples))
    return before + _trained(examples)


def tune(best: BestNet, train: Split, options: TrainOptions, advance: Callable[[int], None]) -> Tuned:
    """Trains the net in place. Ends in eval mode.

    Raises:
        InputError: the loss is no number any more.
    """
    kept = is_kept(len(train), options.image_size)
    looked_at = torch.arange(len(train)) if kept else _sample(len(train))
    seer = Seer(best, train, options)
    maps_KN = seer.maps(looked_at, COPIES if kept else 0, advance)
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
        if kept:
            copies = torch.randint(len(maps_KN), (len(rows),), generator=chance)
            maps = maps_KN[copies.to(device), rows.to(device)].float()
        else:
            maps = seer.changed_maps(rows)
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
        scores = [best.scores(_upper(best, part.float())) for part in torch.split(maps_KN[0], AT_ONCE)]
    return Tuned(looked_at, torch.cat(scores))


class Seer:
    """The lower blocks, which stay as they are, and what they make of the training pictures."""

    def __init__(self, best: BestNet, train: Split, options: TrainOptions) -> None:
        self.best, self.train, self.options = best, train, options
        self.chance = torch.Generator().manual_seed(seed_for(options, 1, "changes"))

    def maps(self, rows: Tensor, copies: int, advance: Callable[[int], None]) -> Tensor:
        """(2 + copies, n, C, H, W) float16: of these pictures as they are, mirrored, and changed at random."""
        side = math.ceil(self.options.image_size / MAP_STRIDE)
        shape = (2 + copies, len(rows), MAP_CHANNELS, side, side)
        found = torch.empty(shape, dtype=torch.float16, device=self.train.labels.device)
        for copy in range(2 + copies):
            for places in torch.split(torch.arange(len(rows)), AT_ONCE):
                if copy < 2:
                    made = self._lower(self._plain(rows[places], mirrored=copy == 1))
                else:
                    made = self.changed_maps(rows[places])
                found[copy, places[0] : places[-1] + 1] = made.half()
                advance(len(places))
        return found

    def changed_maps(self, rows: Tensor) -> Tensor:
        """(n, C, H, W) of these pictures, changed at random."""
        images = self.train.pictures(rows.to(self.train.labels.device))
        return self._lower(
            changed(images, self.options.image_size, draw_changes(len(rows), self.chance, CHANGES), CHANGES)
        )

    def _plain(self, rows: Tensor, *, mirrored: bool) -> Tensor:
        side = (self.options.image_size, self.options.image_size)
        images = as_float(self.train.pictures(rows.to(self.train.labels.device)))
        seen = functional.interpolate(images, size=side, mode="bilinear", antialias=True)
        return seen.flip(3) if mirrored else seen

    def _lower(self, images_N3SS: Tensor) -> Tensor:
        with torch.no_grad():
            return self.best.body.lower(grey_of(images_N3SS) if self.options.grey else images_N3SS, FROZEN_BLOCKS)


def _sample(examples: int) -> Tensor:
    """Row numbers, evenly spaced, `SAMPLE` at most."""
    return torch.arange(0, examples, max(1, math.ceil(examples / SAMPLE)))


def _trained(examples: int) -> int:
    """Pictures in all steps together; an epoch's last batch may be smaller."""
    whole, left = divmod(steps_of(examples), math.ceil(examples / BATCH))
    return whole * examples + left * BATCH


def _standardise(best: BestNet, maps_KN: Tensor) -> None:
    """Sets mean and scale so that every feature of the pictures and their mirror images deviates by SPREAD."""
    with torch.no_grad():
        features = torch.cat(
            [_upper(best, part.float()) for maps_N in maps_KN for part in torch.split(maps_N, AT_ONCE)]
        )
        deviation = features.std(dim=0, correction=0)
        best.mean.copy_(features.mean(dim=0))
        best.scale.copy_(SPREAD / (deviation + 1e-3 * deviation.mean()).clamp(min=LEAST_DEVIATION))
    torch.nn.init.zeros_(best.head.weight)
    torch.nn.init.zeros_(best.head.bias)


def _upper(best: BestNet, maps: Tensor) -> Tensor:
    return best.parts(best.body.upper(maps, FROZEN_BLOCKS))


def _pace(step: int, steps: int) -> float:
    """Share of the largest step size: a straight rise, then half a cosine."""
    return min(1.0, step / (WARM_UP * steps + 1)) * 0.5 * (1 + math.cos(math.pi * step / steps))
