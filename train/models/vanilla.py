"""The plain net that Wang & Zhang start from: four convolutions and a dense layer, from scratch.

Their text names the parts (leaky ReLU, then batch norm on top), not the widths; these are ours.
"""

from itertools import pairwise

from torch import nn

from train.models.headed import Headed, kaiming, linear_head
from train.options import TrainOptions

WIDTHS = (3, 32, 64, 128, 128)
DENSE = 128
SLOPE = 0.1
"""of the leaky ReLU where its input is negative"""


def vanilla(classes: int, options: TrainOptions, *, leaky: bool = False, batch_norm: bool = False) -> Headed:
    """Four times (convolution 3x3, ReLU, max-pooling 2x2), the mean over 2x2 places, dense 128, one score per class."""
    layers: list[nn.Module] = []
    for entering, leaving in pairwise(WIDTHS):
        layers.append(nn.Conv2d(entering, leaving, 3, padding=1))
        layers += [nn.BatchNorm2d(leaving)] if batch_norm else []
        layers += [nn.LeakyReLU(SLOPE) if leaky else nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]
    layers += [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(WIDTHS[-1] * 4, DENSE)]
    layers.append(nn.LeakyReLU(SLOPE) if leaky else nn.ReLU())
    body = nn.Sequential(*layers)
    kaiming(body)
    return Headed(body, linear_head(DENSE, classes, options))
