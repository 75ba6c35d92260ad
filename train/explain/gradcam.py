"""Where a net looks: Grad-CAM (Selvaraju et al. 2017) on its last spatial layer, found by running it once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.errors import CheckpointError

SMALLEST_MAP = 4
"""cells a side; a later layer with a coarser map than this shows nothing that one could recognise"""
AT_ONCE = 32
"""pictures at once"""


def last_spatial_layer(net: nn.Module, side: int) -> str:
    """The name of the module whose output is the last map of 4x4 cells or more, else the last of 2x2 or more.

    It is found in the order of computation, not of definition, so any net will do: blocks that join branches or add
    shortcuts are modules themselves and come after their parts.

    Raises:
        CheckpointError: the net makes no maps.
    """
    parameter = next(net.parameters())
    seen: list[tuple[str, int]] = []

    def remember(name: str) -> Any:
        def hook(_module: nn.Module, _given: Any, made: Any) -> None:
            if isinstance(made, Tensor) and made.dim() == 4:
                seen.append((name, min(made.shape[2:])))

        return hook

    handles = [module.register_forward_hook(remember(name)) for name, module in net.named_modules() if name]
    net.eval()
    try:
        with torch.no_grad():
            net(torch.zeros((1, 3, side, side), device=parameter.device))
    finally:
        for handle in handles:
            handle.remove()
    for least in (SMALLEST_MAP, 2):
        found = [name for name, cells in seen if cells >= least]
        if found:
            return found[-1]
    raise CheckpointError("this net makes no maps of the picture: there is no layer for Grad-CAM to look at")


def looked_at(net: nn.Module, images_N3SS: Tensor, classes_N: Tensor, layer: str | None = None) -> Tensor:
    """(N, S, S) float32 in 0..1: how much each place speaks for the class; 1 at the strongest place, 0 for nothing.

    Args:
        net: float images in 0..1 in, class scores before the softmax out; left in evaluation mode.
        images_N3SS: float images in 0..1, on the net's device.
        classes_N: the class asked about, per image.
        layer: name of a module that makes maps; None for the last one.
    """
    layer = layer or last_spatial_layer(net, images_N3SS.shape[-1])
    parts = zip(torch.split(images_N3SS, AT_ONCE), torch.split(classes_N, AT_ONCE), strict=True)
    return torch.cat([_maps(net, images, classes, layer) for images, classes in parts])


def _maps(net: nn.Module, images: Tensor, classes: Tensor, layer: str) -> Tensor:
    net.eval()
    with torch.enable_grad(), _output_of(net.get_submodule(layer)) as made:
        scores = net(images.detach().clone().requires_grad_())
        asked = scores.gather(1, classes.to(scores.device)[:, None]).sum()
        (gradient,) = torch.autograd.grad(asked, made[-1])
    with torch.no_grad():
        weights = gradient.mean(dim=(2, 3), keepdim=True)
        maps = functional.relu((weights * made[-1].detach()).sum(dim=1, keepdim=True)).float()
        maps = functional.interpolate(maps, size=images.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
        highest = maps.amax(dim=(1, 2), keepdim=True)
        return torch.where(highest > 0, maps / highest.clamp(min=1e-12), torch.zeros_like(maps))


@contextmanager
def _output_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """What the module made, last call last, while the block runs."""
    made: list[Tensor] = []
    handle = module.register_forward_hook(lambda _module, _given, output: made.append(output))
    try:
        yield made
    finally:
        handle.remove()
