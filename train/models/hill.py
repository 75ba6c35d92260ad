"""The net of Hill 2017, "Deep Learning for Emotion Recognition in Cartoons": three convolutions and a dense layer."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from train.kernels.convolving import convolved
from train.options import TrainOptions

FILTERS = 32
DENSE = 512
POOLS = (2, 2, 9)
"""sides of the three max-poolings; at 60x60 the last one leaves one cell per filter"""


class Hill(nn.Module):
    """Three times (convolution 3x3 with 32 filters, ReLU, max-pooling), dropout, dense 512, one score per class.

    Convolutions have no border, as in Keras, where the study was done: 60 -> 58 -> 29 -> 27 -> 13 -> 11 -> 1. The last
    pooling is 9x9 or, for small images, what is left.
    """

    def __init__(self, classes: int, options: TrainOptions) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(entering, leaving, kernel_size=3)
            for entering, leaving in pairwise((3, FILTERS, FILTERS, FILTERS))
        )
        side = options.image_size
        pools = []
        for pool in POOLS:
            pools.append(min(pool, side - 2))
            side = (side - 2) // pools[-1]
        self.pools = tuple(pools)
        self.dropout = nn.Dropout(options.dropout)
        self.dense = nn.Linear(FILTERS * side * side, DENSE)
        self.scores = nn.Linear(DENSE, classes)

    def forward(self, images_N3SS: Tensor) -> Tensor:
        """Class scores (N, C) of normalised float images (N, 3, S, S)."""
        features = images_N3SS
        for convolution, pool in zip(self.convolutions, self.pools, strict=True):
            assert isinstance(convolution, nn.Conv2d)
            features = convolved(features, convolution, pool)
        features = self.dropout(features.flatten(1))
        scores: Tensor = self.scores(functional.relu(self.dense(features)))
        return scores
