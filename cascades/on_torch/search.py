"""The best split of a node among all features, on a device of torch: what a GPU can afford in every round."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cascades.learning.features import SampleTable
from cascades.learning.haar import BINS, HaarTable, values_of
from cascades.learning.lbp import LbpTable, codes_of
from cascades.learning.search import SMOOTHING, Columns, Split, Weights, as_words, midway
from cascades.learning.splits import gain_of_none, left_codes
from cascades.on_torch.judge import torch_device
from cascades.on_torch.splits import split_gains

if TYPE_CHECKING:
    import torch

BLOCK = 2048
"""features whose values are computed together"""


class TorchSearch:
    """`cascades.learning.search.Search` over the features of `pool`; their codes on all samples stay on the device, a byte each."""

    def __init__(
        self,
        table: HaarTable | LbpTable,
        samples: SampleTable,
        positives: int,
        pool: NDArray[np.int64],
        device: str = "auto",
    ) -> None:
        import torch

        self.table, self.samples, self.positives, self.pool = table, samples, positives, pool
        self.device = torch_device(device)
        if isinstance(table, LbpTable):
            self.codes = torch.from_numpy(codes_of(table.select(pool), samples)).to(self.device)
        else:
            self.codes = _binned(table, samples, pool, self.device)

    def split(self, columns_K: Columns, weights_N: Weights) -> Split | None:
        """The split of least weighted squared error of the samples in `columns_K`; None where nothing parts them."""
        import torch

        is_lbp = isinstance(self.table, LbpTable)
        whole = len(columns_K) == len(self.samples)
        codes = self.codes if whole else self.codes[:, torch.from_numpy(columns_K).to(self.device)]
        weights, positives = weights_N[columns_K], int(np.searchsorted(columns_K, self.positives))
        gains, cuts = split_gains(
            codes, torch.from_numpy(weights).to(self.device), positives, is_lbp, smoothing=SMOOTHING if is_lbp else 0.0
        )
        at = int(gains.argmax())
        if float(gains[at]) <= gain_of_none(weights, positives):
            return None
        everywhere, cut, row = self.codes[at].cpu().numpy(), int(cuts[at]), int(self.pool[at])
        if isinstance(self.table, LbpTable):
            left = left_codes(everywhere[columns_K], weights, positives, cut, SMOOTHING)
            return Split(row, 0.0, as_words(left), left[everywhere])
        values = values_of(self.table.select(self.pool[at : at + 1]), self.samples)[0]
        left = everywhere[columns_K] <= cut
        threshold = midway(values[columns_K][left].max(), values[columns_K][~left].min())
        return Split(row, float(threshold), (), values < threshold)


def _binned(table: HaarTable, samples: SampleTable, pool: NDArray[np.int64], device: "torch.device") -> "torch.Tensor":
    """(F, N) as `cascades.learning.haar.bin_values`, computed on the device step by step in the same order."""
    import torch

    sums = torch.from_numpy(samples.sums).to(device)
    norms = torch.from_numpy(samples.inverse_norms).to(device)
    bins = torch.empty((len(pool), len(samples)), dtype=torch.uint8, device=device)
    for first in range(0, len(pool), BLOCK):
        corners_F34, weights_F3 = table.select(pool[first : first + BLOCK]).corners()
        corners = torch.from_numpy(corners_F34.astype(np.int64)).to(device)
        weights = torch.from_numpy(weights_F3).to(device)
        values = torch.zeros((len(corners), len(samples)), dtype=torch.float32, device=device)
        for i in range(3):
            a, b, c, d = (sums[corners[:, i, j]] for j in range(4))
            values += weights[:, i, None] * (a - b - c + d)
        values *= norms
        lowest, highest = values.amin(dim=1, keepdim=True), values.amax(dim=1, keepdim=True)
        scale = torch.where(highest > lowest, BINS / (highest - lowest), torch.zeros_like(lowest))
        bins[first : first + BLOCK] = ((values - lowest) * scale).int().clamp(max=BINS - 1).to(torch.uint8)
    return bins
