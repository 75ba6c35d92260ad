"""`cascades.learning.splits` on a device of torch: the same gains within rounding (sums are added in another order there)."""

from typing import TYPE_CHECKING

from cascades.learning.splits import EMPTY, MAX_CODES

if TYPE_CHECKING:
    import torch

VALUES_AT_ONCE = 1 << 25
"""codes looked at together; bounds the memory of their places in the histograms"""


def split_gains(
    codes_FN: "torch.Tensor",
    weights_N: "torch.Tensor",
    positives: int,
    categories: bool,
    codes: int = MAX_CODES,
    smoothing: float = 0.0,
) -> tuple["torch.Tensor", "torch.Tensor"]:
    """As `cascades.learning.splits.split_gains`, on tensors: codes uint8, weights float64, gains float64 and cuts int64.

    Of categories every feature's gain is told, also where it cannot be the best of all.
    """
    import torch

    count, samples = codes_FN.shape
    block = max(VALUES_AT_ONCE // max(samples, 1), 1)
    extra = smoothing * float(weights_N.sum())
    parts = []
    for first in range(0, count, block):
        hits, misses = _histograms(codes_FN[first : first + block], weights_N, positives, codes)
        parts.append(_best_subsets(hits, misses, extra) if categories else _best_cuts(hits, misses))
    if not parts:
        return weights_N.new_zeros(0), torch.zeros(0, dtype=torch.int64, device=weights_N.device)
    return torch.cat([gains for gains, _ in parts]), torch.cat([cuts for _, cuts in parts])


def _histograms(
    codes_FN: "torch.Tensor", weights_N: "torch.Tensor", positives: int, codes: int
) -> tuple["torch.Tensor", "torch.Tensor"]:
    """(F, codes) weight of the positives and of the negatives."""
    places = codes_FN.long()
    hits, misses = (weights_N.new_zeros((len(codes_FN), codes)) for _ in range(2))
    weights = weights_N.expand(len(codes_FN), -1)
    hits.scatter_add_(1, places[:, :positives], weights[:, :positives])
    misses.scatter_add_(1, places[:, positives:], weights[:, positives:])
    return hits, misses


def _best_cuts(hits_FC: "torch.Tensor", misses_FC: "torch.Tensor") -> tuple["torch.Tensor", "torch.Tensor"]:
    import torch

    left_hits, left_misses = hits_FC.cumsum(1), misses_FC.cumsum(1)
    right_hits, right_misses = left_hits[:, -1:] - left_hits, left_misses[:, -1:] - left_misses
    left, right = left_hits + left_misses, right_hits + right_misses
    gains = (left_hits - left_misses) ** 2 / left + (right_hits - right_misses) ** 2 / right
    gains = torch.where((left > 0) & (right > EMPTY), gains, torch.full_like(gains, -1.0))
    best = gains[:, :-1].max(dim=1)
    return best.values, torch.where(best.values < 0, -torch.ones_like(best.indices), best.indices)


def _best_subsets(
    hits_FC: "torch.Tensor", misses_FC: "torch.Tensor", extra: float
) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Cuts through the codes by rising mean answer; those that do not occur come last and make no difference."""
    import torch

    both = hits_FC + misses_FC
    means = torch.where(both > 0, (hits_FC - misses_FC) / (both + extra), torch.full_like(both, torch.inf))
    order = means.argsort(dim=1, stable=True)
    return _best_cuts(hits_FC.gather(1, order), misses_FC.gather(1, order))
