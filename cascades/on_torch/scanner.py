"""Whole images on a device of torch: the windows of `cascades.scan.Scanner` in its exact search, all levels in batches."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cascades.learning.negatives import shrink
from cascades.model import CascadeModel
from cascades.on_torch.judge import TorchJudge, torch_device
from cascades.scan.machine import Passed
from cascades.scan.pyramid import Level, levels_of
from cascades.scan.regions import Region
from cascades.scan.search import Found, Hits, ScanOptions, hits_of, hits_within
from pipeline.core.images import Luma

if TYPE_CHECKING:
    import torch


class TorchScanner:
    """Several cascades ready to be run on images of a device.

    Args:
        models: any cascades that OpenCV loads.
        device: `auto`, `cpu`, `cuda` or `cuda:1`.

    Raises:
        UsageError: CUDA was asked for by name and is not there.
    """

    def __init__(self, models: Sequence[CascadeModel], device: str = "auto") -> None:
        self.device = torch_device(device)
        self.judges = [TorchJudge(model, self.device) for model in models]

    def scan(self, image_HW: Luma, options: Sequence[ScanOptions] | ScanOptions) -> list[Hits]:
        """What each cascade finds on a luma image, in the order of the cascades."""
        return self.scan_batch([image_HW], options)[0]

    def scan_batch(self, images: Sequence[Luma], options: Sequence[ScanOptions] | ScanOptions) -> list[list[Hits]]:
        """The same for several images; those of one size go through together."""
        each = [options] * len(self.judges) if isinstance(options, ScanOptions) else list(options)
        results: list[list[Hits]] = [[] for _ in images]
        shapes = sorted({image.shape for image in images})
        for shape in shapes:
            numbers = [i for i, image in enumerate(images) if image.shape == shape]
            batch = np.stack([images[i] for i in numbers])
            for number, (judge, option) in enumerate(zip(self.judges, each, strict=True)):
                for i, hits in zip(numbers, self._search(number, judge, batch, option), strict=True):
                    results[i].append(hits)
        return results

    def scan_regions(
        self, image_HW: Luma, regions: Sequence[Sequence[Region]], options: Sequence[ScanOptions] | ScanOptions
    ) -> list[Hits]:
        """What each cascade finds in its regions; here the whole image is searched for it."""
        windows = [(judge.flat.width, judge.flat.height) for judge in self.judges]
        return [hits_within(*of) for of in zip(self.scan(image_HW, options), regions, windows, strict=True)]

    def _search(
        self, number: int, judge: TorchJudge, images_BHW: NDArray[np.uint8], options: ScanOptions
    ) -> list[Hits]:
        count, height, width = images_BHW.shape
        window = (judge.flat.width, judge.flat.height)
        found: list[list[Found]] = [[] for _ in range(count)]
        for level in levels_of((width, height), window, options.scale_factor, options.smallest, options.largest):
            shrunk = np.stack([shrink(image, level.width, level.height) for image in images_BHW])
            for of_image, passed in zip(found, _on_level(judge, shrunk, level), strict=True):
                which = np.zeros(len(passed.rows), dtype=np.int64)
                of_image.append(Found(window, [level], which, passed, level.columns * level.rows, 0))
        return [hits_of(of_image, (height, width)) for of_image in found]


def _on_level(judge: TorchJudge, images_BHW: NDArray[np.uint8], level: Level) -> list[Passed]:
    """What passes on one level of each image."""
    import torch

    integrals = judge.integrals(images_BHW)
    image, row, column = (
        axis.reshape(-1)
        for axis in torch.meshgrid(
            torch.arange(len(images_BHW), device=judge.device),
            torch.arange(level.rows, device=judge.device),
            torch.arange(level.columns, device=judge.device),
            indexing="ij",
        )
    )
    starts = (image * integrals.rows + row * level.step) * integrals.stride + column * level.step
    stages, margins, totals = judge.judge(integrals, starts)
    visited = _visited(stages.reshape(-1, level.columns) == 0).reshape(-1)
    last = float(judge.flat.thresholds[-1])
    hits = ((stages == judge.complete) & visited).nonzero().squeeze(1)
    of, rows, columns, over, all_over = (values[hits].cpu().numpy() for values in (image, row, column, margins, totals))
    return [
        Passed(
            columns=columns[of == i],
            rows=rows[of == i],
            stages=np.full(int((of == i).sum()), judge.complete, dtype=np.int32),
            lasts=over[of == i] + last,
            totals=all_over[of == i],
        )
        for i in range(len(images_BHW))
    ]


def _visited(rejected_RC: "torch.Tensor") -> "torch.Tensor":
    """Which windows of each row OpenCV looks at: after one that the first stage rejects it leaves the next one out.

    In a run of rejected windows it so looks at the first, third, ...; a window after the run counts with it.
    """
    import torch

    columns = torch.arange(rejected_RC.shape[1], device=rejected_RC.device).expand_as(rejected_RC)
    after_last_kept = torch.where(rejected_RC, torch.zeros_like(columns), columns + 1).cummax(dim=1).values
    run_starts = torch.zeros_like(columns)
    run_starts[:, 1:] = after_last_kept[:, :-1]
    return (columns - run_starts) % 2 == 0
