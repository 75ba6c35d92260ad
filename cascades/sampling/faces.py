"""Labelled faces as windows: which are held out, which are fitted to, and how much of the window the face fills."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.images import Luma


@dataclass(slots=True)
class Face:
    """One labelled face as windows."""

    group: str
    windows: list[Luma]
    """to fit to, the first one unvaried"""
    mild: list[Luma]
    """to judge by, should the face be held out"""


def held_out_groups(groups: Sequence[str], fraction: float, seed: int) -> set[str]:
    """Groups to keep apart: seeded, whole, about the fraction asked for, never more than half of the faces."""
    sizes = Counter(groups)
    names = sorted(sizes)
    wanted, kept_apart, count = fraction * len(groups), set[str](), 0
    for i in np.random.default_rng([seed, 4]).permutation(len(names)):
        if count >= wanted:
            break
        if count + sizes[names[i]] <= len(groups) / 2:
            kept_apart.add(names[i])
            count += sizes[names[i]]
    return kept_apart


def round_robin(faces: Sequence[Face], wanted: int, seed: int) -> list[Luma]:
    """`wanted` windows: every face's first, then every face's second, ...; the last round is a seeded choice."""
    chosen: list[Luma] = []
    for number in range(max((len(face.windows) for face in faces), default=0)):
        layer = [face.windows[number] for face in faces if number < len(face.windows)]
        if len(chosen) + len(layer) > wanted:
            order = np.random.default_rng([seed, 5]).permutation(len(layer))
            return chosen + [layer[i] for i in np.sort(order[: wanted - len(chosen)])]
        chosen += layer
    return chosen


def typical_face(shapes: Sequence[tuple[float, float]]) -> tuple[float, float, float, float]:
    """The median face, centred in its window; float32 as the XML keeps it."""
    width, height = (float(np.clip(np.median([s[i] for s in shapes]), 0.05, 1.0)) for i in (0, 1))
    left, top, right, bottom = np.array([1 - width, 1 - height, 1 + width, 1 + height], dtype=np.float32) / np.float32(
        2
    )
    return float(left), float(top), float(right), float(bottom)
