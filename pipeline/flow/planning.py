"""Which episodes are to be mined: what is there, what is done already, which part of it is this machine's."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.core.errors import ToonsiftError, UsageError
from pipeline.core.records import Episode, Failure, Run
from pipeline.core.workspace import Workspace
from pipeline.flow.journal import COUNTS
from pipeline.flow.runs import finished
from pipeline.ingest import Stamp, content_of, episode_id, find_videos, identify


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeOutcome:
    """What became of one file."""

    id: str
    """of the episode; empty when the file could not be read"""
    path: str
    """as given"""
    status: str
    """`mined`, `already` or `failed`; of a dry run `pending`"""
    reason: str
    """why it failed, or what `already` refers to"""
    counts: dict[str, int]
    """of COUNTS"""
    seconds: float
    """wall time; of a dry run what it will take"""

    def as_json(self) -> dict[str, Any]:
        """The entry that `mine --json` prints."""
        row = asdict(self)
        counts = row.pop("counts")
        return row | {name: counts.get(name, 0) for name in COUNTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One of several parts of all episodes, by their content: each machine of a batch does one."""

    number: int
    """1 to `of`"""
    of: int
    """how many there are"""

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of <= 100_000:
            raise UsageError(f"--shard is NUMBER/OF with 1 <= NUMBER <= OF, e.g. 3/8; got {self.number}/{self.of}")

    @staticmethod
    def read(text: str) -> "Shard":
        """`3/8`. Raises UsageError."""
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if found is None:
            raise UsageError(f"--shard is NUMBER/OF, e.g. 3/8; got {text!r}")
        return Shard(number=int(found[1]), of=int(found[2]))

    def has(self, sha256: str) -> bool:
        """Whether the episode with that content belongs to it."""
        return int(sha256[:15], 16) % self.of == self.number - 1


@dataclass(frozen=True, slots=True)
class Pending:
    """An episode to mine."""

    episode: Episode
    """as its file is now"""
    stamp: Stamp
    """of the file, when its content was read"""


@dataclass(slots=True)
class Plan:
    """What a call of `mine` finds to do."""

    pending: list[Pending] = field(default_factory=list)
    """in the order found"""
    outcomes: list[EpisodeOutcome] = field(default_factory=list)
    """of files with nothing to do, or that cannot be read"""
    elsewhere: int = 0
    """files that other shards do"""


def plan(
    workspace: Workspace,
    paths: Sequence[Path],
    digest: str,
    shard: Shard | None = None,
    on_file: Callable[[], None] = lambda: None,
) -> Plan:
    """Looks at every video among `paths`. Writes only where an episode that is known has moved."""
    found, failures = find_videos(paths)
    made = Plan(outcomes=[_failed(failure) for failure in failures])
    seen: dict[str, str] = {}
    for path in found:
        try:
            _look_at(workspace, path, digest, shard, made, seen)
        except ToonsiftError as error:
            made.outcomes.append(_failed(Failure(item=str(path), reason=str(error))))
        except OSError as error:
            reason = f"{path}: cannot be read ({error.strerror}); check it and its permissions"
            made.outcomes.append(_failed(Failure(item=str(path), reason=reason)))
        on_file()
    return made


def _look_at(
    workspace: Workspace, path: Path, digest: str, shard: Shard | None, made: Plan, seen: dict[str, str]
) -> None:
    sha256, stamp = content_of(path)
    if shard is not None and not shard.has(sha256):
        made.elsewhere += 1
        return
    id = episode_id(sha256)
    if id in seen:
        made.outcomes.append(_already(id, path, {}, f"the same content as {seen[id]}"))
        return
    run, known = finished(workspace.catalogue, "mine", id, digest), workspace.catalogue.get(Episode, id)
    if run and known:
        here = str(path.resolve())
        if known.path != here and not Path(known.path).is_file():
            workspace.catalogue.put([replace(known, path=here, name=path.stem)])
        reason = "" if known.path == here else f"the same content as {known.path}"
        made.outcomes.append(_already(id, path, json.loads(run.counts), reason))
        return
    if known and (run := _mined_as_far_as_it_decodes(workspace, id, digest)):
        made.outcomes.append(
            EpisodeOutcome(
                id=id, path=str(path), status="failed", reason=run.reason, counts=json.loads(run.counts), seconds=0.0
            )
        )
        return
    made.pending.append(Pending(identify(path, sha256), stamp))
    seen[id] = str(path.resolve())


def _mined_as_far_as_it_decodes(workspace: Workspace, id: str, digest: str) -> Run | None:
    """The run that ended at the damage in a file; the same bytes would end it there again."""
    run = workspace.catalogue.get(Run, f"mine:{id}")
    return run if run and run.status == "failed" and run.digest == digest and json.loads(run.counts) else None


def _already(id: str, path: Path, counts: dict[str, int], reason: str) -> EpisodeOutcome:
    return EpisodeOutcome(id=id, path=str(path), status="already", seconds=0.0, counts=counts, reason=reason)


def _failed(failure: Failure) -> EpisodeOutcome:
    return EpisodeOutcome(id="", path=failure.item, status="failed", reason=failure.reason, counts={}, seconds=0.0)
