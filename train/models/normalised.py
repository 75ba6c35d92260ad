"""A net that carries the normalisation of its training data, so that a saved model can be used by itself."""

import torch
from torch import Tensor, nn


class Normalised(nn.Module):
    """Subtracts the mean and divides by the deviation of the training split (buffers), then asks the net inside.

    With `grey` each pixel's luma takes the place of its colours first.
    """

    mean: Tensor
    """(1, 3, 1, 1), R, G, B in 0..1"""
    std: Tensor
    """(1, 3, 1, 1), R, G, B in 0..1"""

    def __init__(self, net: nn.Module, mean_3: Tensor, std_3: Tensor, *, grey: bool = False) -> None:
        super().__init__()
        self.net = net
        self.grey = grey
        self.origin = "random"
        """where its weights began: `train.weights.begin` says otherwise when it fills them"""
        self.register_buffer("mean", mean_3.reshape(1, 3, 1, 1).to(torch.float32))
        self.register_buffer("std", std_3.reshape(1, 3, 1, 1).to(torch.float32))

    def forward(self, images_N3SS: Tensor) -> Tensor:
        """Class scores (N, C) of float images (N, 3, S, S) in 0..1."""
        if self.grey:
            images_N3SS = grey_of(images_N3SS)
        scores: Tensor = self.net((images_N3SS - self.mean) / self.std)
        return scores


def grey_of(images_N3SS: Tensor) -> Tensor:
    """Each pixel's luma in the place of its colours, (N, 3, S, S)."""
    luma = 0.299 * images_N3SS[:, :1] + 0.587 * images_N3SS[:, 1:2] + 0.114 * images_N3SS[:, 2:]  # BT.601
    return luma.expand(-1, 3, -1, -1)
