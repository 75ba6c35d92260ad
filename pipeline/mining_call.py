"""One call of `toonsift mine`: flags to options, the engine that was asked for, and what is said of the outcome."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cascades.looked_for import LoadedCascade
from cascades.registry import chosen_cascades, keep_cascades
from pipeline.console import Session
from pipeline.core.errors import UsageError
from pipeline.core.options import read_settings, resolve
from pipeline.core.workspace import Workspace
from pipeline.engine import Engine
from pipeline.engines.cluster import ClusterEngine
from pipeline.engines.exchange import Storage
from pipeline.engines.local import LocalEngine
from pipeline.flow.forecast import forecast
from pipeline.flow.joining import SHARDS
from pipeline.flow.mining import Wanted, mine_planned
from pipeline.flow.planning import EpisodeOutcome, Shard, plan
from pipeline.flow.repeats import find_repeats
from pipeline.mine import MineOptions
from pipeline.repeats import RepeatOptions

COLUMNS = ("episode", "status", "frames", "shots", "detections", "tracks", "crops", "seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where a call runs."""

    engine: str
    """`local` or `ray`"""
    jobs: int
    """episodes at once"""
    ray_address: str
    """of a cluster; empty for one on this machine"""
    storage: str
    """URL that workers share; empty for a disk"""
    shard: str | None
    """`3/8`; None for everything"""

    def __post_init__(self) -> None:
        if self.engine != "ray" and (self.ray_address or self.storage):
            raise UsageError("--ray-address and --storage go with --engine ray; add it or leave them out")

    def made(self) -> Engine:
        """The engine."""
        return ClusterEngine(self.ray_address, self.jobs) if self.engine == "ray" else LocalEngine(self.jobs)


class MiningCall:
    """Everything that one call of the command was told."""

    def __init__(
        self,
        session: Session,
        paths: Sequence[Path],
        cascades: Sequence[str],
        wanted_precision: float | None,
        flags: dict[str, Any],
        where: Where,
    ) -> None:
        self.session, self.paths, self.cascades, self.precision = session, paths, cascades, wanted_precision
        settings = read_settings(Path())
        self.options = resolve(MineOptions, settings.get("mine", {}), flags, "mine")
        self.repeats = resolve(RepeatOptions, settings.get("repeats", {}), {}, "repeats")
        self.where, self.shard = where, Shard.read(where.shard) if where.shard else None
        self.main = session.workspace()
        self.workspace = self._shard_workspace(self.shard) if self.shard else self.main

    def mine(self) -> bool:
        """Mines and says what became of it; whether anything failed."""
        if self.where.storage:
            Storage(self.where.storage).check()
        with self.workspace.writing("mine"):
            wanted = Wanted(tuple(self._kept_cascades()), self.options)
            made = plan(self.workspace, self.paths, wanted.digest, self.shard)
            outcomes = mine_planned(
                self.workspace, made, wanted, self.where.made(), self.session.progress, self.where.storage
            )
            find_repeats(self.workspace, self.repeats, self.session.progress)
        self._warn(outcomes)
        crops = sum(outcome.counts.get("crops", 0) for outcome in outcomes)
        lines = [_tally(outcomes), f"{crops} crops"]
        if self.shard:
            lines.append(f"{made.elsewhere} files are other shards'; join them with `toonsift merge`")
        return self._say(outcomes, {"elsewhere": made.elsewhere} if self.shard else {}, lines)

    def show_forecast(self) -> bool:
        """Says what `mine` would do; whether anything cannot be read."""
        wanted = Wanted(tuple(chosen_cascades(self.main, self.cascades, self.precision)), self.options)
        made = plan(self.workspace, self.paths, wanted.digest, self.shard)
        found = forecast(self.workspace, made, wanted, self.where.jobs)
        self._warn(found.outcomes)
        more = {"dry_run": True, "seconds": found.seconds, "basis": found.basis}
        return self._say(
            found.outcomes, more, [_tally(found.outcomes), f"about {found.seconds:.0f} s, by {found.basis}"]
        )

    def _shard_workspace(self, shard: Shard) -> Workspace:
        """A workspace of its own: no shard waits for the lock of another, nor shares its SQLite file over a network."""
        return Workspace(self.main.root / SHARDS / f"{shard.number}-of-{shard.of}")

    def _kept_cascades(self) -> list[LoadedCascade]:
        chosen = chosen_cascades(self.main, self.cascades, self.precision)
        keep_cascades(self.workspace, chosen)
        return chosen

    def _warn(self, outcomes: Sequence[EpisodeOutcome]) -> None:
        for outcome in outcomes:
            if outcome.status == "failed":
                self.session.warn(outcome.reason)

    def _say(self, outcomes: Sequence[EpisodeOutcome], more: dict[str, Any], lines: list[str]) -> bool:
        failed = sum(outcome.status == "failed" for outcome in outcomes)
        rows = [
            (Path(o.path).name, o.status, *(o.counts.get(c, 0) for c in COLUMNS[2:-1]), f"{o.seconds:.1f}")
            for o in outcomes
        ]
        self.session.table("Episodes", COLUMNS, rows)
        self.session.emit({"episodes": [o.as_json() for o in outcomes], "failed": failed, **more}, lines)
        return bool(failed)


def _tally(outcomes: Sequence[EpisodeOutcome]) -> str:
    words = [outcome.status for outcome in outcomes]
    kinds = ("mined", "pending", "already", "failed")
    return ", ".join(f"{words.count(kind)} {kind}" for kind in kinds if kind in words) or "nothing"
