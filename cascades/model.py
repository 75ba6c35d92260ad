"""A cascade as a value. Numbers are the float32 that OpenCV computes with, kept as Python floats.

A stage passes a window when the sum of its leaves is at least its threshold minus THRESHOLD_SLACK; a node goes left when
the feature's value is below its threshold (LBP: when the code's bit is set).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

THRESHOLD_SLACK = np.float32(1e-5)
"""what OpenCV takes off every stage threshold"""
FeatureType = Literal["HAAR", "LBP"]


@dataclass(frozen=True, slots=True)
class Rect:
    """A weighted rectangle of a Haar feature, in pixels of the window."""

    x: int
    y: int
    width: int
    height: int
    weight: float


@dataclass(frozen=True, slots=True)
class HaarFeature:
    """Weighted sum over two or three rectangles (Viola & Jones 2001); tilted ones stand on a corner."""

    rects: tuple[Rect, ...]
    tilted: bool = False


@dataclass(frozen=True, slots=True)
class LbpFeature:
    """Multi-block local binary pattern over 3x3 blocks; x, y, width and height are those of the first block."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Node:
    """A decision. A child above zero is the index of a later node, one of zero or less is minus the index of a leaf."""

    left: int
    right: int
    feature: int
    """index into the model's features"""
    threshold: float = 0.0
    """float32; Haar only"""
    subset: tuple[int, ...] = ()
    """eight signed 32-bit words of codes that go left; LBP only"""


@dataclass(frozen=True, slots=True)
class Tree:
    """A weak classifier; a stump is one node and two leaves."""

    nodes: tuple[Node, ...]
    leaves: tuple[float, ...]
    """float32, one more than nodes"""


@dataclass(frozen=True, slots=True)
class Stage:
    """Trees whose leaves are summed, and the sum that lets a window through."""

    threshold: float
    """float32, before OpenCV takes off its slack"""
    trees: tuple[Tree, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeModel:
    """A whole cascade."""

    kind: FeatureType
    """`HAAR` or `LBP`"""
    width: int
    """of the window, pixels"""
    height: int
    """of the window, pixels"""
    stages: tuple[Stage, ...]
    features: tuple[HaarFeature | LbpFeature, ...]
    """the used ones, in ascending order of the full enumeration"""
    mode: str = "BASIC"
    """`BASIC`, `CORE` or `ALL`: what Haar features were chosen from"""
    face: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    """left, top, right, bottom of the face within the window, as fractions; float32. OpenCV ignores it"""

    @property
    def is_upright_stumps(self) -> bool:
        """Whether it is upright Haar features and one decision per tree: what `cascades.apply` evaluates."""
        upright = all(isinstance(f, HaarFeature) and not f.tilted for f in self.features)
        return upright and all(len(t.nodes) == 1 for s in self.stages for t in s.trees)
