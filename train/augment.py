"""Random changes of a batch on the device: flips, crop, shift, scale, turn, brightness, contrast, colour, hue, erasing."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cascades.compiled import in_slices
from train.kernels.changing import change
from train.options import TrainOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentOptions:
    """How far a picture may be changed; each amount is drawn evenly from -x to +x (scale: in its logarithm)."""

    mirror: float = 0.5
    """chance of left and right changing places"""
    vertical_flip: float = 0.0
    """chance of top and bottom changing places"""
    shift_fraction: float = 0.08
    """of the side, in each direction"""
    scale_fraction: float = 0.12
    """0.12: from 1/1.12 to 1.12 times as large"""
    turn_degrees: float = 12.0
    """about the centre"""
    crop: float = 0.0
    """a square whose side is smaller by up to this share, anywhere in the picture, is scaled up"""
    brightness: float = 0.2
    """0.2: from 0.8 to 1.2 times as bright"""
    contrast: float = 0.2
    """likewise about the picture's mean"""
    colour: float = 0.2
    """likewise about each pixel's grey"""
    hue: float = 0.0
    """turn of the colour circle; 0.5 is half the circle"""
    erasing: float = 0.0
    """chance that a rectangle is filled with one random colour"""


MARGIN = 1.2
"""training pictures are kept so much larger than the net sees them: turning and scaling then lose no sharpness"""
GREY = (0.299, 0.587, 0.114)
"""BT.601"""
ERASED_AREA, ERASED_SHAPE = (0.02, 0.2), 3.3
"""the smallest and largest share of the picture that is erased, and how much longer than wide (Zhong et al. 2020)"""
USUAL_DRAWS, MORE_DRAWS = 8, 13
"""random numbers per picture: for the changes of every run, and for those that are off unless asked for"""


def augment_options(options: TrainOptions) -> AugmentOptions | None:
    """What the training options say of the changes; None when there are none."""
    if not options.augment:
        return None
    strength = options.augment_strength
    return AugmentOptions(
        mirror=options.mirror,
        vertical_flip=options.vertical_flip,
        shift_fraction=options.shift * strength,
        scale_fraction=options.scale * strength,
        turn_degrees=options.rotation_degrees * strength,
        crop=min(0.9, options.crop * strength),
        brightness=min(1.0, options.brightness * strength),
        contrast=min(1.0, options.contrast * strength),
        colour=min(1.0, options.colour * strength),
        hue=min(0.5, options.hue * strength),
        erasing=options.erasing,
    )


def draw_changes(count: int, generator: torch.Generator, options: AugmentOptions) -> Tensor:
    """(count, 8 or 21) in 0..1: all the randomness of `changed`, from a generator on the CPU, alike for every device."""
    usual = torch.rand((count, USUAL_DRAWS), generator=generator)
    if not (options.vertical_flip or options.crop or options.hue or options.erasing):
        return usual
    return torch.cat((usual, torch.rand((count, MORE_DRAWS), generator=generator)), dim=1)


def changed(images_N3HW: Tensor, size: int, draws_NK: Tensor, options: AugmentOptions) -> Tensor:
    """Float images (N, 3, size, size) in 0..1: each of the uint8 ones (N, 3, H, W) changed as its draws say.

    CPU and CUDA agree to 1e-4 of the range; on the CPU the bits do not depend on the number of threads.
    """
    with torch.no_grad():
        draws = draws_NK.to(images_N3HW.device, non_blocking=True)
        usual, more = draws[:, :USUAL_DRAWS], draws[:, USUAL_DRAWS:]
        spans = torch.tensor((options.brightness, options.contrast, options.colour), device=draws.device)
        placements, factors = _placements(usual[:, :5], more[:, :4], options), 1 + (usual[:, 5:] * 2 - 1) * spans
        move = _moved_by_kernel if images_N3HW.device.type == "cpu" else moved_by_torch
        images = move(images_N3HW, size, placements, factors)
        if options.hue:
            images = _hue_turned(images, (more[:, 4] * 2 - 1) * options.hue)
        if options.erasing:
            images = _erased(images, more[:, 5:], options.erasing)
        return images


def moved_by_torch(images_N3HW: Tensor, size: int, placements_N23: Tensor, factors_N3: Tensor) -> Tensor:
    """Float images moved as the placements say, then recoloured by factors of brightness, contrast and colour."""
    images = functional.grid_sample(
        as_float(images_N3HW), _grid(placements_N23, size), mode="bilinear", padding_mode="border", align_corners=False
    )
    return _recoloured(images, factors_N3)


def _moved_by_kernel(images_N3HW: Tensor, size: int, placements_N23: Tensor, factors_N3: Tensor) -> Tensor:
    """The same on a CPU, at a sixth of the cost."""
    found = torch.empty((len(images_N3HW), size, size, 3))
    arrays = images_N3HW.permute(0, 2, 3, 1).contiguous().numpy(), placements_N23.numpy(), factors_N3.numpy()

    def work(first: int, end: int) -> None:
        change(*arrays, np.array(GREY, dtype=np.float32), first, end, found.numpy())

    in_slices(work, len(found), -(-len(found) // torch.get_num_threads()))
    return found.permute(0, 3, 1, 2)


def augmented(images_N3HW: Tensor, size: int, generator: torch.Generator, options: AugmentOptions) -> Tensor:
    """Float images (N, 3, size, size) in 0..1: each of the uint8 ones (N, 3, H, W) changed at random.

    All that is random comes from `generator`, which must be on the CPU: every device then makes the same changes.
    """
    return changed(images_N3HW, size, draw_changes(len(images_N3HW), generator, options), options)


def as_float(images: Tensor) -> Tensor:
    """uint8 0..255 -> float32 0..1, channels last in memory, which convolutions on a CPU like best."""
    return images.to(torch.float32, memory_format=torch.channels_last).div_(255)


def _placements(draws_N5: Tensor, more_N4: Tensor, options: AugmentOptions) -> Tensor:
    """(N, 2, 3) affine maps from a place in the new picture to one in the old, both in -1..1."""
    mirrored = torch.where(draws_N5[:, 0] < options.mirror, -1.0, 1.0)
    even = draws_N5[:, 1:] * 2 - 1
    scale = torch.exp(even[:, 0] * math.log1p(options.scale_fraction))
    angle = even[:, 1] * math.radians(options.turn_degrees)
    shift = even[:, 2:] * (2 * options.shift_fraction)
    if options.crop:
        kept = 1 - more_N4[:, 1] * options.crop
        scale = scale * kept
        shift = shift + (more_N4[:, 2:] * 2 - 1) * (1 - kept)[:, None]
    cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
    turned = torch.ones_like(mirrored)
    if options.vertical_flip:
        turned = torch.where(more_N4[:, 0] < options.vertical_flip, -1.0, 1.0)
    across = torch.stack((cosine * mirrored, -sine * turned, shift[:, 0]), dim=1)
    down = torch.stack((sine * mirrored, cosine * turned, shift[:, 1]), dim=1)
    return torch.stack((across, down), dim=1)


def _grid(placements_N23: Tensor, size: int) -> Tensor:
    """(N, size, size, 2): where each new pixel's colour lies, as torch's affine_grid, at a quarter of its cost."""
    place = (torch.arange(size, dtype=torch.float32, device=placements_N23.device) * 2 + 1) / size - 1
    across, down, moved = placements_N23[:, None, None].unbind(dim=-1)
    return across * place.reshape(1, 1, size, 1) + (down * place.reshape(1, size, 1, 1) + moved)


def _recoloured(images_N3SS: Tensor, factors_N3: Tensor) -> Tensor:
    brightness, contrast, colour = factors_N3.reshape(-1, 3, 1, 1, 1).unbind(dim=1)
    images = images_N3SS * brightness
    weights = torch.tensor(GREY, device=images.device).reshape(1, 3, 1, 1)
    grey = (images * weights).sum(dim=1, keepdim=True)
    images = torch.lerp(grey, images, colour)
    mean = grey.mean(dim=(2, 3), keepdim=True)
    return torch.lerp(mean, images, contrast).clamp_(0, 1).contiguous(memory_format=torch.channels_last)


def _hue_turned(images_N3SS: Tensor, turns_N: Tensor) -> Tensor:
    """The colours turned about the grey axis, brightness kept (as in YIQ); a turn of 1 is the whole circle."""
    yiq = torch.tensor(((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)))
    to_yiq, from_yiq = yiq.to(images_N3SS.device), torch.linalg.inv(yiq).to(images_N3SS.device)
    cosine, sine = torch.cos(2 * math.pi * turns_N), torch.sin(2 * math.pi * turns_N)
    zero, one = torch.zeros_like(cosine), torch.ones_like(cosine)
    turn = torch.stack((one, zero, zero, zero, cosine, -sine, zero, sine, cosine), dim=1).reshape(-1, 3, 3)
    colours = from_yiq @ turn @ to_yiq  # (N, 3, 3)
    turned = torch.einsum("nij,njhw->nihw", colours, images_N3SS)
    return turned.clamp_(0, 1).contiguous(memory_format=torch.channels_last)


def _erased(images_N3SS: Tensor, draws_N8: Tensor, chance: float) -> Tensor:
    """A rectangle of some pictures filled with a colour; the draws are chance, area, shape, x, y, R, G, B."""
    size = images_N3SS.shape[-1]
    area = ERASED_AREA[0] + draws_N8[:, 1] * (ERASED_AREA[1] - ERASED_AREA[0])
    shape = torch.exp((draws_N8[:, 2] * 2 - 1) * math.log(ERASED_SHAPE))
    sides = torch.stack((torch.sqrt(area * shape), torch.sqrt(area / shape)), dim=1).clamp(max=1.0)
    start = draws_N8[:, 3:5] * (1 - sides)
    place = (torch.arange(size, device=images_N3SS.device) + 0.5) / size
    inside = (place >= start[..., None]) & (place < (start + sides)[..., None])  # (N, 2, S)
    hit = inside[:, 0, None, :] & inside[:, 1, :, None] & (draws_N8[:, 0] < chance)[:, None, None]
    return torch.where(hit[:, None], draws_N8[:, 5:8, None, None], images_N3SS)
