"""Out of memory: what is said then."""

import contextlib
import traceback
from collections.abc import Callable, Iterator

import torch
from torch import nn

from pipeline.core.errors import InputError
from train.losses import Loss
from train.options import TrainOptions

NO_MEMORY = "can't allocate memory"
"""in the message when the CPU's memory is at its end"""


@contextlib.contextmanager
def memory_errors(net: nn.Module, loss: Loss, options: TrainOptions, classes: int) -> Iterator[None]:
    """Turns "out of memory" within the block into an InputError that says which batch size would fit."""
    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if not isinstance(error, torch.OutOfMemoryError) and NO_MEMORY not in str(error):
            raise
        traceback.clear_frames(error.__traceback__)  # they hold the batch that did not fit
        device = next(net.parameters()).device
        size = largest_batch(lambda count: _try_step(net, loss, options, count, classes), options.batch_size)
        advice = (
            f"--set batch_size={size} would fit" if size else "not even one picture fits: take a smaller image_size"
        )
        raise InputError(
            f"a batch of {options.batch_size} pictures of {options.image_size}x{options.image_size} does not fit into the "
            f"memory of {torch.cuda.get_device_name(device) if device.type == 'cuda' else 'this machine'}; {advice}"
        ) from None


def largest_batch(attempt: Callable[[int], None], refused: int) -> int:
    """The first size, halving from the one that was refused, with which `attempt` runs; 0 when none does."""
    size = refused // 2
    while size:
        with contextlib.suppress(torch.OutOfMemoryError):
            torch.cuda.empty_cache()  # does nothing where CUDA was never used
            attempt(size)
            return size
        size //= 2
    return 0


def _try_step(net: nn.Module, loss: Loss, options: TrainOptions, count: int, classes: int) -> None:
    """A forward and a backward pass of a grey batch; the gradients are dropped."""
    device = next(net.parameters()).device
    images = torch.full((count, 3, options.image_size, options.image_size), 0.5, device=device)
    targets = torch.full((count, classes), 1 / classes, device=device)
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=options.amp and device.type == "cuda"):
            scores = net(images)
        torch.autograd.backward(loss(scores, targets))
    finally:
        net.zero_grad()
