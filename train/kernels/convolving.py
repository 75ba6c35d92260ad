"""A convolution 3x3, max-pooling and ReLU as one step of autograd on the CPU, at half of what torch's own three cost.

A few pictures at a time go through convolution and pooling, so that what is not kept stays in the cache and no fresh
memory is asked for; and only what was the largest of its window sends a gradient back. How pictures are grouped does not
depend on the number of threads.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from cascades.compiled import in_slices
from train.kernels.pooling import WIDEST, back_through, pool_pairs, pool_windows, spread

AT_ONCE_BYTES = 2**21
"""of what a convolution makes; it should stay in the cache"""
SUMMED = 4
"""pictures whose gradients are summed by one thread"""


def convolved(images_NCHW: Tensor, convolution: nn.Conv2d, pool: int) -> Tensor:
    """`relu(max_pool2d(convolution(images), pool))` of a 3x3 convolution without border."""
    if _kernels_fit(images_NCHW, convolution, pool):
        pooled: Tensor = _Convolved.apply(images_NCHW, convolution.weight, convolution.bias, pool)
        return pooled
    # ReLU is monotone, so pooling first gives the same bits and rectifies far fewer values.
    return functional.relu(functional.max_pool2d(convolution(images_NCHW), pool))


def _kernels_fit(images: Tensor, convolution: nn.Conv2d, pool: int) -> bool:
    """Whether something is to be learned on a CPU, in single precision, channels last in memory."""
    return (
        convolution.training
        and torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and images.device.type == "cpu"
        and images.dtype == convolution.weight.dtype == torch.float32
        and images.is_contiguous(memory_format=torch.channels_last)
        and pool <= WIDEST
    )


class _Convolved(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, pool: int) -> Tensor:
        count, _, height, width = images.shape
        shape_NhwC = count, (height - 2) // pool, (width - 2) // pool, len(weight)
        pooled, places = torch.empty(shape_NhwC), torch.empty(shape_NhwC, dtype=torch.uint8)
        for part, largest, where in _parts(images, pooled, places, weight=weight):
            made = _array(functional.conv2d(part, weight, bias))
            if pool == 2:
                pool_pairs(made, largest.numpy(), where.numpy())
            else:
                pool_windows(made, pool, largest.numpy(), where.numpy())
        ctx.save_for_backward(images, weight, places)
        ctx.pool = pool
        return pooled.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        images, weight, places = ctx.saved_tensors
        back = _to_images_and_weights if ctx.needs_input_grad[0] else _to_weights
        return *back(images, weight, gradient, places, ctx.pool), None


def _to_weights(
    images: Tensor, weight: Tensor, gradient: Tensor, places: Tensor, pool: int
) -> tuple[None, Tensor, Tensor]:
    """The gradients of weight and bias where the images need none: few channels, which a dense product suits best."""
    _, _, height, width = images.shape
    weights, biases = torch.zeros_like(weight), torch.zeros(len(weight))
    parts = _parts(images, gradient, places, weight=weight)
    room = torch.zeros((len(parts[0][0]), height - 2, width - 2, len(weight)))
    for part, given, where in parts:
        spread(_array(given), where.numpy(), pool, room.numpy(), biases.numpy())
        made = room[: len(part)].permute(0, 3, 1, 2)
        weights += conv2d_weight(part, weight.shape, made)  # type: ignore[no-untyped-call]
    return None, weights, biases


def _to_images_and_weights(
    images: Tensor, weight: Tensor, gradient: Tensor, places: Tensor, pool: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of images, weight and bias, summed over SUMMED pictures each first, then over these."""
    outputs, channels, _, _ = weight.shape
    count, _, height, width = images.shape
    groups = -(-count // SUMMED)
    weights, biases = torch.zeros((groups, outputs, 3, 3 * channels)), torch.zeros((groups, outputs))
    into = torch.zeros((count, height, width * channels))
    arrays = (
        _array(images).reshape(count, height, width * channels),
        _array(weight).reshape(outputs, 3, 3 * channels),
        _array(gradient),
        places.numpy(),
    )

    def work(first: int, end: int) -> None:
        for group in range(first, end):
            start = group * SUMMED
            sums = weights[group].numpy(), biases[group].numpy(), into.numpy()
            back_through(*arrays, pool, start, min(start + SUMMED, count), *sums)

    in_slices(work, groups, -(-groups // torch.get_num_threads()))
    image_gradient = into.reshape(count, height, width, channels).permute(0, 3, 1, 2)
    weight_gradient = weights.sum(dim=0).reshape(outputs, 3, 3, channels).permute(0, 3, 1, 2)
    return image_gradient, weight_gradient, biases.sum(dim=0)


def _parts(*tensors_N: Tensor, weight: Tensor) -> list[tuple[Tensor, ...]]:
    """The tensors in slices of so many pictures (the first are the images) as go through the convolution at once."""
    _, _, height, width = tensors_N[0].shape
    each = 4 * len(weight) * (height - 2) * (width - 2)
    return list(zip(*(torch.split(tensor, max(1, AT_ONCE_BYTES // each)) for tensor in tensors_N), strict=True))


def _array(tensor_NCHW: Tensor) -> Any:
    """The tensor's own memory, or a copy where that is not channels last, as a numpy array (N, H, W, C)."""
    return tensor_NCHW.detach().permute(0, 2, 3, 1).contiguous().numpy()
