"""The net of `best`: a body, what it sees in each of nine parts of a face, and a linear head."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.best.backbone import Lite0
from train.lite0 import LAST, LAST_BUT_ONE
from train.options import TrainOptions

GRID = 3
"""the last two blocks are averaged over so many rows and columns: brows, eyes and mouth stay apart"""
FEATURES = (LAST_BUT_ONE + LAST) * GRID * GRID


class BestNet(nn.Module):
    """Class scores as the mean of those of a picture and of its mirror image.

    Everything is in the state: body, the features' mean and scale, the head. Before `train.best.fit` all of it is zero.
    """

    mean: Tensor
    """(D,) of the training features"""
    scale: Tensor
    """(D,) what they are multiplied by"""

    def __init__(self, classes: int, options: TrainOptions) -> None:
        super().__init__()
        del options  # nothing of the net depends on them
        self.body = Lite0()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("scale", torch.ones(FEATURES))
        self.head = nn.Linear(FEATURES, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, images_N3SS: Tensor) -> Tensor:
        """Class scores (N, C) of float images (N, 3, S, S) in 0..1."""
        mirrored = self.scores(self.features(images_N3SS.flip(3)))  # first: Grad-CAM looks at the maps made last
        return (self.scores(self.features(images_N3SS)) + mirrored) / 2

    def features(self, images_N3SS: Tensor) -> Tensor:
        """(N, D) of float images: the means of the last two blocks over 3 x 3 parts."""
        return self.parts(self.body(images_N3SS))

    def parts(self, maps: tuple[Tensor, Tensor]) -> Tensor:
        """(N, D) of the maps of the last two blocks."""
        return torch.cat([functional.adaptive_avg_pool2d(one, GRID).flatten(1) for one in maps], dim=1)

    def scores(self, features_ND: Tensor) -> Tensor:
        """(N, C)."""
        found: Tensor = self.head((features_ND - self.mean) * self.scale)
        return found
