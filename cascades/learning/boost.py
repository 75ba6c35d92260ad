"""One stage of a cascade: boosted trees, and the threshold that lets the positives through.

Gentle AdaBoost (Friedman, Hastie & Tibshirani 2000, algorithm 4), Real AdaBoost (Schapire & Singer 1999) or Discrete
AdaBoost (Freund & Schapire 1997). The stage's threshold lets `min_hit_rate` of the positives through; the stage is done
when it lets through no more than `max_false_alarm` of the negatives.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cascades.learning.search import Search
from cascades.learning.trees import grow_tree
from cascades.model import THRESHOLD_SLACK, Tree
from pipeline.core.errors import UsageError

Boosting = Literal["gentle", "real", "discrete"]
MAX_DEPTH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostOptions:
    """What a stage is boosted with, and when it is good enough."""

    min_hit_rate: float = 0.995
    """share of the positives that the stage must let through"""
    max_false_alarm: float = 0.5
    """share of the negatives that it may let through"""
    max_weak: int = 100
    """trees at most"""
    boosting: Boosting = "gentle"
    """`gentle`, `real` or `discrete` AdaBoost"""
    depth: int = 1
    """decisions from the root of a tree to its leaves, at most; 1 is a stump"""
    weight_kept: float = 1.0
    """share of all weight that splits are looked for on; the lightest samples are left out (OpenCV: 0.95)"""
    positive_share: float = 0.0
    """of all weight at the start; more of it asks for fewer lost positives (after Viola & Jones 2002); 0 for what suits
    the features"""

    def __post_init__(self) -> None:
        if self.boosting not in get_args(Boosting):
            raise UsageError(f"--boosting must be one of {', '.join(get_args(Boosting))}, got {self.boosting!r}")
        bounds: list[tuple[str, float, float, float]] = [
            ("--depth", self.depth, 1, MAX_DEPTH),
            ("--max-weak", self.max_weak, 1, 10_000),
            ("--weight-kept", self.weight_kept, 0.5, 1.0),
            ("--positive-share", self.positive_share or 0.5, 0.05, 0.95),
        ]
        for name, value, lowest, highest in bounds:
            if not lowest <= value <= highest:
                raise UsageError(f"{name} must be {lowest:g} to {highest:g}, got {value:g}")


@dataclass(frozen=True, slots=True)
class BoostedStage:
    """A stage and what it does on the samples it was boosted on."""

    trees: tuple[Tree, ...]
    """their nodes refer to rows of the enumeration"""
    threshold: float
    """float32; passes where sum >= threshold - THRESHOLD_SLACK"""
    hit_rate: float
    false_alarm: float

    @property
    def stumps(self) -> tuple[Tree, ...]:
        """The trees, by the name they had when all were stumps."""
        return self.trees


def boost_stage(search: Search, total: int, positives: int, options: BoostOptions) -> BoostedStage:
    """Boosts until the false alarm is low enough, `max_weak` trees are there, or no tree parts the samples.

    The first `positives` of `total` samples are the positives, all others negatives.
    """
    answers_N = np.where(np.arange(total) < positives, 1.0, -1.0)
    share = options.positive_share or 0.5
    weights_N = np.where(answers_N > 0, share / positives, (1 - share) / max(total - positives, 1))
    sums_N = np.zeros(total)
    trees: list[Tree] = []
    stage = BoostedStage((), 0.0, 1.0, 1.0)
    while len(trees) < options.max_weak:
        grown = _weak(search, weights_N, positives, options)
        if grown is None:
            break
        tree, outputs_N = grown
        trees.append(tree)
        sums_N += outputs_N
        weights_N *= np.exp(-answers_N * outputs_N)
        weights_N /= weights_N.sum()
        threshold = stage_threshold(sums_N[:positives], options.min_hit_rate)
        passes_N = sums_N >= np.float32(threshold) - THRESHOLD_SLACK
        stage = BoostedStage(
            tuple(trees), threshold, float(passes_N[:positives].mean()), float(passes_N[positives:].mean())
        )
        if stage.false_alarm <= options.max_false_alarm:
            break
    return stage


def stage_threshold(sums_P: NDArray[np.float64], min_hit_rate: float) -> float:
    """The highest float32 threshold that at least `min_hit_rate` of the positives' sums reach."""
    lost = int(np.floor((1.0 - min_hit_rate) * len(sums_P) + 1e-9))
    return float(np.float32(np.partition(sums_P, lost)[lost]))


def heaviest(weights_N: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    """The fewest samples, and those as heavy as the lightest of them, that hold that share of all weight."""
    if share >= 1:
        return np.ones(len(weights_N), dtype=np.bool_)
    falling = np.sort(weights_N)[::-1]
    held = np.cumsum(falling)
    last = min(int(np.searchsorted(held, share * held[-1])), len(falling) - 1)
    return np.asarray(weights_N >= falling[last])


def _weak(
    search: Search, weights_N: NDArray[np.float64], positives: int, options: BoostOptions
) -> tuple[Tree, NDArray[np.float64]] | None:
    heavy_N = heaviest(weights_N, options.weight_kept)
    smallest = 0.5 / len(weights_N)
    match options.boosting:
        case "gentle":
            return grow_tree(search, weights_N, positives, options.depth, _mean_answer, heavy_N)
        case "real":

            def half_log_odds(hits: float, misses: float) -> float:
                return 0.5 * float(np.log((hits + smallest) / (misses + smallest)))

            return grow_tree(search, weights_N, positives, options.depth, half_log_odds, heavy_N)
    grown = grow_tree(search, weights_N, positives, options.depth, _vote, heavy_N)
    return None if grown is None else _weighed(*grown, weights_N, positives, smallest)


def _mean_answer(hits: float, misses: float) -> float:
    return (hits - misses) / (hits + misses) if hits + misses > 0 else 0.0


def _vote(hits: float, misses: float) -> float:
    return 1.0 if hits > misses else -1.0


def _weighed(
    tree: Tree, votes_N: NDArray[np.float64], weights_N: NDArray[np.float64], positives: int, smallest: float
) -> tuple[Tree, NDArray[np.float64]] | None:
    """A tree of votes times half the log odds that it is right; None where it is right no more often than not."""
    wrong = float(
        weights_N[:positives][votes_N[:positives] < 0].sum() + weights_N[positives:][votes_N[positives:] > 0].sum()
    )
    if wrong >= 0.5 * weights_N.sum():
        return None
    weight = np.float32(0.5 * np.log((weights_N.sum() - wrong + smallest) / (wrong + smallest)))
    return Tree(tree.nodes, tuple(float(v * weight) for v in tree.leaves)), votes_N * weight
