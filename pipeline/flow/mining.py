"""Episodes that are not mined yet with these options -> shots, holds, detections, tracks and crops in the workspace."""

import contextlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cascades.looked_for import LoadedCascade
from pipeline.core.errors import ToonsiftError, UsageError, VideoError
from pipeline.core.options import as_plain
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Detection, Episode, Run
from pipeline.core.workspace import Workspace
from pipeline.engine import Engine
from pipeline.engines.exchange import Place, Storage
from pipeline.engines.local import LocalEngine
from pipeline.flow.journal import EpisodeJournal
from pipeline.flow.mining_work import MinedEnd, MiningJob, mine_episode
from pipeline.flow.pace import Pace
from pipeline.flow.planning import EpisodeOutcome, Pending, Plan, Shard, plan
from pipeline.flow.runs import run_digest, run_of
from pipeline.mine import FoundSoFar, MinedShot, MineOptions

log = logging.getLogger(__name__)


AFTER_SEARCH = ("tracks", "crops")
"""options that change nothing of what is found on a frame"""


def searching(options: dict[str, Any]) -> dict[str, Any]:
    """The options that a search depends on."""
    return {name: value for name, value in options.items() if name not in AFTER_SEARCH}


@dataclass(frozen=True)
class Wanted:
    """What is looked for, and how: the same gives the same results."""

    cascades: tuple[LoadedCascade, ...]
    """at least one"""
    options: MineOptions
    """how an episode is mined"""

    def __post_init__(self) -> None:
        if not self.cascades:
            raise UsageError(
                "nothing to look for: fit a cascade first (`toonsift cascade fit`), or give --cascade NAME or FILE.xml"
            )

    @cached_property
    def plain(self) -> dict[str, Any]:
        """As the run records it."""
        return as_plain(self.options) | {"cascades": sorted([c.character, c.key] for c in self.cascades)}

    @cached_property
    def digest(self) -> str:
        """Of the run."""
        return run_digest("mine", self.plain)


def mine_paths(
    workspace: Workspace,
    paths: Sequence[Path],
    cascades: Sequence[LoadedCascade],
    options: MineOptions,
    jobs: int = 1,
    progress: Progress | None = None,
    shard: Shard | None = None,
) -> list[EpisodeOutcome]:
    """Mines every video among `paths` on this machine: `plan`, then `mine_planned`."""
    wanted = Wanted(tuple(cascades), options)
    made = plan(workspace, paths, wanted.digest, shard)
    return mine_planned(workspace, made, wanted, LocalEngine(jobs), progress)


def mine_planned(
    workspace: Workspace,
    made: Plan,
    wanted: Wanted,
    engine: Engine,
    progress: Progress | None = None,
    storage: str = "",
) -> list[EpisodeOutcome]:
    """Mines what a plan found pending; each shot is committed as it closes, a failed episode is told and passed over.

    Call under the writer's lock. With `storage` (a URL that fsspec knows) workers need no disk in common with us.

    Raises:
        WorkspaceError: the workspace or the storage cannot be written; what was committed is kept.
    """
    frames = {position: pending.episode.frames for position, pending in enumerate(made.pending)}
    total = sum(frames.values()) if all(frames.values()) else None
    with (progress or Silent()).step("mine", total, "frames") as step:
        call = _Call(workspace, made.pending, wanted, storage, Pace(step, len(made.pending), frames))
        runs = engine.run(mine_episode, len(made.pending), call.job, call.receive)
        with contextlib.closing(runs):
            outcomes = [call.end(position, result) for position, result in runs]
    if made.pending:
        workspace.objects.remove_unfinished()  # of workers that died and were begun again
    return sorted([*made.outcomes, *outcomes], key=lambda outcome: outcome.path)


class _Call:
    """One call's episodes on their way: jobs out, shots in, rows committed. Nobody else writes meanwhile."""

    def __init__(
        self, workspace: Workspace, pending: Sequence[Pending], wanted: Wanted, storage: str, pace: Pace
    ) -> None:
        self.workspace, self.pending, self.wanted, self.pace = workspace, pending, wanted, pace
        self.place = Place(str(workspace.objects.root), storage)
        self.storage = Storage(storage) if storage else None
        self.journals: dict[int, EpisodeJournal] = {}

    def job(self, position: int) -> MiningJob:
        """What a worker is told, with what is committed by now."""
        pending = self.pending[position]
        episode = pending.episode
        if self.storage:
            self.storage.put_video(Path(episode.path), episode.sha256)
        journal = self.journals[position] = EpisodeJournal(self.workspace.catalogue, episode, self.wanted.digest)
        self.pace.begin(position)
        return MiningJob(
            episode=episode, stamp=pending.stamp, cascades=self.wanted.cascades, options=self.wanted.options,
            place=self.place, resume_from_pts=journal.end_pts, found=journal.found, known=self._known(episode),
        )  # fmt: skip

    def _known(self, episode: Episode) -> tuple[Detection, ...] | None:
        """What the last run found, where only options that come after the search have changed since."""
        catalogue = self.workspace.catalogue
        run = catalogue.get(Run, f"mine:{episode.id}")
        if run is None or run.status != "done":
            return None
        before = json.loads(run.options)
        if run_digest("mine", before) != run.digest or searching(before) != searching(self.wanted.plain):
            return None
        return tuple(catalogue.all(Detection, episode=episode.id))

    def receive(self, position: int, part: Any) -> None:
        """A shot, what was found so far in one, or how many more frames were looked at."""
        if isinstance(part, MinedShot):
            if self.storage:
                for crop in part.crops:
                    self.storage.fetch(crop.sha256, ".png", self.workspace.objects)
            self.journals[position].add(part)
            self.pace.closed(part, self.pending[position].episode.time_base)
        elif isinstance(part, FoundSoFar):
            self.journals[position].add_found(part)
        else:
            self.pace.looked(position, int(part))

    def end(self, position: int, result: Any) -> EpisodeOutcome:
        """Closes an episode, well or not."""
        episode = self.pending[position].episode
        if self.storage:
            self.storage.drop_video(episode.sha256, Path(episode.path).suffix)
        self.pace.end(position)
        journal = self.journals.pop(position)
        return self._done(journal, result) if isinstance(result, MinedEnd) else self._failed(journal, result)

    def _done(self, journal: EpisodeJournal, end: MinedEnd) -> EpisodeOutcome:
        counts = journal.counts(end.episode.frames)
        run = run_of("mine", end.episode.id, self.wanted.digest, self.wanted.plain, counts, end.seconds, end.damage)
        journal.finish(end.episode, run)
        return EpisodeOutcome(
            id=end.episode.id, path=end.episode.path, status="failed" if end.damage else "mined", reason=end.damage,
            counts=counts, seconds=round(end.seconds, 3),
        )  # fmt: skip

    def _failed(self, journal: EpisodeJournal, error: Exception) -> EpisodeOutcome:
        """Remembers why; what an earlier run found stays, and so do the shots that were committed before it failed."""
        episode = journal.episode
        reason = str(error) if isinstance(error, ToonsiftError) else f"{episode.path}: {type(error).__name__}: {error}"
        if isinstance(error, VideoError):
            journal.discard()
        catalogue = self.workspace.catalogue
        known = catalogue.get(Run, f"mine:{episode.id}")
        if known is None or not json.loads(known.counts):
            catalogue.put([run_of("mine", episode.id, self.wanted.digest, self.wanted.plain, {}, 0.0, reason)])
        return EpisodeOutcome(id=episode.id, path=episode.path, status="failed", reason=reason, counts={}, seconds=0.0)
