"""Random changes of a batch on the device: mirror, shift, scale, turn, brightness, contrast, colour."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentOptions:
    """How far a picture may be changed; each amount is drawn evenly from -x to +x (scale: in its logarithm)."""

    mirror: float = 0.5
    """chance of left and right changing places"""
    shift_fraction: float = 0.08
    """of the side, in each direction"""
    scale_fraction: float = 0.12
    """0.12: from 1/1.12 to 1.12 times as large"""
    turn_degrees: float = 12.0
    """about the centre"""
    brightness: float = 0.2
    """0.2: from 0.8 to 1.2 times as bright"""
    contrast: float = 0.2
    """likewise about the picture's mean"""
    colour: float = 0.2
    """likewise about each pixel's grey"""


MARGIN = 1.2
"""training pictures are kept so much larger than the net sees them: turning and scaling then lose no sharpness"""
GREY = (0.299, 0.587, 0.114)
"""BT.601"""


def augmented(images_N3HW: Tensor, size: int, generator: torch.Generator, options: AugmentOptions) -> Tensor:
    """Float images (N, 3, size, size) in 0..1: each of the uint8 ones (N, 3, H, W) changed at random.

    All that is random comes from `generator`, which must be on the CPU: every device then makes the same changes.
    """
    count, device = len(images_N3HW), images_N3HW.device
    draws = torch.rand((count, 8), generator=generator).to(device)
    with torch.no_grad():
        grid = functional.affine_grid(_placements(draws[:, :5], options), [count, 3, size, size], align_corners=False)
        images = as_float(images_N3HW)
        images = functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return _recoloured(images, draws[:, 5:], options)


def as_float(images: Tensor) -> Tensor:
    """uint8 0..255 -> float32 0..1, channels last in memory, which convolutions on a CPU like best."""
    return images.to(torch.float32, memory_format=torch.channels_last) / 255


def _placements(draws_N5: Tensor, options: AugmentOptions) -> Tensor:
    """(N, 2, 3) affine maps from a place in the new picture to one in the old, both in -1..1."""
    mirrored = torch.where(draws_N5[:, 0] < options.mirror, -1.0, 1.0)
    even = draws_N5[:, 1:] * 2 - 1
    scale = torch.exp(even[:, 0] * math.log1p(options.scale_fraction))
    angle = even[:, 1] * math.radians(options.turn_degrees)
    shift = even[:, 2:] * (2 * options.shift_fraction)
    cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
    across = torch.stack((cosine * mirrored, -sine, shift[:, 0]), dim=1)
    down = torch.stack((sine * mirrored, cosine, shift[:, 1]), dim=1)
    return torch.stack((across, down), dim=1)


def _recoloured(images_N3SS: Tensor, draws_N3: Tensor, options: AugmentOptions) -> Tensor:
    spans = torch.tensor((options.brightness, options.contrast, options.colour), device=draws_N3.device)
    brightness, contrast, colour = (1 + (draws_N3 * 2 - 1) * spans).reshape(-1, 3, 1, 1, 1).unbind(dim=1)
    images = images_N3SS * brightness
    weights = torch.tensor(GREY, device=images.device).reshape(1, 3, 1, 1)
    grey = (images * weights).sum(dim=1, keepdim=True)
    images = torch.lerp(grey, images, colour)
    mean = grey.mean(dim=(2, 3), keepdim=True)
    return torch.lerp(mean, images, contrast).clamp_(0, 1).contiguous(memory_format=torch.channels_last)
