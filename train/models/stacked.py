"""A base net, one expert per class, and a small net that decides what their votes mean (stacking, Wolpert 1992)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

HIDDEN = 32
"""width of both hidden layers"""
DROPOUT = 0.2
LEAST = 1e-4
"""probabilities are kept so far from 0 and 1: their logarithms stay small"""


class Stacked(nn.Module):
    """Experts tell one class from all others; the judge sees what the base and all experts say.

    Every net inside normalises for itself. Its output may be read as any net's: class scores before the softmax.
    """

    def __init__(self, member: Callable[[int], nn.Module], classes: int) -> None:
        super().__init__()
        self.base = member(classes)
        self.experts = nn.ModuleList(member(2) for _ in range(classes))
        self.judge = Judge(classes)

    def forward(self, images_N3SS: Tensor) -> Tensor:
        """Class scores (N, C) of float images (N, 3, S, S) in 0..1."""
        scores: Tensor = self.judge(self.votes(images_N3SS))
        return scores

    def votes(self, images_N3SS: Tensor) -> Tensor:
        """(N, 2 C): the base's probability of each class, then each expert's of its own."""
        base_NC = torch.softmax(self.base(images_N3SS).float(), dim=1)
        experts = [torch.softmax(expert(images_N3SS).float(), dim=1)[:, :1] for expert in self.experts]
        return torch.cat([base_NC, *experts], dim=1)


class Votes(nn.Module):
    """What a stacked net's members say, as a net of its own."""

    def __init__(self, stacked: Stacked) -> None:
        super().__init__()
        self.stacked = stacked

    def forward(self, images_N3SS: Tensor) -> Tensor:
        """(N, 2 C) of float images (N, 3, S, S) in 0..1."""
        return self.stacked.votes(images_N3SS)


class Judge(nn.Module):
    """The multi-layer perceptron with two hidden layers on the votes (Abanoz & Cataltepe).

    What it says is added to the logarithm of the plain average, with which it begins.
    """

    mean: Tensor
    """(2 C,) of the log odds it was trained on"""
    std: Tensor
    """(2 C,) likewise"""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(2 * classes))
        self.register_buffer("std", torch.ones(2 * classes))
        self.first, self.second = nn.Linear(2 * classes, HIDDEN), nn.Linear(HIDDEN, HIDDEN)
        self.scores = nn.Linear(HIDDEN, classes)
        self.dropout = nn.Dropout(DROPOUT)
        nn.init.zeros_(self.scores.weight)
        nn.init.zeros_(self.scores.bias)

    def forward(self, votes_NV: Tensor) -> Tensor:
        """Class scores (N, C) of votes (N, 2 C)."""
        features = (log_odds(votes_NV) - self.mean) / self.std
        features = self.dropout(functional.relu(self.first(features)))
        features = self.dropout(functional.relu(self.second(features)))
        scores: Tensor = torch.log(plain_average(votes_NV).clamp(min=LEAST)) + self.scores(features)
        return scores


def log_odds(votes_NV: Tensor) -> Tensor:
    """The logarithm of p / (1 - p), within bounds."""
    return torch.logit(votes_NV, eps=LEAST)


def plain_average(votes_NV: Tensor) -> Tensor:
    """(N, C): the mean of the base's probabilities and of the experts', the latter scaled to a sum of 1."""
    base_NC, experts_NC = votes_NV.chunk(2, dim=1)
    return (base_NC + experts_NC / experts_NC.sum(dim=1, keepdim=True).clamp(min=LEAST)) / 2
