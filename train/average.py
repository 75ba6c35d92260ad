"""The moving average of a net's weights, which is often better than the weights themselves."""

import copy

import torch
from torch import nn


class Average:
    """Weights that follow a net's by a share of 1 - decay in each step (Polyak & Juditsky 1992, exponentially).

    In the first steps the decay is smaller, (1 + step) / (10 + step), so that the random beginning is soon forgotten.
    Counters and batch normalisation's statistics are averaged or, where they are whole numbers, copied.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net, self.decay = copy.deepcopy(net).eval().requires_grad_(False), decay

    def follow(self, net: nn.Module, step: int) -> None:
        """Moves towards the net after its optimiser's step of that number, from 1."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        mine, theirs = list(self.net.state_dict().values()), list(net.state_dict().values())
        pairs = [(a, b) for a, b in zip(mine, theirs, strict=True) if a.is_floating_point()]
        torch._foreach_lerp_([a for a, _ in pairs], [b for _, b in pairs], weight)
        for a, b in zip(mine, theirs, strict=True):
            if not a.is_floating_point():
                a.copy_(b)
