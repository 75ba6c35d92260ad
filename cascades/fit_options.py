"""What a fit may be told: the options of all its parts in one place, checked together."""

from dataclasses import dataclass, field
from typing import cast

from cascades.learning.boost import Boosting, BoostOptions
from cascades.learning.builder import LearnOptions
from cascades.learning.features import mode_of
from cascades.learning.negatives import MiningOptions
from cascades.sampling.augment import AugmentOptions
from cascades.sampling.samples import FEWEST_POSITIVES, SampleOptions
from cascades.xml import MAX_SIDE
from pipeline.core.errors import UsageError

FEWEST_NEGATIVES = 50
"""negatives without which no further stage is fitted"""
AUTO_SIZE = (0, 0)
"""the window's size is chosen after the boxes"""
FEWEST_KEPT = 0.5
"""of the positives that all stages together must promise to let through"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """What kind of cascade, how strict, and how much to learn from."""

    feature: str = "haar"
    """`haar` or `lbp`"""
    mode: str = "basic"
    """`basic`, `core` or `all` Haar features"""
    size: tuple[int, int] = AUTO_SIZE
    """width, height of the window, pixels; AUTO_SIZE for the shape of the boxes at the area of 24x24"""
    stages: int = 15
    """at most"""
    min_hit_rate: float = 0.998
    """share of the positives that each stage lets through, at least"""
    max_false_alarm: float = 0.5
    """share of the negatives that each stage lets through, at most"""
    target_false_alarm: float = 0.0
    """share of all windows at which the cascade is strict enough and the fit ends; 0 for as many stages as asked"""
    max_weak: int = 100
    """trees of a stage, at most"""
    positives: int = 2000
    """windows; few boxes are varied until there are as many"""
    negatives_per_stage: int = 4000
    """windows that all earlier stages let through"""
    boosting: str = "gentle"
    """`gentle`, `real` or `discrete` AdaBoost"""
    depth: int = 1
    """decisions from the root of a tree to its leaves, at most; 1 is a stump"""
    weight_kept: float = 1.0
    """share of all weight that splits are looked for on; the lightest samples are left out"""
    positive_share: float = 0.0
    """of all weight at a stage's start; more of it asks for fewer lost positives; 0 for what suits the features"""
    features_per_stage: int = 1_000
    """features that every split looks at: a fresh random choice for each stage, of LBP twice as many; 0 for all"""
    screened: int = 500
    """Haar features looked at besides: those that a linear fit ranks highest of all there are"""
    held_out_fraction: float | None = None
    """of the faces, for an honest hit rate; None for what suits their number: few are all needed to fit to"""
    margin_fraction: float = 0.0
    """of the box added on each side of it"""
    negatives_fps: float = 1.0
    """frames a second that are taken from videos without the character"""
    unsure_negatives: bool = False
    """whether the character may be seen on the pictures without the character after all"""
    device: str = "cpu"
    """`cpu`: kernels on all cores; `auto` or `cuda`: torch on a GPU, where `features_per_stage` 0 suits; `torch:cpu`"""
    verify: bool = True
    """whether a verifier is learned as well, which scores in colour what the cascade finds"""
    seed: int = 0
    """the same seed and inputs give the same bytes"""
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    """how boxes are varied"""
    mining: MiningOptions = field(default_factory=MiningOptions)
    """which windows are negatives"""

    def __post_init__(self) -> None:
        if self.feature not in ("haar", "lbp"):
            raise UsageError(f"--feature {self.feature}: there are haar and lbp; choose one")
        if mode_of(self.mode) != "basic" and self.feature == "lbp":
            raise UsageError(f"--mode {self.mode} is of haar features; leave it out with --feature lbp")
        bounds: list[tuple[str, float, float, float]] = [
            *([("--size", float(side), 8, 96) for side in self.size] if self.size != AUTO_SIZE else []),
            ("--stages", self.stages, 1, 100),
            ("--min-hit-rate", self.min_hit_rate, 0.5, 1.0),
            ("--max-false-alarm", self.max_false_alarm, 0.01, 0.99),
            ("--positives", self.positives, FEWEST_POSITIVES, 1_000_000),
            ("--negatives-per-stage", self.negatives_per_stage, FEWEST_NEGATIVES, 1_000_000),
            ("--seed", self.seed, 0, 2**63 - 1),
            ("target_false_alarm", self.target_false_alarm, 0.0, 0.5),
            ("held_out_fraction", self.held_out_fraction or 0.0, 0.0, 0.5),
            ("margin_fraction", self.margin_fraction, 0.0, 1.0),
        ]
        for name, value, lowest, highest in bounds:
            if not lowest <= value <= highest:
                raise UsageError(f"{name} must be {lowest:g} to {highest:g}, got {value:g}")
        assert max(self.size) <= MAX_SIDE
        kept = self.min_hit_rate**self.stages
        if kept < FEWEST_KEPT:
            raise UsageError(
                f"--min-hit-rate {self.min_hit_rate:g} over --stages {self.stages} keeps {kept:.2g} of the faces; "
                f"raise the rate to {FEWEST_KEPT ** (1 / self.stages):.4f} or more, or take fewer stages"
            )
        if self.max_false_alarm >= self.min_hit_rate:
            raise UsageError(
                f"--max-false-alarm {self.max_false_alarm:g} must be below --min-hit-rate {self.min_hit_rate:g}"
            )
        _ = self.learning, self.sampling  # what they refuse is refused now

    @property
    def sampling(self) -> SampleOptions:
        """The part that says what windows are made of truth."""
        return SampleOptions(
            width=self.size[0],
            height=self.size[1],
            positives=self.positives,
            held_out_fraction=self.held_out_fraction,
            margin_fraction=self.margin_fraction,
            negatives_fps=self.negatives_fps,
            unsure_negatives=self.unsure_negatives,
            contrast_needed=self.feature == "haar",
            augment=self.augment,
            seed=self.seed,
        )

    @property
    def learning(self) -> LearnOptions:
        """The part that says what stages are made of."""
        boost = BoostOptions(
            min_hit_rate=self.min_hit_rate,
            max_false_alarm=self.max_false_alarm,
            max_weak=self.max_weak,
            boosting=cast(Boosting, self.boosting),  # it checks that itself
            depth=self.depth,
            weight_kept=self.weight_kept,
            positive_share=self.positive_share,
        )
        width, height = self.size if self.size != AUTO_SIZE else (24, 24)
        return LearnOptions(
            feature=self.feature,
            mode=self.mode,
            width=width,
            height=height,
            features_per_stage=self.features_per_stage,
            screened=self.screened,
            device=self.device,
            seed=self.seed,
            boost=boost,
        )
