"""A cascade under construction: chooses features, boosts one stage after another, knows which positives still pass."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cascades.apply import WindowJudge
from cascades.learning.boost import BoostedStage, BoostOptions, boost_stage
from cascades.learning.features import mode_of, tabulate
from cascades.learning.haar import HaarTable, enumerate_haar
from cascades.learning.lbp import LbpTable, enumerate_lbp
from cascades.learning.screen import Screen
from cascades.learning.search import HaarSearch, LbpSearch, Search
from cascades.model import CascadeModel, Stage, Tree
from cascades.sampling.samples import Samples

LBP_TIMES = 2
"""as many LBP features as Haar features are looked at: none are found besides"""
POSITIVE_SHARES = {"haar": 0.8, "lbp": 0.5}
"""of the weight at a stage's start, by which held-out faces fared best"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnOptions:
    """What a stage is made of."""

    feature: str = "haar"
    """`haar` or `lbp`"""
    mode: str = "basic"
    """`basic`, `core` or `all` Haar features"""
    width: int = 24
    """of the window, pixels"""
    height: int = 24
    """of the window, pixels"""
    features_per_stage: int = 1_000
    """features that every split looks at: a fresh random choice for each stage, of LBP twice as many; 0 for all"""
    screened: int = 500
    """Haar features looked at besides: those that a linear fit ranks highest of all there are"""
    device: str = "cpu"
    """`cpu`: kernels on all cores; `auto` or `cuda`: torch on a GPU; `torch:cpu`: torch without one"""
    seed: int = 0
    boost: BoostOptions = field(default_factory=BoostOptions)
    """when a stage is good enough"""


class CascadeBuilder:
    """The cascade so far, and the samples that still pass it."""

    def __init__(self, samples: Samples, options: LearnOptions) -> None:
        self.options = options
        self.table: HaarTable | LbpTable = (
            enumerate_lbp(options.width, options.height)
            if options.feature == "lbp"
            else enumerate_haar(options.width, options.height, mode_of(options.mode))
        )
        self.screen: Screen | None = None
        if isinstance(self.table, HaarTable) and options.screened and options.device == "cpu":
            self.screen = Screen(self.table, options.screened)
        self.positives, self.held_out = samples.positives, samples.held_out
        self.positives_before = len(self.positives)
        self.face = samples.face
        self.stages: list[Stage] = []
        """their nodes refer to rows of the enumeration"""
        self.judge = WindowJudge(self.model())

    def add_stage(self, negatives_NHW: NDArray[np.uint8]) -> BoostedStage | None:
        """Boosts the next stage; None where nothing parts positives from negatives."""
        self.positives_before = len(self.positives)
        windows = np.concatenate([self.positives, negatives_NHW])
        stage = boost_stage(self._search(windows), len(windows), self.positives_before, self._boosting())
        if not stage.trees:
            return None
        self.stages.append(Stage(stage.threshold, stage.trees))
        self.judge = WindowJudge(self.model())
        passes = self.judge.windows(self.positives).stages_passed == self.judge.complete
        self.positives = self.positives[passes]
        return stage

    def held_out_hit_rate(self) -> float | None:
        """Share of the held-out windows that pass every stage; None where none were held out."""
        if not len(self.held_out):
            return None
        return float((self.judge.windows(self.held_out).stages_passed == self.judge.complete).mean())

    def model(self) -> CascadeModel:
        """The cascade so far, with the features it uses and no others."""
        used = self._used()
        place = {feature: i for i, feature in enumerate(used)}
        return CascadeModel(
            kind="LBP" if isinstance(self.table, LbpTable) else "HAAR",
            width=self.options.width,
            height=self.options.height,
            stages=tuple(Stage(s.threshold, tuple(_renumbered(t, place) for t in s.trees)) for s in self.stages),
            features=tuple(self.table.feature(i) for i in used),
            mode=self.options.mode.upper(),
            face=self.face,
        )

    def _boosting(self) -> BoostOptions:
        boost = self.options.boost
        return replace(boost, positive_share=boost.positive_share or POSITIVE_SHARES[self.options.feature])

    def _search(self, windows_NHW: NDArray[np.uint8]) -> Search:
        table, pool = self.table, self._pool()
        if self.options.device != "cpu":
            from cascades.on_torch.search import TorchSearch

            samples = tabulate(windows_NHW, isinstance(table, HaarTable) and table.has_tilted)
            return TorchSearch(table, samples, self.positives_before, pool, self.options.device)
        if isinstance(table, LbpTable):
            return LbpSearch(table, tabulate(windows_NHW, normed=False), self.positives_before, pool)
        samples = tabulate(windows_NHW, table.has_tilted)
        return HaarSearch(table, samples, self.positives_before, pool, self.screen)

    def _used(self) -> list[int]:
        return sorted({node.feature for stage in self.stages for tree in stage.trees for node in tree.nodes})

    def _pool(self) -> NDArray[np.int64]:
        """Rows of the enumeration, ascending: a seeded choice for this stage and all that are used already."""
        total, wanted = len(self.table), self.options.features_per_stage
        if isinstance(self.table, LbpTable):
            wanted *= LBP_TIMES
        if not 0 < wanted < total:
            return np.arange(total, dtype=np.int64)
        random = np.random.default_rng([self.options.seed, 7, len(self.stages)])
        fresh = random.choice(total, size=wanted, replace=False)
        return np.union1d(fresh, np.array(self._used(), dtype=np.int64)).astype(np.int64)


def _renumbered(tree: Tree, place: dict[int, int]) -> Tree:
    return Tree(tuple(replace(node, feature=place[node.feature]) for node in tree.nodes), tree.leaves)
