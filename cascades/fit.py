"""Fits a cascade (Viola & Jones 2001): stage by stage, boosted on what all earlier stages let through."""

import resource
import sys
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascades.augment import AugmentOptions
from cascades.boost import BoostOptions
from cascades.builder import CascadeBuilder, LearnOptions
from cascades.features import mode_of
from cascades.model import CascadeModel
from cascades.negatives import Miner, MiningOptions
from cascades.samples import FEWEST_POSITIVES, SampleOptions, Samples
from cascades.xml import MAX_SIDE
from pipeline.core.errors import TruthError, UsageError
from pipeline.core.progress import Progress, Silent

FEWEST_NEGATIVES = 50
"""negatives without which no further stage is fitted"""
CHECKED_WINDOWS = 500_000
"""fresh windows that the finished cascade is measured on"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """What kind of cascade, how strict, and how much to learn from."""

    feature: str = "haar"
    """`haar`; `lbp` is not built yet"""
    mode: str = "basic"
    """`basic` or `core` Haar features"""
    size: tuple[int, int] = (24, 24)
    """width, height of the window, pixels"""
    stages: int = 15
    """at most"""
    min_hit_rate: float = 0.998
    """share of the positives that each stage lets through, at least"""
    max_false_alarm: float = 0.5
    """share of the negatives that each stage lets through, at most"""
    max_weak: int = 100
    """stumps of a stage, at most"""
    positives: int = 2000
    """windows; few boxes are varied until there are as many"""
    negatives_per_stage: int = 4000
    """windows that all earlier stages let through"""
    features_per_stage: int = 12_000
    """a fresh random choice for each stage, and all used before; 0 for all there are"""
    held_out_fraction: float = 0.15
    """of the faces, for an honest hit rate"""
    margin_fraction: float = 0.0
    """of the box added on each side of it"""
    seed: int = 0
    """the same seed and inputs give the same bytes"""
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    """how boxes are varied"""
    mining: MiningOptions = field(default_factory=MiningOptions)
    """which windows are negatives"""

    def __post_init__(self) -> None:
        if self.feature != "haar":
            raise UsageError(f"--feature {self.feature}: only haar is built so far; leave it out")
        mode_of(self.mode)
        bounds: list[tuple[str, float, float, float]] = [
            ("--size", min(self.size), 8, 96),
            ("--size", max(self.size), 8, 96),
            ("--stages", self.stages, 1, 100),
            ("--min-hit-rate", self.min_hit_rate, 0.5, 1.0),
            ("--max-false-alarm", self.max_false_alarm, 0.01, 0.99),
            ("--positives", self.positives, FEWEST_POSITIVES, 1_000_000),
            ("--negatives-per-stage", self.negatives_per_stage, FEWEST_NEGATIVES, 1_000_000),
            ("--seed", self.seed, 0, 2**63 - 1),
        ]
        for name, value, lowest, highest in bounds:
            if not lowest <= value <= highest:
                raise UsageError(f"{name} must be {lowest:g} to {highest:g}, got {value:g}")
        assert max(self.size) <= MAX_SIDE

    @property
    def sampling(self) -> SampleOptions:
        """The part that says what windows are made of truth."""
        return SampleOptions(
            width=self.size[0],
            height=self.size[1],
            positives=self.positives,
            held_out_fraction=self.held_out_fraction,
            margin_fraction=self.margin_fraction,
            augment=self.augment,
            seed=self.seed,
        )

    @property
    def learning(self) -> LearnOptions:
        """The part that says what stages are made of."""
        boost = BoostOptions(
            min_hit_rate=self.min_hit_rate, max_false_alarm=self.max_false_alarm, max_weak=self.max_weak
        )
        width, height = self.size
        return LearnOptions(
            mode=self.mode,
            width=width,
            height=height,
            features_per_stage=self.features_per_stage,
            seed=self.seed,
            boost=boost,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReport:
    """One stage as it was fitted."""

    weak: int
    """stumps"""
    hit_rate: float
    """share of the positives that reached it which it lets through"""
    false_alarm: float
    """share of its negatives that it lets through"""
    held_out_hit_rate: float | None
    """share of all held-out windows that pass this and every earlier stage; None without held-out windows"""
    positives: int
    """that reached it"""
    negatives: int
    """that it was fitted to"""
    windows_seen: int
    """looked at for the first time to find its negatives"""
    passed_before: float | None
    """share of those that the earlier stages let through: their honest false alarm rate; None where none were seen"""
    seconds: float
    """wall time"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A cascade and how it came about."""

    model: CascadeModel
    stages: tuple[StageReport, ...]
    reason: str
    """why it ended"""
    false_alarm: float | None
    """share of `windows_checked` fresh windows that the whole cascade lets through; None where none were left"""
    windows_checked: int
    windows_seen: int
    """in all"""
    windows_total: int
    """that there are"""
    seconds: float
    """wall time"""
    cpu_seconds: float
    """of this process, all threads"""
    peak_mib: float
    """largest resident memory of this process so far"""


def fit_cascade(samples: Samples, options: FitOptions, progress: Progress | None = None) -> Fitted:
    """Fits stage after stage until there are enough, or the negatives or positives run out.

    The same samples and options give the same model, on any number of threads.

    Raises:
        TruthError: not even the first stage finds enough negatives.
    """
    started, cpu_started = time.perf_counter(), time.process_time()
    width, height = options.size
    mining = replace(options.mining, smallest_px=options.mining.smallest_px or samples.smallest_px)
    miner = Miner(samples.scenes, _limited(samples.hard, options), width, height, options.seed, mining)
    builder = CascadeBuilder(samples, options.learning)
    reports: list[StageReport] = []
    reason = f"all {options.stages} stages fitted"
    with (progress or Silent()).step("fitting", options.stages, "stages") as step:
        for _ in range(options.stages):
            begun = time.perf_counter()
            mined = miner.collect(builder.judge, options.negatives_per_stage)
            passed_before = mined.passed / mined.seen if mined.seen else None
            if len(mined.windows) < FEWEST_NEGATIVES:
                reason = _exhausted(miner, len(mined.windows))
                break
            boosted = builder.add_stage(mined.windows)
            if boosted is None:
                reason = "no feature tells the remaining positives from the negatives; give more varied pictures"
                break
            reports.append(
                StageReport(
                    weak=len(boosted.stumps),
                    hit_rate=boosted.hit_rate,
                    false_alarm=boosted.false_alarm,
                    held_out_hit_rate=builder.held_out_hit_rate(),
                    positives=builder.positives_before,
                    negatives=len(mined.windows),
                    windows_seen=mined.seen,
                    passed_before=passed_before,
                    seconds=round(time.perf_counter() - begun, 3),
                )
            )
            step.advance()
            step.note(f"{reports[-1].weak} stumps, hit {boosted.hit_rate:.4f}, false alarm {boosted.false_alarm:.3f}")
            if len(builder.positives) < FEWEST_POSITIVES:
                reason = f"only {len(builder.positives)} positives are left; give more faces"
                break
    if not reports:
        raise TruthError(f"no stage could be fitted: {reason}")
    checked, passed = miner.measure(builder.judge, CHECKED_WINDOWS)
    return Fitted(
        model=builder.model(),
        stages=tuple(reports),
        reason=reason,
        false_alarm=passed / checked if checked else None,
        windows_checked=checked,
        windows_seen=miner.seen,
        windows_total=miner.total,
        seconds=round(time.perf_counter() - started, 3),
        cpu_seconds=round(time.process_time() - cpu_started, 3),
        peak_mib=peak_mib(),
    )


def peak_mib() -> float:
    """Largest resident memory of this process so far, MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10), 1)


def _limited(hard_KHW: NDArray[np.uint8], options: FitOptions) -> NDArray[np.uint8]:
    """At most half of a stage's negatives, so that the background has its say."""
    most = options.negatives_per_stage // 2
    if len(hard_KHW) <= most:
        return hard_KHW
    return hard_KHW[np.sort(np.random.default_rng([options.seed, 6]).permutation(len(hard_KHW))[:most])]


def _exhausted(miner: Miner, left: int) -> str:
    rate = left / miner.seen if miner.seen else 0.0
    return (
        f"negatives exhausted after {miner.seen:,} windows ({left} left that pass); reached false alarm {rate:.2g}; "
        "give more pictures for a stricter cascade"
    )


def as_row(report: StageReport) -> dict[str, Any]:
    """A stage report as a row of JSON."""
    return {name: getattr(report, name) for name in StageReport.__dataclass_fields__}
