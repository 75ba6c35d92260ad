"""A cascade of any kind as flat arrays: what kernels read, on any device.

Haar features are up to three weighted rectangles, upright or tilted; an LBP feature is the first of its 3x3 blocks. Trees
lie one after the other, stage by stage; nodes and leaves are numbered through the whole cascade.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascades.model import THRESHOLD_SLACK, CascadeModel, HaarFeature, LbpFeature, Tree


@dataclass(frozen=True, slots=True)
class FlatCascade:
    """The arrays of one cascade; F features, N nodes, L leaves, T trees, S stages."""

    kind: str
    """`HAAR` or `LBP`"""
    width: int
    """of the window, pixels"""
    height: int
    """of the window, pixels"""
    rects: NDArray[np.int64]
    """(F, 3, 4) x, y, width, height of up to three rectangles; LBP: the first is the block at the top left"""
    weights: NDArray[np.float32]
    """(F, 3) of the rectangles, 0 where there is none"""
    tilted: NDArray[np.bool_]
    """(F,) whether the feature's rectangles stand on a corner"""
    features: NDArray[np.int32]
    """(N,) which feature a node looks at"""
    cuts: NDArray[np.float32]
    """(N,) Haar: a value below goes left"""
    subsets: NDArray[np.int32]
    """(N, 8) LBP: a code whose bit is set goes left"""
    children: NDArray[np.int32]
    """(N, 2) left and right: a node's number, or -1 - the number of a leaf"""
    leaves: NDArray[np.float32]
    """(L,)"""
    roots: NDArray[np.int32]
    """(T,) the first node of each tree"""
    ends: NDArray[np.int64]
    """(S,) one past the last tree of each stage"""
    thresholds: NDArray[np.float32]
    """(S,) the least sum that passes, slack taken off"""

    @property
    def is_stumps(self) -> bool:
        """Whether every tree is a single decision."""
        return len(self.features) == len(self.roots)

    @property
    def is_tilted(self) -> bool:
        """Whether any feature is tilted."""
        return bool(self.tilted.any())


def flatten(model: CascadeModel) -> FlatCascade:
    """The model's arrays."""
    rects = np.zeros((len(model.features), 3, 4), dtype=np.int64)
    weights = np.zeros((len(model.features), 3), dtype=np.float32)
    for i, feature in enumerate(model.features):
        if isinstance(feature, LbpFeature):
            rects[i, 0] = feature.x, feature.y, feature.width, feature.height
            continue
        for j, r in enumerate(feature.rects):
            rects[i, j], weights[i, j] = (r.x, r.y, r.width, r.height), r.weight
    trees = [tree for stage in model.stages for tree in stage.trees]
    nodes = [node for tree in trees for node in tree.nodes]
    sizes = np.array([len(tree.nodes) for tree in trees], dtype=np.int64)
    roots = np.cumsum(sizes) - sizes
    subsets = [node.subset or (0,) * 8 for node in nodes]
    return FlatCascade(
        kind=model.kind,
        width=model.width,
        height=model.height,
        rects=rects,
        weights=weights,
        tilted=np.array([isinstance(f, HaarFeature) and f.tilted for f in model.features], dtype=np.bool_),
        features=np.array([node.feature for node in nodes], dtype=np.int32),
        cuts=np.array([node.threshold for node in nodes], dtype=np.float32),
        subsets=np.array(subsets, dtype=np.int32).reshape(-1, 8),
        children=_children(trees),
        leaves=np.array([leaf for tree in trees for leaf in tree.leaves], dtype=np.float32),
        roots=roots.astype(np.int32),
        ends=np.cumsum([len(stage.trees) for stage in model.stages], dtype=np.int64),
        thresholds=np.array([stage.threshold for stage in model.stages], dtype=np.float32) - THRESHOLD_SLACK,
    )


def _children(trees: list[Tree]) -> NDArray[np.int32]:
    """From numbers within a tree to numbers within the cascade."""
    rows, first_node, first_leaf = [], 0, 0
    for tree in trees:
        for node in tree.nodes:
            rows.append([first_node + c if c > 0 else -1 - (first_leaf - c) for c in (node.left, node.right)])
        first_node, first_leaf = first_node + len(tree.nodes), first_leaf + len(tree.leaves)
    return np.array(rows, dtype=np.int32).reshape(-1, 2)


def haar_points(flat: FlatCascade) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(F, 3, 4) pixels right of and below the window's top left corner: the corners of each rectangle.

    In the integral image that the feature is for, a rectangle's sum is first - second - third + fourth.
    """
    x, y, w, h = (flat.rects[..., i] for i in range(4))
    tilted = flat.tilted[:, None, None]
    across = np.where(tilted, np.stack([x, x - h, x + w, x + w - h], axis=-1), np.stack([x, x + w, x, x + w], axis=-1))
    down = np.where(tilted, np.stack([y, y + h, y + w, y + w + h], axis=-1), np.stack([y, y, y + h, y + h], axis=-1))
    return across, down


def lbp_points(flat: FlatCascade) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(F, 16) the same: the 4x4 corners of the 3x3 blocks of each LBP feature, row by row."""
    x, y, w, h = (flat.rects[:, 0, i, None] for i in range(4))
    return x + np.tile(np.arange(4), 4) * w, y + np.repeat(np.arange(4), 4) * h


def haar_corners(flat: FlatCascade, stride: int, tilted_at: int) -> NDArray[np.int64]:
    """(F, 3, 4) offsets of `haar_points` in flat integral images with rows of `stride` numbers.

    The tilted integral image follows `tilted_at` numbers after the upright one.
    """
    across, down = haar_points(flat)
    return np.ascontiguousarray(down * stride + across + np.where(flat.tilted, tilted_at, 0)[:, None, None])


def lbp_corners(flat: FlatCascade, stride: int) -> NDArray[np.int64]:
    """(F, 16) offsets of `lbp_points` in a flat integral image with rows of `stride` numbers."""
    across, down = lbp_points(flat)
    return np.ascontiguousarray(down * stride + across)
