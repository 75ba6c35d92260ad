"""The nets, one family a file. Float images (N, 3, S, S) in 0..1 go in, class scores (N, C) before the softmax come out."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from train.models.efficientnet_lite import efficientnet_lite0
from train.models.googlenet import googlenet
from train.models.hill import Hill
from train.models.normalised import Normalised
from train.models.published import inception, resnet18, resnet50, vgg16, vggface
from train.models.stacked import Stacked
from train.models.vanilla import vanilla
from train.options import TrainOptions

NETS: dict[str, Callable[[int, TrainOptions], nn.Module]] = {
    "hill": Hill,
    "vanilla": vanilla,
    "vanilla-leaky": partial(vanilla, leaky=True),
    "vanilla-leaky-bn": partial(vanilla, leaky=True, batch_norm=True),
    "resnet18": resnet18,
    "resnet50": resnet50,
    "resnet50-2x64": partial(resnet50, two_dense=True),
    "googlenet": googlenet,
    "googlenet-bn-2x64": partial(googlenet, batch_norm=True, two_dense=True),
    "googlenet-deep": partial(googlenet, deeper=True),
    "inception": inception,
    "vgg16": vgg16,
    "vggface": vggface,
    "efficientnet-lite0": efficientnet_lite0,
}
"""name -> (number of classes, options) -> net with random weights, drawn from torch's global generator"""
STACKED = "ensemble-"
"""a net's name with this before it: the ensemble of such nets"""


def build_net(name: str, classes: int, options: TrainOptions, mean_3: Tensor, std_3: Tensor) -> Normalised:
    """The net of that name, which normalises its input by the mean and deviation given (R, G, B, in 0..1)."""
    if name.startswith(STACKED):
        member = partial(build_net, name.removeprefix(STACKED), options=options, mean_3=mean_3, std_3=std_3)
        return Normalised(Stacked(member, classes), mean_3 * 0, std_3 * 0 + 1)
    return Normalised(NETS[name](classes, options), mean_3, std_3)


def is_net(name: str) -> bool:
    """Whether `build_net` knows it."""
    return name.removeprefix(STACKED) in NETS
