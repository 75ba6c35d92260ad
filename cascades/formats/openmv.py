"""OpenMV's binary `.cascade`, as the camera's firmware loads it (its lib/imlib/haar.c; written by its tools/haar2c.py).

Little endian: width, height and number of stages (int32); trees of each stage (uint8), zeros up to a multiple of four;
stage thresholds x 256; node thresholds x 4096; left leaves x 256; right leaves x 256 (all int16); rectangles of each
feature (uint8); their weights (int8); their x, y, width, height (uint8). Features are repeated for every tree.

The numbers are rounded and the camera normalises windows in its own way, so it decides about as OpenCV does, not exactly.
"""

import struct
from collections.abc import Iterable

from cascades.model import CascadeModel, HaarFeature, Tree
from pipeline.core.errors import CascadeError


def write_openmv(model: CascadeModel) -> bytes:
    """The model as a `.cascade` file.

    Raises:
        CascadeError: LBP, tilted features, trees deeper than a stump, or numbers that do not fit its few bits.
    """
    if model.kind != "HAAR" or not model.is_upright_stumps:
        raise CascadeError(
            "OpenMV evaluates upright Haar features and stumps only; fit with --feature haar, no --mode all and depth 1"
        )
    counts = [len(stage.trees) for stage in model.stages]
    if max(counts, default=0) > 255:
        raise CascadeError(f"OpenMV takes 255 trees a stage, the largest has {max(counts)}; fit fewer trees a stage")
    trees = [tree for stage in model.stages for tree in stage.trees]
    used = [model.features[tree.nodes[0].feature] for tree in trees]
    rects = [[r for r in f.rects if r.weight] for f in used if isinstance(f, HaarFeature)]
    flat = [r for group in rects for r in group]
    return b"".join(
        [
            struct.pack("<3i", model.width, model.height, len(counts)),
            bytes(counts) + bytes(-len(counts) % 4),
            _fixed((stage.threshold for stage in model.stages), 256, "stage thresholds"),
            _fixed((tree.nodes[0].threshold for tree in trees), 4096, "node thresholds"),
            _fixed((_leaf(tree, 0) for tree in trees), 256, "leaves"),
            _fixed((_leaf(tree, 1) for tree in trees), 256, "leaves"),
            bytes(len(group) for group in rects),
            struct.pack(f"<{len(flat)}b", *(_weight(r.weight) for r in flat)),
            bytes(edge for r in flat for edge in (r.x, r.y, r.width, r.height)),
        ]
    )


def _leaf(tree: Tree, side: int) -> float:
    node = tree.nodes[0]
    return tree.leaves[-(node.right if side else node.left)]


def _fixed(values: Iterable[float], unit: int, what: str) -> bytes:
    scaled = [round(value * unit) for value in values]
    beyond = [number / unit for number in scaled if not -(2**15) <= number < 2**15]
    if beyond:
        raise CascadeError(f"OpenMV keeps {what} within {2**15 // unit} of zero, this cascade has {beyond[0]:g}")
    return struct.pack(f"<{len(scaled)}h", *scaled)


def _weight(weight: float) -> int:
    if weight != int(weight) or not -128 <= weight <= 127:
        raise CascadeError(f"OpenMV takes whole weights from -128 to 127, this cascade has {weight:g}")
    return int(weight)
