"""A cascade as JSON, for an evaluator of one's own: everything the XML holds, with names.

    {"format": "toonsift cascade", "version": 1, "feature": "HAAR" or "LBP", "width", "height", "face": [l, t, r, b],
     "features": [{"tilted": false, "rects": [[x, y, width, height, weight], ...]}      HAAR
                  {"block": [x, y, width, height]}],                                    LBP, the first of 3x3 blocks
     "stages": [{"threshold", "trees": [{"nodes": [{"left", "right", "feature", "threshold"}   HAAR
                                                   {"left", "right", "feature", "subset"}],    LBP, 8 signed words
                                         "leaves": [...]}]}]}

A node goes left when the feature's value is below its threshold (LBP: when the code's bit is set); a child above zero is
a later node, one of zero or less is minus the index of a leaf. A stage passes when its leaves sum to its threshold minus
0.00001 or more. Numbers are float32, written so that they come back as themselves.
"""

import json
from typing import Any

import numpy as np

from cascades.model import CascadeModel, LbpFeature, Node

VERSION = 1
"""of the layout"""


def write_json_model(model: CascadeModel) -> bytes:
    """The model as JSON, the same bytes for the same model."""
    features: list[dict[str, Any]] = []
    for feature in model.features:
        if isinstance(feature, LbpFeature):
            features.append({"block": [feature.x, feature.y, feature.width, feature.height]})
        else:
            rects = [[r.x, r.y, r.width, r.height, _short(r.weight)] for r in feature.rects]
            features.append({"tilted": feature.tilted, "rects": rects})
    stages = [
        {
            "threshold": _short(stage.threshold),
            "trees": [
                {"nodes": [_node(n) for n in tree.nodes], "leaves": [_short(leaf) for leaf in tree.leaves]}
                for tree in stage.trees
            ],
        }
        for stage in model.stages
    ]
    content = {
        "format": "toonsift cascade", "version": VERSION, "feature": model.kind, "width": model.width,
        "height": model.height, "face": [_short(edge) for edge in model.face], "features": features, "stages": stages,
    }  # fmt: skip
    return (json.dumps(content, allow_nan=False) + "\n").encode("ascii")


def _node(node: Node) -> dict[str, Any]:
    test = {"subset": list(node.subset)} if node.subset else {"threshold": _short(node.threshold)}
    return {"left": node.left, "right": node.right, "feature": node.feature} | test


def _short(value: float) -> float:
    """The number with nine digits: enough for float32, and shorter than what float64 would take."""
    return float(f"{np.float32(value):.9g}")
