"""What film and codec do to a drawing, as a random change of training pictures: lost detail, lost colour, grain."""

import torch
from torch import Tensor
from torch.nn import functional

from train.models.normalised import grey_of

SOFT, GREY, GRAINY = 0.5, 0.25, 0.5
"""chance of each"""
COARSEST = 4
"""detail is lost down to squares of so many pixels"""
LARGEST_GRAIN = 0.06
"""deviation of a pixel, of 1"""
DRAWS = 5


def weathered(images_N3SS: Tensor, generator: torch.Generator) -> Tensor:
    """Float images (N, 3, S, S) in 0..1, each softened, robbed of its colours and grained at random.

    All that is random comes from `generator`, which must be on the CPU: every device then makes the same changes.
    """
    count, side, device = len(images_N3SS), images_N3SS.shape[-1], images_N3SS.device
    draws = torch.rand((count, DRAWS), generator=generator).to(device)
    coarse = int(torch.randint(2, COARSEST + 1, (), generator=generator))
    grain = torch.randn((count, 1, side, side), generator=generator).to(device)
    small = functional.interpolate(images_N3SS, size=(-(-side // coarse),) * 2, mode="bilinear", antialias=True)
    soft = functional.interpolate(small, size=(side, side), mode="bilinear", align_corners=False)
    images = torch.lerp(images_N3SS, soft, _amount(draws[:, 0], draws[:, 1], SOFT))
    images = torch.where(draws[:, 2].reshape(-1, 1, 1, 1) < GREY, grey_of(images), images)
    images = images + grain * (LARGEST_GRAIN * _amount(draws[:, 3], draws[:, 4], GRAINY))
    return images.clamp_(0, 1).contiguous(memory_format=torch.channels_last)


def _amount(hit_N: Tensor, amount_N: Tensor, chance: float) -> Tensor:
    """(N, 1, 1, 1): the amount where the change happens, else 0."""
    return torch.where(hit_N < chance, amount_N, torch.zeros_like(amount_N)).reshape(-1, 1, 1, 1)
