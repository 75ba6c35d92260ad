"""Where all randomness of a training comes from, and torch held to the same bits each time."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from train.examples import Split
from train.options import TrainOptions


def seed_for(options: TrainOptions, epoch: int, purpose: str) -> int:
    """A seed of 63 bits that differs with the run's seed, the epoch and the purpose."""
    return int.from_bytes(hashlib.sha256(f"{options.seed} {epoch} {purpose}".encode()).digest()[:8]) >> 1


def batches(train: Split, options: TrainOptions, randomness: torch.Generator) -> tuple[Tensor, ...]:
    """One epoch's row numbers, in batches: every example once, or as many drawn so that classes come equally often."""
    if options.class_balance == "sampler":
        labels = train.labels.cpu()
        chances = 1.0 / torch.bincount(labels).clamp(min=1)[labels]
        order = torch.multinomial(chances, len(train), replacement=True, generator=randomness)
    else:
        order = torch.randperm(len(train), generator=randomness)
    return torch.split(order.to(train.labels.device), options.batch_size)


@contextlib.contextmanager
def reproducible(device: torch.device, options: TrainOptions) -> Iterator[None]:
    """Within the block torch is deterministic (on a CPU always), its global generators ours; then all is as before."""
    memory: Any = torch.utils.deterministic  # mypy does not know its property
    strict = device.type == "cpu" or options.deterministic
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    filled, searched = memory.fill_uninitialized_memory, torch.backends.cudnn.benchmark
    if strict:
        os.environ.setdefault(
            "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
        )  # cuBLAS gives the same bits only with a fixed workspace
    try:
        torch.use_deterministic_algorithms(strict, warn_only=device.type == "cuda")
        memory.fill_uninitialized_memory = False  # a safety net for reading unset memory; costs a tenth
        torch.backends.cudnn.benchmark = not strict
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        memory.fill_uninitialized_memory = filled
        torch.backends.cudnn.benchmark = searched
