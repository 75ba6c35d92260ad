"""Regression trees on weighted samples: a weak classifier, from a stump to four decisions deep (Breiman et al. 1984)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascades.learning.search import Search, Split
from cascades.model import Node, Tree

Leaf = Callable[[float, float], float]
"""from the weight of the positives and of the negatives in a leaf to its value"""


@dataclass(slots=True)
class _Branch:
    """Samples that come to one place of the tree."""

    members: NDArray[np.bool_]
    """(N,)"""
    depth: int
    split: Split | None = None


def grow_tree(
    search: Search, weights_N: NDArray[np.float64], positives: int, depth: int, leaf: Leaf, heavy_N: NDArray[np.bool_]
) -> tuple[Tree, NDArray[np.float64]] | None:
    """A tree and its output on every sample; None where not even the first decision parts them.

    Nodes and leaves are numbered level by level, from left to right, and nodes refer to rows of the enumeration. A place
    is split where it is less than `depth` decisions down and something parts its samples. Splits are looked for on the
    samples in `heavy_N`, leaf values take all.
    """
    branches = [_Branch(np.ones(len(weights_N), dtype=np.bool_), 0)]
    children: list[tuple[int, int]] = []
    for branch in branches:  # grows while it is walked
        if branch.depth < depth:
            branch.split = search.split(np.flatnonzero(branch.members & heavy_N), weights_N)
        if branch.split is not None:
            children.append((len(branches), len(branches) + 1))
            left = branch.split.left
            branches += [_Branch(branch.members & side, branch.depth + 1) for side in (left, ~left)]
    if branches[0].split is None:
        return None
    return _as_tree(branches, children, weights_N, positives, leaf)


def _as_tree(
    branches: list[_Branch],
    children: list[tuple[int, int]],
    weights_N: NDArray[np.float64],
    positives: int,
    leaf: Leaf,
) -> tuple[Tree, NDArray[np.float64]]:
    numbers, leaves, outputs_N = list[int](), list[float](), np.zeros(len(weights_N))
    for branch in branches:
        if branch.split is not None:
            numbers.append(len(numbers) - len(leaves))  # the splits before it
            continue
        numbers.append(-len(leaves))
        weights = np.where(branch.members, weights_N, 0.0)
        value = np.float32(leaf(float(weights[:positives].sum()), float(weights[positives:].sum())))
        leaves.append(float(value))
        outputs_N[branch.members] = value
    splits = [branch.split for branch in branches if branch.split is not None]
    nodes = tuple(
        Node(numbers[left], numbers[right], split.feature, split.threshold, split.subset)
        for (left, right), split in zip(children, splits, strict=True)
    )
    return Tree(nodes, tuple(leaves)), outputs_N
