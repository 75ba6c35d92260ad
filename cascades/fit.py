"""Fits a cascade (Viola & Jones 2001): stage by stage, boosted on what all earlier stages let through.

With a journal, every finished stage is kept: a fit that was stopped goes on after the last one and ends with the same model.
"""

import logging
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascades.apply import WindowJudge
from cascades.fit_options import AUTO_SIZE, FEWEST_NEGATIVES, FitOptions
from cascades.journal import Journal, Standing
from cascades.learning.builder import CascadeBuilder
from cascades.learning.negatives import Mined, Miner, Suspect
from cascades.model import CascadeModel
from cascades.sampling.samples import FEWEST_POSITIVES, Samples
from pipeline.core.errors import TruthError
from pipeline.core.progress import Progress, Silent

__all__ = ["AUTO_SIZE", "FitOptions", "Fitted", "StageReport", "as_row", "fit_cascade", "peak_mib"]
log = logging.getLogger(__name__)

CHECKED_WINDOWS = 500_000
"""fresh windows that the finished cascade is measured on"""
USELESS_STAGE = 0.98
"""a stage that lets more of its negatives through is the last"""
SUSPECTS_FROM_STAGE = 5
"""stages before which a cascade cannot tell a face from what is like one"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReport:
    """One stage as it was fitted."""

    weak: int
    """trees"""
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
    resumed_stages: int = 0
    """that an earlier run had finished"""
    suspects: tuple[Suspect, ...] = ()
    """windows of unlabelled pictures that may be faces, the surest first"""
    spared: int = 0
    """how many windows were left out as suspects"""


def fit_cascade(
    samples: Samples, options: FitOptions, progress: Progress | None = None, journal: Journal | None = None
) -> Fitted:
    """Fits stage after stage until there are enough, or the negatives or positives run out.

    The same samples and options give the same model, on any number of threads, and whether it was stopped or not.

    Raises:
        TruthError: not even the first stage finds enough negatives.
        KeyboardInterrupt: as it came, with a word on what is kept.
    """
    started, cpu_started = time.perf_counter(), time.process_time()
    work = _Work(samples, options, journal)
    with (progress or Silent()).step("fitting", options.stages, "stages") as step:
        resumed = work.resume()
        step.advance(resumed)

        def tell(text: str) -> None:
            step.note(text)
            step.advance(0)

        try:
            while work.reason is None:
                report = work.add_stage(tell)
                if report is not None:
                    step.note(f"{report.weak} trees, hit {report.hit_rate:.4f}, false alarm {report.false_alarm:.3f}")
                    step.advance()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(work.what_is_kept()) from None
        if not work.reports:
            raise TruthError(f"no stage could be fitted: {work.reason}")
        checked, passed = work.miner.measure(work.builder.judge, CHECKED_WINDOWS, tell)
    return Fitted(
        model=work.builder.model(),
        stages=tuple(work.reports),
        reason=work.reason or "",
        false_alarm=passed / checked if checked else None,
        windows_checked=checked,
        windows_seen=work.miner.seen,
        windows_total=work.miner.total,
        seconds=round(time.perf_counter() - started, 3),
        cpu_seconds=round(time.process_time() - cpu_started, 3),
        peak_mib=peak_mib(),
        resumed_stages=resumed,
        suspects=tuple(work.miner.suspects),
        spared=work.miner.spared,
    )


class _Work:
    """A fit under way."""

    def __init__(self, samples: Samples, options: FitOptions, journal: Journal | None) -> None:
        self.options, self.journal = options, journal
        height, width = samples.positives.shape[1:]
        mining = replace(options.mining, smallest_px=options.mining.smallest_px or samples.smallest_px)
        hard = _limited(samples.hard, options)
        self.miner = Miner(samples.scenes, hard, width, height, options.seed, mining, samples.positives)
        self.builder = CascadeBuilder(samples, replace(options.learning, width=width, height=height))
        self.reports: list[StageReport] = []
        self.reason: str | None = None
        """why the fit ended; None while it goes on"""

    def resume(self) -> int:
        """Takes up what the journal holds: how many stages."""
        standing = self.journal.load() if self.journal else None
        if standing is None:
            return 0
        try:
            self.miner.restore(standing.mining)
        except (ValueError, KeyError) as error:
            log.warning("the journal does not fit (%s); the fit begins anew", error)
            return 0
        self.reports = [StageReport(**row) for row in standing.reports]
        restore_stages(self.builder, standing.stages)
        self.reason = self._end()
        return len(self.reports)

    def add_stage(self, tell: Callable[[str], None]) -> StageReport | None:
        """One stage more; None, and a reason, where there can be none."""
        begun = time.perf_counter()
        mined = self.miner.collect(self.builder.judge, self.options.negatives_per_stage, tell, self._surely())
        passed_before = mined.passed / mined.seen if mined.seen else None
        if len(mined.windows) < FEWEST_NEGATIVES:
            self.reason = _exhausted(self.miner, len(mined.windows))
            return None
        if self._is_strict_enough(mined):
            share = (mined.passed + 1) / (mined.seen + 1)
            self.reason = f"reached false alarm {share:.2g} over {mined.seen:,} fresh windows, as asked"
            return None
        tell(f"boosting stage {len(self.reports) + 1}")
        boosted = self.builder.add_stage(mined.windows)
        if boosted is None:
            self.reason = "no feature tells the remaining positives from the negatives; give more varied pictures"
            return None
        self.reports.append(
            StageReport(
                weak=len(boosted.trees),
                hit_rate=boosted.hit_rate,
                false_alarm=boosted.false_alarm,
                held_out_hit_rate=self.builder.held_out_hit_rate(),
                positives=self.builder.positives_before,
                negatives=len(mined.windows),
                windows_seen=mined.seen,
                passed_before=passed_before,
                seconds=round(time.perf_counter() - begun, 3),
            )
        )
        if self.journal:
            rows = [as_row(report) for report in self.reports]
            self.journal.save(Standing(self.builder.stages, rows, self.miner.state()))
        self.reason = self._end()
        return self.reports[-1]

    def what_is_kept(self) -> str:
        """For whoever stopped the fit."""
        if self.journal is None or not self.reports:
            return f"stopped in stage {len(self.reports) + 1}; nothing is kept"
        return (
            f"stopped in stage {len(self.reports) + 1}; the {len(self.reports)} finished stages are kept in "
            f"{self.journal.path}: run the same command again to go on"
        )

    def _end(self) -> str | None:
        """Why there is no further stage, as far as the finished ones tell."""
        if len(self.builder.positives) < FEWEST_POSITIVES:
            return f"only {len(self.builder.positives)} positives are left; give more faces"
        if self.reports[-1].false_alarm > USELESS_STAGE:
            return (
                f"stage {len(self.reports)} lets {self.reports[-1].false_alarm:.2f} of its negatives through after "
                f"{self.reports[-1].weak} trees: they look like the faces; see that no negative shows the character"
            )
        return f"all {self.options.stages} stages fitted" if len(self.reports) == self.options.stages else None

    def _is_strict_enough(self, mined: Mined) -> bool:
        target = self.options.target_false_alarm
        return bool(self.reports) and mined.seen > 0 and (mined.passed + 1) / (mined.seen + 1) <= target

    def _surely(self) -> float | None:
        """The total from which on a window of an unlabelled picture is taken for a face; None for never."""
        if not self.options.mining.spare_suspects or len(self.reports) < SUSPECTS_FROM_STAGE:
            return None
        return float(np.median(self.builder.judge.windows(self.builder.positives).totals))


def restore_stages(builder: CascadeBuilder, stages: list[Any]) -> None:
    """Puts a builder where it was after these stages."""
    builder.stages[:] = stages
    builder.judge = WindowJudge(builder.model())
    passes = builder.judge.windows(builder.positives).stages_passed == builder.judge.complete
    builder.positives = builder.positives[passes]


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
    ended = "looked at the windows that max_windows allows" if miner.limited else "negatives exhausted"
    repair = "raise max_windows" if miner.limited else "give more pictures"
    reached = f"{left / miner.seen:.2g}" if left and miner.seen else f"below {1 / max(miner.seen, 1):.2g}"
    return (
        f"{ended} after {miner.seen:,} windows ({left} left that pass); reached false alarm {reached}; "
        f"{repair} for a stricter cascade"
    )


def as_row(report: StageReport) -> dict[str, Any]:
    """A stage report as a row of JSON."""
    return {name: getattr(report, name) for name in StageReport.__dataclass_fields__}
