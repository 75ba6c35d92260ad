"""Pictures blended in pairs, and their targets with them: mixup and CutMix."""

import numpy as np
import torch
from torch import Tensor

from train.options import TrainOptions


def mixed(
    images_N3SS: Tensor, targets_NC: Tensor, options: TrainOptions, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The batch and its targets, blended as the options say; unchanged when they say nothing.

    Each batch has one share for all its pairs. Mixup: Zhang et al. 2018; CutMix: Yun et al. 2019; with both, a coin
    decides for each batch. All randomness comes from `generator`, on the CPU.
    """
    if not (options.mixup or options.cutmix):
        return images_N3SS, targets_NC
    draw = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))  # one, however large the batch
    partner = torch.from_numpy(draw.permutation(len(images_N3SS))).to(images_N3SS.device)
    cut = options.cutmix > 0 and (options.mixup == 0 or draw.random() < 0.5)
    alpha = options.cutmix if cut else options.mixup
    kept = float(draw.beta(alpha, alpha))
    if cut:
        images, kept = _pasted(images_N3SS, images_N3SS[partner], kept, draw)
    else:
        images = torch.lerp(images_N3SS[partner], images_N3SS, kept)
    return images, torch.lerp(targets_NC[partner], targets_NC, kept)


def _pasted(images: Tensor, others: Tensor, kept: float, draw: np.random.Generator) -> tuple[Tensor, float]:
    """The images with one rectangle of the others, of about 1 - kept of the area, and what is kept indeed."""
    size = images.shape[-1]
    side = size * (1 - kept) ** 0.5
    (left, top), half = draw.uniform(0, size, 2), side / 2
    x0, x1, y0, y1 = (round(min(max(v, 0), size)) for v in (left - half, left + half, top - half, top + half))
    images = images.clone()
    images[:, :, y0:y1, x0:x1] = others[:, :, y0:y1, x0:x1]
    return images, 1 - (x1 - x0) * (y1 - y0) / size**2
