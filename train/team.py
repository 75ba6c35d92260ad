"""Several processes that train one net together, as torchrun starts them; alone, everything here does nothing.

Each process has all the pictures and draws the same randomness; of every batch it takes its share of the rows, so the
whole batch, and with it the result, is that of one process (but for rounding, dropout's masks, and batch
normalisation, which sees its own share alone).
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from pipeline.core.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """This process among those that train together."""

    rank: int = 0
    """0 is the one that writes"""
    size: int = 1
    """processes"""

    @property
    def leads(self) -> bool:
        """Whether this process writes the run's files."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """This process's places in a batch of so many; where there are too few, the first place, which weighs nothing."""
        return slice(self.rank, None, self.size) if self.rank < count else slice(0, 1)

    def weight(self, count: int) -> float:
        """What its mean loss counts, so that the mean over processes is the mean over the batch."""
        return len(range(self.rank, count, self.size)) * self.size / count

    def joined_net(self, net: nn.Module) -> nn.Module:
        """The net whose backward pass averages the gradients of all; for the weights that are trained at this moment."""
        return DistributedDataParallel(net) if self.size > 1 else net

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.size > 1:
            distributed.all_reduce(tensor)
        return tensor

    def level(self, net: nn.Module) -> None:
        """Makes all tensors of the net the leader's: batch normalisation's statistics have gone their own ways."""
        if self.size > 1:
            for tensor in net.state_dict().values():
                distributed.broadcast(tensor, 0)

    def as_the_leader_says(self, value: T) -> T:
        """The leader's value, so that all decide alike; it travels between our own processes only."""
        if self.size == 1:
            return value
        values = [value]
        distributed.broadcast_object_list(values, 0)
        return values[0]

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            distributed.barrier()


ALONE = Team()
"""one process"""


def rank_here() -> int:
    """This process's number as torchrun says it; 0 without torchrun. Raises UsageError."""
    return _number("RANK", 0)


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[Team]:
    """The team that torchrun made, with NCCL on CUDA and gloo on the CPU; alone without torchrun.

    Raises:
        UsageError: the variables that torchrun sets make no sense.
    """
    size, rank = _number("WORLD_SIZE", 1), rank_here()
    if size <= 1 or distributed.is_initialized():
        yield ALONE if size <= 1 else Team(rank=rank, size=size)
        return
    if device.type == "cuda":
        local = _number("LOCAL_RANK", 0)
        if local >= torch.cuda.device_count():
            raise UsageError(
                f"process {local} has no GPU of its own: there are {torch.cuda.device_count()}; start as many processes "
                "with torchrun --nproc-per-node"
            )
        torch.cuda.set_device(local)
    try:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    except ValueError as error:  # a missing address or port
        raise UsageError(f"WORLD_SIZE is {size}, but {error}; start with torchrun, or unset WORLD_SIZE") from error
    try:
        yield Team(rank=rank, size=size)
    finally:
        distributed.destroy_process_group()


def _number(name: str, usual: int) -> int:
    text = os.environ.get(name, "").strip() or str(usual)
    if not text.isdigit():
        raise UsageError(f"{name}={text}: a whole number was expected, as torchrun sets it; unset it")
    return int(text)
