"""Random cascades of every sort that OpenCV loads, windows to try them on, and a plain evaluation that is slow and sure.

The cascades are calibrated: each stage passes about the share of windows asked for, and half of all cuts lie exactly on
a value that one of the windows has, so that an evaluator that rounds differently is found out.
"""

from typing import Literal, cast

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from cascades.model import (
    THRESHOLD_SLACK,
    CascadeModel,
    FeatureType,
    HaarFeature,
    LbpFeature,
    Node,
    Rect,
    Stage,
    Tree,
)

Tilted = Literal["none", "all", "mixed"]
Windows = NDArray[np.uint8]
SMALLEST, LARGEST = 6, 40
"""sides of the windows of drawn cascades, pixels"""

# cells wide and high, and rectangles in cells (x, y, width, height, weight)
_UPRIGHT = (
    (2, 1, ((0, 0, 2, 1, -1), (1, 0, 1, 1, 2))),
    (1, 2, ((0, 0, 1, 2, -1), (0, 1, 1, 1, 2))),
    (3, 1, ((0, 0, 3, 1, -1), (1, 0, 1, 1, 2))),
    (1, 3, ((0, 0, 1, 3, -1), (0, 1, 1, 1, 2))),
    (4, 1, ((0, 0, 4, 1, -1), (1, 0, 2, 1, 2))),
    (1, 4, ((0, 0, 1, 4, -1), (0, 1, 1, 2, 2))),
    (2, 2, ((0, 0, 2, 2, -1), (0, 0, 1, 1, 2), (1, 1, 1, 1, 2))),
    (3, 3, ((0, 0, 3, 3, -1), (1, 1, 1, 1, 9))),
)

# ------------------------------------------------------------------------------------------------------ cascades


def random_cascade(
    random: np.random.Generator,
    *,
    kind: FeatureType = "HAAR",
    tilted: Tilted = "none",
    depth: int = 1,
    width: int = 24,
    height: int = 24,
    stages: int = 2,
    trees: int = 5,
    pass_rate: float = 0.6,
) -> CascadeModel:
    """A cascade whose every stage passes about `pass_rate` of the windows of `random_windows`.

    `depth` is the most decisions in a row (1: stumps), `trees` the most trees of a stage. LBP ignores `tilted`.
    """
    windows = random_windows(random, width, height, 160)
    norms = _norms(windows)
    if kind == "HAAR" and (norms > 0).any():
        windows = windows[norms > 0]
    features: list[HaarFeature | LbpFeature] = []
    built: list[Stage] = []
    for _ in range(stages):
        alive, grown = windows, []
        for _ in range(int(random.integers(1, trees + 1))):
            tree = _random_tree(random, kind, tilted, depth, (width, height), features, alive)
            grown.append(tree)
        probe = CascadeModel(
            kind=kind, width=width, height=height, stages=(Stage(0.0, tuple(grown)),), features=tuple(features)
        )
        sums = stage_sums(probe, alive)[:, 0]
        threshold = float(np.float32(np.quantile(sums, 1 - pass_rate, method="lower")))
        built.append(Stage(threshold, tuple(grown)))
        passed = sums >= np.float32(threshold) - THRESHOLD_SLACK
        windows = alive[passed] if passed.sum() >= 20 else alive
    return CascadeModel(
        kind=kind, width=width, height=height, stages=tuple(built), features=tuple(features),
        mode="BASIC" if kind == "LBP" or tilted == "none" else "ALL",
    )  # fmt: skip


@st.composite
def cascades(
    draw: st.DrawFn,
    *,
    kinds: tuple[FeatureType, ...] = ("HAAR", "LBP"),
    tilted: tuple[Tilted, ...] = ("none", "all", "mixed"),
    depths: tuple[int, int] = (1, 4),
    sides: tuple[int, int] = (SMALLEST, LARGEST),
    stages: tuple[int, int] = (1, 4),
) -> CascadeModel:
    """Any random cascade within the bounds; it shrinks to an upright Haar stump of the smallest window."""
    kind = draw(st.sampled_from(kinds))
    return random_cascade(
        np.random.default_rng(draw(seeds)),
        kind=kind,
        tilted=draw(st.sampled_from(tilted)) if kind == "HAAR" else "none",
        depth=draw(st.integers(*depths)),
        width=draw(st.integers(*sides)),
        height=draw(st.integers(*sides)),
        stages=draw(st.integers(*stages)),
        trees=draw(st.integers(1, 6)),
        pass_rate=draw(st.sampled_from([0.6, 0.3, 0.9])),
    )


seeds = st.integers(0, 2**32 - 1)


def random_windows(random: np.random.Generator, width: int, height: int, count: int) -> Windows:
    """(N, height, width): blocks, ramps and noise of every contrast, some too flat for the detector, a few uniform."""
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    windows = np.empty((count, height, width))
    for i in range(count):
        contrast = float(random.choice([4, 11, 30, 80]))
        windows[i] = random.uniform(40, 215) + random.normal(0, contrast / 3, (height, width))
        slope = random.normal(0, contrast, 2)
        windows[i] += slope[0] * rows / height + slope[1] * columns / width
        for _ in range(int(random.integers(0, 6))):
            top, left = int(random.integers(height)), int(random.integers(width))
            bottom, right = top + int(random.integers(1, height + 1)), left + int(random.integers(1, width + 1))
            windows[i, top:bottom, left:right] += random.normal(0, contrast * 2)
    windows[:: max(count // 3, 1)] = 128
    return np.clip(np.rint(windows), 0, 255).astype(np.uint8)


def _random_tree(
    random: np.random.Generator,
    kind: FeatureType,
    tilted: Tilted,
    depth: int,
    size: tuple[int, int],
    features: list[HaarFeature | LbpFeature],
    windows: Windows,
) -> Tree:
    """Nodes and leaves numbered breadth first, as opencv_traincascade does; appends to `features`."""
    children, queue, leaves = [], [1], 0
    while queue:  # a node that is in the queue has its depth there
        level, pair = queue.pop(0), []
        for _ in range(2):
            grows = level < depth and (random.random() < 0.7 or (level + 1 == depth and depth == 2))
            if grows:
                queue.append(level + 1)
                pair.append(len(children) + len(queue))
            else:
                pair.append(-leaves)
                leaves += 1
        children.append((pair[0], pair[1]))
    nodes = tuple(_random_node(random, kind, tilted, size, pair, features, windows) for pair in children)
    return Tree(nodes, tuple(random.normal(0, 1, leaves).astype(np.float32).tolist()))


def _random_node(
    random: np.random.Generator,
    kind: FeatureType,
    tilted: Tilted,
    size: tuple[int, int],
    children: tuple[int, int],
    features: list[HaarFeature | LbpFeature],
    windows: Windows,
) -> Node:
    index = len(features)
    if features and random.random() < 0.15:
        index = int(random.integers(len(features)))  # features are shared between nodes
    elif kind == "LBP":
        features.append(_random_lbp(random, *size))
    else:
        leans = tilted == "all" or (tilted == "mixed" and random.random() < 0.5)
        features.append(_random_tilted(random, *size) if leans else _random_upright(random, *size))
    feature = features[index]
    if isinstance(feature, LbpFeature):
        words = random.integers(-(2**31), 2**31, 8)
        return Node(children[0], children[1], index, subset=tuple(words.tolist()))
    values = haar_values(feature, windows)
    cut = np.float32(random.choice(values))
    if random.random() < 0.5:
        cut = np.float32(np.quantile(values, random.uniform(0.2, 0.8)))
    return Node(children[0], children[1], index, threshold=float(cut))


def _random_upright(random: np.random.Generator, width: int, height: int) -> HaarFeature:
    if random.random() < 0.3:
        return _random_freely(random, width, height, tilted=False)
    shapes = [shape for shape in _UPRIGHT if shape[0] <= width and shape[1] <= height]
    across, down, rects = shapes[int(random.integers(len(shapes)))]
    w, h = int(random.integers(1, width // across + 1)), int(random.integers(1, height // down + 1))
    x, y = int(random.integers(0, width - across * w + 1)), int(random.integers(0, height - down * h + 1))
    return HaarFeature(tuple(Rect(x + a * w, y + b * h, c * w, d * h, float(weight)) for a, b, c, d, weight in rects))


def _random_tilted(random: np.random.Generator, width: int, height: int) -> HaarFeature:
    if random.random() < 0.3:
        return _random_freely(random, width, height, tilted=True)
    cells = int(random.choice([2, 3, 4] if min(width, height) >= 6 else [2]))
    inner = 2 if cells == 4 else 1
    weight = 3.0 if cells == 3 else 2.0
    sideways = random.random() < 0.5
    while True:  # cells in a row along the rectangle's width, else along its height
        a, b = int(random.integers(1, width // cells + 1)), int(random.integers(1, width // cells + 1))
        w, h = (a * cells, b) if sideways else (b, a * cells)
        if w + h <= height and w + h <= width:
            break
    x, y = int(random.integers(h, width - w + 1)), int(random.integers(0, height - w - h + 1))
    start = 0 if cells == 2 else 1
    if sideways:  # along the width a tilted rectangle goes right and down, along the height left and down
        part = Rect(x + start * a, y + start * a, inner * a, h, weight)
    else:
        part = Rect(x - start * a, y + start * a, w, inner * a, weight)
    return HaarFeature((Rect(x, y, w, h, -1.0), part), tilted=True)


def _random_freely(random: np.random.Generator, width: int, height: int, tilted: bool) -> HaarFeature:
    """Two or three rectangles anywhere with any weights: nobody trains such, everybody must evaluate them alike."""
    rects = []
    for _ in range(int(random.integers(2, 4))):
        if tilted:
            room = min(width, height)
            w = int(random.integers(1, room // 2 + 1))
            h = int(random.integers(1, room - w + 1))
            x, y = int(random.integers(h, width - w + 1)), int(random.integers(0, height - w - h + 1))
        else:
            w, h = int(random.integers(1, width + 1)), int(random.integers(1, height + 1))
            x, y = int(random.integers(0, width - w + 1)), int(random.integers(0, height - h + 1))
        rects.append(Rect(x, y, w, h, float(np.float32(random.normal(0, 2)))))
    return HaarFeature(tuple(rects), tilted)


def _random_lbp(random: np.random.Generator, width: int, height: int) -> LbpFeature:
    w, h = int(random.integers(1, width // 3 + 1)), int(random.integers(1, height // 3 + 1))
    x, y = int(random.integers(0, width - 3 * w + 1)), int(random.integers(0, height - 3 * h + 1))
    return LbpFeature(x, y, w, h)


# ---------------------------------------------------------------------------------------------------- evaluation


def decisions(model: CascadeModel, windows_NHW: Windows) -> NDArray[np.int64]:
    """(N,): stages passed, -1 for a window with too little contrast to be looked at. Plain NumPy, from the definitions."""
    sums = stage_sums(model, windows_NHW)
    thresholds = np.array([stage.threshold for stage in model.stages], dtype=np.float32) - THRESHOLD_SLACK
    passed = np.cumprod(sums >= thresholds, axis=1).sum(axis=1)
    flat = _norms(windows_NHW) == 0
    return np.where(flat, -1, passed) if model.kind == "HAAR" else passed


def stage_sums(model: CascadeModel, windows_NHW: Windows) -> NDArray[np.float64]:
    """(N, stages): the sum of the leaves of every stage, whether reached or not."""
    values = [
        haar_values(f, windows_NHW) if isinstance(f, HaarFeature) else lbp_codes(f, windows_NHW) for f in model.features
    ]
    sums = np.zeros((len(windows_NHW), len(model.stages)))
    for s, stage in enumerate(model.stages):
        for tree in stage.trees:
            sums[:, s] += _leaves(tree, values)
    return sums


def _leaves(tree: Tree, values: list[NDArray[np.float32] | NDArray[np.int64]]) -> NDArray[np.float64]:
    count = len(values[0])
    at = np.zeros(count, dtype=np.int64)
    for index, node in enumerate(tree.nodes):  # children come after their parents, so one pass is enough
        here = (at == index) if index else np.ones(count, dtype=bool)
        value = values[node.feature]
        if node.subset:
            words = np.array(node.subset, dtype=np.int64)
            left = (words[cast(NDArray[np.int64], value) >> 5] >> (value & 31)) & 1 == 1
        else:
            left = value < np.float32(node.threshold)
        at[here] = np.where(left, _place(node.left), _place(node.right))[here]
    return np.asarray(np.array(tree.leaves)[_LEAF - at])


_LEAF = -1
"""a walk that is at leaf i is at _LEAF - i"""


def _place(child: int) -> int:
    return child if child > 0 else _LEAF + child


def haar_values(feature: HaarFeature, windows_NHW: Windows) -> NDArray[np.float32]:
    """(N,): the weighted sums divided by the window's contrast; float32 step by step."""
    total = np.zeros(len(windows_NHW), dtype=np.float32)
    for r in feature.rects:
        mask = tilted_mask(r, windows_NHW.shape[1:]) if feature.tilted else upright_mask(r, windows_NHW.shape[1:])
        pixels = np.tensordot(windows_NHW.astype(np.int64), mask, axes=2)
        total += np.float32(r.weight) * pixels.astype(np.float32)
    return total * _norms(windows_NHW)


def upright_mask(r: Rect, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """(H, W): ones where the rectangle is."""
    mask = np.zeros(shape, dtype=np.int64)
    mask[r.y : r.y + r.height, r.x : r.x + r.width] = 1
    return mask


def tilted_mask(r: Rect, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """(H, W): ones where the tilted rectangle is, from the definition of OpenCV's tilted integral.

    That integral at (X, Y) sums the pixels (x, y) with y < Y and |x - X + 1| <= Y - y - 1.
    """
    ys, xs = np.mgrid[: shape[0], : shape[1]]

    def cone(x: int, y: int) -> NDArray[np.int64]:
        return ((ys < y) & (np.abs(xs - x + 1) <= y - ys - 1)).astype(np.int64)

    return np.asarray(
        cone(r.x, r.y)
        - cone(r.x - r.height, r.y + r.height)
        - cone(r.x + r.width, r.y + r.width)
        + cone(r.x + r.width - r.height, r.y + r.width + r.height)
    )


def lbp_codes(feature: LbpFeature, windows_NHW: Windows) -> NDArray[np.int64]:
    """(N,): 0 to 255; the neighbours from the top left one clockwise are the bits from 128 to 1."""
    sums = {}
    for row in range(3):
        for column in range(3):
            top, left = feature.y + row * feature.height, feature.x + column * feature.width
            block = windows_NHW[:, top : top + feature.height, left : left + feature.width]
            sums[row, column] = block.sum(axis=(1, 2), dtype=np.int64)
    around = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    codes = np.zeros(len(windows_NHW), dtype=np.int64)
    for place in around:
        codes = 2 * codes + (sums[place] >= sums[1, 1])
    return codes


def _norms(windows_NHW: Windows) -> NDArray[np.float32]:
    """(N,): one by the contrast of the window without its border, zero where it is too low to be looked at."""
    inner = windows_NHW[:, 1:-1, 1:-1].astype(np.int64)
    area = inner.shape[1] * inner.shape[2]
    nf = area * (inner * inner).sum(axis=(1, 2)) - inner.sum(axis=(1, 2)) ** 2
    norms = (1.0 / np.sqrt(np.maximum(nf, 1))).astype(np.float32)
    return np.where((nf > 0) & (area * norms.astype(np.float64) < 0.1), norms, np.float32(0))
