"""The nets, one family a file. Float images (N, 3, S, S) in 0..1 go in, class scores (N, C) before the softmax come out.

torchvision takes two seconds of CPU to import (it brings torch's compiler): it comes with the first net that needs it.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module

import torch
from torch import Tensor, nn

from train.best.net import BestNet
from train.models.efficientnet_lite import efficientnet_lite0
from train.models.hill import Hill
from train.models.normalised import Normalised
from train.models.stacked import Stacked
from train.models.vanilla import vanilla
from train.options import TrainOptions


def _of_torchvision(family: str, net: str, classes: int, options: TrainOptions, **choices: bool) -> nn.Module:
    made: nn.Module = getattr(import_module(f"train.models.{family}"), net)(classes, options, **choices)
    return made


_published, _googlenet = partial(_of_torchvision, "published"), partial(_of_torchvision, "googlenet", "googlenet")

NETS: dict[str, Callable[[int, TrainOptions], nn.Module]] = {
    "hill": Hill,
    "vanilla": vanilla,
    "vanilla-leaky": partial(vanilla, leaky=True),
    "vanilla-leaky-bn": partial(vanilla, leaky=True, batch_norm=True),
    "resnet18": partial(_published, "resnet18"),
    "resnet50": partial(_published, "resnet50"),
    "resnet50-2x64": partial(_published, "resnet50", two_dense=True),
    "googlenet": _googlenet,
    "googlenet-bn-2x64": partial(_googlenet, batch_norm=True, two_dense=True),
    "googlenet-deep": partial(_googlenet, deeper=True),
    "inception": partial(_published, "inception"),
    "vgg16": partial(_published, "vgg16"),
    "vggface": partial(_published, "vggface"),
    "efficientnet-lite0": efficientnet_lite0,
}
"""name -> (number of classes, options) -> net with random weights, drawn from torch's global generator"""


def build_net(name: str, classes: int, options: TrainOptions, mean_3: Tensor, std_3: Tensor) -> Normalised:
    """The net of that name, which normalises its input by the mean and deviation given (R, G, B, in 0..1)."""
    net = NETS[name](classes, options)
    if isinstance(net, Stacked):  # the nets in it do so, each in its own way
        mean_3, std_3 = torch.zeros(3), torch.ones(3)
    return Normalised(net, mean_3, std_3, grey=options.grey)


def _stacked(name: str, classes: int, options: TrainOptions) -> Stacked:
    return Stacked(lambda count: build_net(name, count, options, torch.zeros(3), torch.ones(3)), classes)


ENSEMBLE = "ensemble-"
"""before a net's name: the ensemble of such nets"""
NETS |= {ENSEMBLE + name: partial(_stacked, name) for name in NETS}
NETS |= {"best": BestNet}  # which the loop does not train, so no ensemble can be made of it
