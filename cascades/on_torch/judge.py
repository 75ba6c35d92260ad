"""A cascade on a GPU (or wherever torch computes): the same decisions as `cascades.apply`, all windows side by side.

Every operation is one elementwise step on float32, in the order that OpenCV rounds in, so that no compiler can fuse two
of them; sums of a stage are float64. Trees are walked level by level, and windows that a stage rejects are dropped.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cascades.apply import Verdicts
from cascades.learning.features import corner_offsets
from cascades.model import CascadeModel, Tree
from cascades.scan.layout import flatten, haar_corners, lbp_corners
from pipeline.core.errors import UsageError
from pipeline.core.images import Luma

if TYPE_CHECKING:
    import torch

WINDOWS_AT_ONCE = 1 << 20
"""judged together; bounds the memory of the intermediate values"""


def torch_device(wanted: str = "auto") -> "torch.device":
    """`auto` is a CUDA GPU where there is one, else the CPU; `torch:cpu` is the CPU as well.

    Raises:
        UsageError: CUDA was asked for by name and is not there.
    """
    import torch

    wanted = wanted.removeprefix("torch:")
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(
            f"--device {wanted}: torch {torch.__version__} sees no CUDA GPU here; leave it out or give cpu"
        )
    try:
        return torch.device(wanted)
    except RuntimeError:
        raise UsageError(f"--device {wanted}: no device of torch; give auto, cpu or cuda") from None


@dataclass(frozen=True, slots=True)
class Integrals:
    """Integral images of a batch of equally large images, flat, one after the other."""

    sums: "torch.Tensor"
    """int32: the upright sums of all images, then the tilted ones where asked for"""
    squares: "torch.Tensor"
    """int64"""
    images: int
    stride: int
    """numbers in a row"""
    rows: int
    tilted_at: int
    """where the tilted sums begin"""


class TorchJudge:
    """`cascades.apply.WindowJudge` on a device of torch: any cascade, the same verdicts."""

    def __init__(self, model: CascadeModel, device: "torch.device") -> None:
        self.model, self.device = model, device
        self.flat = flatten(model)
        self._cuts, self._leaves = self._put(self.flat.cuts), self._put(self.flat.leaves)
        self._features, self._children = self._put(self.flat.features).long(), self._put(self.flat.children).long()
        self._subsets = self._put(self.flat.subsets)
        self._depths = [_depth(tree) for stage in model.stages for tree in stage.trees]

    @property
    def complete(self) -> int:
        """How many stages a window must pass."""
        return len(self.flat.ends)

    def windows(self, windows_NHW: NDArray[np.uint8]) -> Verdicts:
        """Verdicts on N windows of the cascade's own size."""
        n, height, width = windows_NHW.shape
        if (width, height) != (self.model.width, self.model.height):
            raise ValueError(f"windows of {width}x{height} for a cascade of {self.model.width}x{self.model.height}")
        parts = []
        for first in range(0, n, WINDOWS_AT_ONCE):
            integrals = self.integrals(windows_NHW[first : first + WINDOWS_AT_ONCE])
            starts = np.arange(integrals.images, dtype=np.int64) * integrals.stride * integrals.rows
            parts.append(self.judge(integrals, self._put(starts)))
        return _joined(parts)

    def places(self, image_HW: Luma, xs_N: NDArray[np.int64], ys_N: NDArray[np.int64]) -> Verdicts:
        """Verdicts on the windows of one image whose top left corners are given."""
        integrals = self.integrals(image_HW[None])
        return _joined([self.judge(integrals, self._put(ys_N * integrals.stride + xs_N))])

    def integrals(self, images_BHW: NDArray[np.uint8]) -> Integrals:
        """Integral images of a batch."""
        import torch

        grey = self._put(np.ascontiguousarray(images_BHW)).to(torch.int32)
        batch, height, width = grey.shape
        sums = _summed(grey, torch.int32)
        squares = _summed(grey * grey, torch.int64)
        tilted_at = sums.numel()
        flat = sums.reshape(-1)
        if self.flat.is_tilted:
            flat = torch.cat([flat, self._put(_tilted(images_BHW)).reshape(-1)])
        return Integrals(flat, squares.reshape(-1), batch, width + 1, height + 1, tilted_at)

    def judge(
        self, integrals: Integrals, starts_N: "torch.Tensor"
    ) -> tuple["torch.Tensor", "torch.Tensor", "torch.Tensor"]:
        """Stages passed (N,) int64, margins and totals (N,) float64, of windows given by where their corner lies."""
        import torch

        count = len(starts_N)
        passed = torch.full((count,), -1, dtype=torch.int64, device=self.device)
        margins = torch.zeros(count, dtype=torch.float64, device=self.device)
        totals = torch.zeros_like(margins)
        for first in range(0, count, WINDOWS_AT_ONCE):
            here = slice(first, min(first + WINDOWS_AT_ONCE, count))
            self._judge_some(integrals, starts_N[here], passed[here], margins[here], totals[here])
        return passed, margins, totals

    def _judge_some(
        self,
        integrals: Integrals,
        starts_N: "torch.Tensor",
        passed_N: "torch.Tensor",
        margins_N: "torch.Tensor",
        totals_N: "torch.Tensor",
    ) -> None:
        import torch

        alive, norms = self._with_contrast(integrals, starts_N)
        passed_N[alive] = 0
        if self.model.kind == "LBP":
            corners = self._put(lbp_corners(self.flat, integrals.stride))
        else:
            corners = self._put(haar_corners(self.flat, integrals.stride, integrals.tilted_at))
        begin = 0
        for stage, end in enumerate(self.flat.ends.tolist()):
            starts = starts_N[alive]
            sums = torch.zeros(len(alive), dtype=torch.float64, device=self.device)
            for tree in range(begin, end):
                sums += self._leaf(tree, integrals.sums, starts, norms, corners).double()
            begin = end
            margin = sums - float(self.flat.thresholds[stage])
            margins_N[alive] = margin
            totals_N[alive] += margin
            stays = margin >= 0
            alive, norms = alive[stays], norms[stays]
            passed_N[alive] = stage + 1
            if not len(alive):
                return

    def _with_contrast(self, integrals: Integrals, starts_N: "torch.Tensor") -> tuple["torch.Tensor", "torch.Tensor"]:
        """Numbers of the windows that are looked at, and what normalises their values."""
        import torch

        if self.model.kind == "LBP":
            everyone = torch.arange(len(starts_N), device=self.device)
            return everyone, torch.ones(len(starts_N), dtype=torch.float32, device=self.device)
        width, height = self.flat.width - 2, self.flat.height - 2
        inner = np.array([[[1, 1, width, height]]], dtype=np.int64)
        a, b, c, d = (starts_N + int(offset) for offset in corner_offsets(inner, integrals.stride)[0, 0])
        area = float(width * height)
        total = (integrals.sums[a] - integrals.sums[b] - integrals.sums[c] + integrals.sums[d]).double()
        squares = (integrals.squares[a] - integrals.squares[b] - integrals.squares[c] + integrals.squares[d]).double()
        nf = area * squares - total * total
        norms = torch.where(nf > 0, 1.0 / torch.sqrt(nf.clamp(min=1e-9)), torch.zeros_like(nf)).float()
        looked_at = ((nf > 0) & (area * norms.double() < 0.1)).nonzero().squeeze(1)
        return looked_at, norms[looked_at]

    def _leaf(
        self, tree: int, sums: "torch.Tensor", starts: "torch.Tensor", norms: "torch.Tensor", corners: "torch.Tensor"
    ) -> "torch.Tensor":
        """The leaf that each window comes to."""
        import torch

        root = int(self.flat.roots[tree])
        if self._depths[tree] == 1:
            left = self._goes_left(root, sums, starts, norms, corners)
            below, above = (self._leaves[-1 - int(child)] for child in self.flat.children[root])
            return torch.where(left, below, above)
        node = torch.full((len(starts),), root, dtype=torch.int64, device=self.device)
        for _ in range(self._depths[tree]):
            for inner in torch.unique(node[node >= 0]).tolist():
                here = (node == inner).nonzero().squeeze(1)
                left = self._goes_left(inner, sums, starts[here], norms[here], corners)
                below, above = self._children[inner]
                node[here] = torch.where(left, below, above)
        return self._leaves[-1 - node]

    def _goes_left(
        self, node: int, sums: "torch.Tensor", starts: "torch.Tensor", norms: "torch.Tensor", corners: "torch.Tensor"
    ) -> "torch.Tensor":
        feature = int(self.flat.features[node])
        if self.model.kind == "LBP":
            code = _lbp_code(sums, starts, corners[feature])
            return ((self._subsets[node][code >> 5] >> (code & 31)) & 1).bool()
        weights = self.flat.weights[feature]
        value = _rectangle(sums, starts, corners[feature, 0]) * float(weights[0])
        for i in (1, 2):
            if weights[i] != 0:
                value = value + _rectangle(sums, starts, corners[feature, i]) * float(weights[i])
        return value * norms < self._cuts[node]

    def _put(self, array: NDArray[np.generic]) -> "torch.Tensor":
        import torch

        return torch.from_numpy(np.array(array)).to(self.device)


def _rectangle(sums: "torch.Tensor", starts: "torch.Tensor", corners_4: "torch.Tensor") -> "torch.Tensor":
    a, b, c, d = (sums[starts + corner] for corner in corners_4)
    return (a - b - c + d).float()


def _lbp_code(sums: "torch.Tensor", starts: "torch.Tensor", corners_16: "torch.Tensor") -> "torch.Tensor":
    """Which of the eight outer blocks are at least as bright as the middle one, clockwise from the top left, 128 first."""
    import torch

    grid = [sums[starts + corner] for corner in corners_16]

    def block(row: int, column: int) -> "torch.Tensor":
        at = row * 4 + column
        return grid[at] - grid[at + 1] - grid[at + 4] + grid[at + 5]

    middle = block(1, 1)
    code = torch.zeros(len(starts), dtype=torch.int64, device=starts.device)
    for bit, (row, column) in enumerate([(1, 0), (2, 0), (2, 1), (2, 2), (1, 2), (0, 2), (0, 1), (0, 0)]):
        code |= (block(row, column) >= middle).long() << bit
    return code


def _summed(grey_BHW: "torch.Tensor", kind: "torch.dtype") -> "torch.Tensor":
    import torch

    batch, height, width = grey_BHW.shape
    sums = torch.zeros((batch, height + 1, width + 1), dtype=kind, device=grey_BHW.device)
    sums[:, 1:, 1:] = grey_BHW.cumsum(dim=1, dtype=kind).cumsum(dim=2, dtype=kind)
    return sums


def _tilted(images_BHW: NDArray[np.uint8]) -> NDArray[np.int32]:
    """(B, H + 1, W + 1) sums of the triangle above each pixel (Lienhart & Maydt 2002), by OpenCV."""
    import cv2

    return np.stack([cv2.integral3(image, sdepth=cv2.CV_32S, sqdepth=cv2.CV_64F)[2] for image in images_BHW])


def _depth(tree: Tree) -> int:
    """Decisions on the longest way through it."""
    levels = [1] * len(tree.nodes)
    for i, node in enumerate(tree.nodes):
        for child in (node.left, node.right):
            if child > 0:
                levels[child] = levels[i] + 1
    return max(levels)


def _joined(parts: list[tuple["torch.Tensor", "torch.Tensor", "torch.Tensor"]]) -> Verdicts:
    if not parts:
        return Verdicts(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))
    columns = [np.concatenate([part[i].cpu().numpy() for part in parts]) for i in range(3)]
    return Verdicts(columns[0], columns[1], columns[2])
