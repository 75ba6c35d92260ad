"""The nets, one file each. Float images (N, 3, S, S) in 0..1 go in, class scores (N, C) before the softmax come out."""

from collections.abc import Callable

from torch import Tensor, nn

from train.best.net import BestNet
from train.models.hill import Hill
from train.models.normalised import Normalised
from train.options import TrainOptions

NETS: dict[str, Callable[[int, TrainOptions], nn.Module]] = {"hill": Hill, "best": BestNet}
"""name -> (number of classes, options) -> net with random weights, drawn from torch's global generator"""


def build_net(name: str, classes: int, options: TrainOptions, mean_3: Tensor, std_3: Tensor) -> Normalised:
    """The net of that name, which normalises its input by the mean and deviation given (R, G, B, in 0..1)."""
    return Normalised(NETS[name](classes, options), mean_3, std_3)
