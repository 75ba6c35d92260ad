"""A cascade under construction: chooses features, boosts one stage after another, knows which positives still pass."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cascades.apply import WindowJudge
from cascades.boost import BoostedStage, BoostOptions, Stump, boost_stage
from cascades.features import FeatureTable, bin_values, enumerate_haar, mode_of, tabulate
from cascades.model import CascadeModel, Node, Stage, Tree
from cascades.samples import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnOptions:
    """What a stage is made of."""

    mode: str = "basic"
    """`basic` or `core` Haar features"""
    width: int = 24
    """of the window, pixels"""
    height: int = 24
    """of the window, pixels"""
    features_per_stage: int = 12_000
    """a fresh random choice for each stage, and all used before; 0 for all there are"""
    seed: int = 0
    boost: BoostOptions = field(default_factory=BoostOptions)
    """when a stage is good enough"""


class CascadeBuilder:
    """The cascade so far, and the samples that still pass it."""

    def __init__(self, samples: Samples, options: LearnOptions) -> None:
        self.everything: FeatureTable = enumerate_haar(options.width, options.height, mode_of(options.mode))
        self.options = options
        self.positives, self.held_out = samples.positives, samples.held_out
        self.positives_before = len(self.positives)
        self.face = samples.face
        self.stages: list[tuple[tuple[Stump, ...], float]] = []
        self.judge = WindowJudge(self.model())

    def add_stage(self, negatives_NHW: NDArray[np.uint8]) -> BoostedStage | None:
        """Boosts the next stage; None where no stump separates anything."""
        self.positives_before = len(self.positives)
        chosen = self._choose()
        samples = tabulate(np.concatenate([self.positives, negatives_NHW]))
        stage = boost_stage(
            bin_values(self.everything.select(chosen), samples),
            self.positives_before,
            self.options.boost,
        )
        if not stage.stumps:
            return None
        stumps = tuple(Stump(int(chosen[s.feature]), s.threshold, s.left, s.right) for s in stage.stumps)
        self.stages.append((stumps, stage.threshold))
        self.judge = WindowJudge(self.model())
        passes = self.judge.windows(self.positives).stages_passed == self.judge.complete
        self.positives = self.positives[passes]
        return stage

    def held_out_hit_rate(self) -> float | None:
        if not len(self.held_out):
            return None
        return float((self.judge.windows(self.held_out).stages_passed == self.judge.complete).mean())

    def model(self) -> CascadeModel:
        used = self._used()
        place = {feature: i for i, feature in enumerate(used)}
        stages = tuple(
            Stage(
                threshold,
                tuple(Tree((Node(0, -1, place[s.feature], s.threshold),), (s.left, s.right)) for s in stumps),
            )
            for stumps, threshold in self.stages
        )
        return CascadeModel(
            kind="HAAR",
            width=self.options.width,
            height=self.options.height,
            stages=stages,
            features=tuple(self.everything.feature(i) for i in used),
            mode=self.options.mode.upper(),
            face=self.face,
        )

    def _used(self) -> list[int]:
        return sorted({s.feature for stumps, _ in self.stages for s in stumps})

    def _choose(self) -> NDArray[np.int64]:
        """Rows of the enumeration, ascending: a seeded choice for this stage and all that are used already."""
        total, wanted = len(self.everything), self.options.features_per_stage
        if not 0 < wanted < total:
            return np.arange(total, dtype=np.int64)
        random = np.random.default_rng([self.options.seed, 7, len(self.stages)])
        fresh = random.choice(total, size=wanted, replace=False)
        return np.union1d(fresh, np.array(self._used(), dtype=np.int64)).astype(np.int64)
