"""Episodes that are not mined yet with these options -> shots, holds, detections, tracks and crops in the workspace."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from cascades.detect import DetectOptions, Detector, LoadedCascade
from pipeline.core.errors import ToonsiftError, UsageError
from pipeline.core.files import FileStore
from pipeline.core.options import as_plain
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Crop, Detection, Episode, Failure, Hold, Run, Shot, Track
from pipeline.core.workspace import Workspace
from pipeline.engine import Tick, run_all
from pipeline.flow.runs import finished, run_digest, run_of
from pipeline.frames import watch
from pipeline.ingest import find_videos, identify
from pipeline.mine import MinedEpisode, MineOptions, mine

COUNTS = ("frames", "sampled", "shots", "holds", "detections", "tracks", "crops")


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeOutcome:
    """What became of one file."""

    id: str
    """of the episode; empty when the file could not be read"""
    path: str
    """as given"""
    status: str
    """`mined`, `already` or `failed`"""
    reason: str
    """why it failed, or what `already` refers to"""
    counts: dict[str, int]
    """of COUNTS"""
    seconds: float
    """wall time"""

    def as_json(self) -> dict[str, Any]:
        """The entry that `mine --json` prints."""
        row = asdict(self)
        counts = row.pop("counts")
        return row | {name: counts.get(name, 0) for name in COUNTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One episode to mine, as it is sent to a worker."""

    episode: Episode
    cascades: tuple[LoadedCascade, ...]
    options: MineOptions
    objects: str


def mine_paths(
    workspace: Workspace,
    paths: Sequence[Path],
    cascades: Sequence[LoadedCascade],
    options: MineOptions,
    jobs: int = 1,
    progress: Progress | None = None,
) -> list[EpisodeOutcome]:
    """Mines every video among `paths`; each episode is committed when it ends, a failed one is told and passed over.

    Raises:
        UsageError: no cascade given.
        WorkspaceError: the workspace cannot be written; what was committed is kept.
    """
    if not cascades:
        raise UsageError(
            "nothing to look for: fit a cascade first (`toonsift cascade fit`), or give --cascade NAME or FILE.xml"
        )
    plain = as_plain(options) | {"cascades": sorted([c.character, c.key] for c in cascades)}
    digest = run_digest("mine", plain)
    found, failures = find_videos(paths)
    outcomes = [_failed(f) for f in failures]
    pending: dict[str, _Job] = {}
    for path in found:
        outcome = _look_at(workspace, path, digest, pending, cascades, options)
        if outcome:
            outcomes.append(outcome)
    jobs_list = list(pending.values())
    total = sum(job.episode.frames for job in jobs_list) or None
    with (progress or Silent()).step("mine", total, "frames") as step:
        started = {job.episode.id: time.monotonic() for job in jobs_list}
        faces = ended = 0
        for position, result in run_all(_mine_one, jobs_list, jobs, step.advance):
            job = jobs_list[position]
            seconds = time.monotonic() - started[job.episode.id]
            if isinstance(result, Exception):
                outcome = _commit_failure(workspace, job, digest, plain, result)
            else:
                outcome = _commit(workspace, result[0], digest, plain, result[1])
            outcomes.append(replace(outcome, seconds=round(min(seconds, outcome.seconds or seconds), 3)))
            faces, ended = faces + outcome.counts.get("crops", 0), ended + 1
            step.note(f"{ended} of {len(jobs_list)} episodes, {faces} crops")
    return sorted(outcomes, key=lambda o: o.path)


def _look_at(
    workspace: Workspace,
    path: Path,
    digest: str,
    pending: dict[str, _Job],
    cascades: Sequence[LoadedCascade],
    options: MineOptions,
) -> EpisodeOutcome | None:
    """Puts the file's episode into `pending`; an outcome when there is nothing to do or it cannot be read."""
    try:
        episode = identify(path)
    except ToonsiftError as error:
        return _failed(Failure(item=str(path), reason=str(error)))
    except OSError as error:
        return _failed(Failure(item=str(path), reason=f"{path}: cannot be read ({error.strerror})"))
    if episode.id in pending:
        return EpisodeOutcome(
            id=episode.id, path=str(path), status="already", seconds=0.0, counts={},
            reason=f"the same content as {pending[episode.id].episode.path}",
        )  # fmt: skip
    run = finished(workspace.catalogue, "mine", episode.id, digest)
    known = workspace.catalogue.get(Episode, episode.id)
    if run and known:
        if known.path != episode.path and not Path(known.path).is_file():
            workspace.catalogue.put([replace(known, path=episode.path, name=episode.name)])
        return EpisodeOutcome(
            id=episode.id, path=str(path), status="already", seconds=0.0, counts=json.loads(run.counts),
            reason="" if known.path == episode.path else f"the same content as {known.path}",
        )  # fmt: skip
    pending[episode.id] = _Job(
        episode=episode, cascades=tuple(cascades), options=options, objects=str(workspace.objects.root)
    )
    return None


@lru_cache(maxsize=4)
def _finder(cascades: tuple[LoadedCascade, ...], min_face: int, scale_factor: float) -> Detector:
    """One detector a process, not one an episode."""
    return Detector(cascades, DetectOptions(min_face_px=min_face, scale_factor=scale_factor))


def _mine_one(job: _Job, tick: Tick) -> tuple[MinedEpisode, float]:
    """Runs in a worker: everything of one episode; its pictures are in the file store when this returns."""
    began = time.monotonic()
    store = FileStore(Path(job.objects))
    mined = mine(
        job.episode,
        watch(Path(job.episode.path), job.options.fps, job.options.shots.small_width),
        _finder(job.cascades, job.options.min_face, job.options.scale_factor),
        job.options,
        lambda png: store.put(png, ".png"),
        lambda: tick(1),
    )
    return mined, time.monotonic() - began


def _commit(workspace: Workspace, mined: MinedEpisode, digest: str, plain: Any, seconds: float) -> EpisodeOutcome:
    """One transaction: the new rows in place of the episode's old ones. Crops that labels refer to stay."""
    catalogue, episode = workspace.catalogue, mined.episode
    run = run_of("mine", episode.id, digest, plain, mined.counts, seconds, mined.damage)
    with catalogue.transaction():
        catalogue.put([episode])
        labelled = catalogue.referenced_crops()
        kept = [crop for crop in catalogue.all(Crop, episode=episode.id) if crop.id in labelled]
        for kind in (Shot, Hold, Detection, Track, Crop):
            catalogue.delete(kind, episode=episode.id)
        catalogue.put(_at_home(crop, mined) for crop in kept)
        for part in mined.shots:
            catalogue.put([part.shot, *part.holds, *part.detections, *part.tracks, *part.crops])
        catalogue.put([run])
    return EpisodeOutcome(
        id=episode.id, path=episode.path, status="failed" if mined.damage else "mined", reason=mined.damage,
        counts=mined.counts, seconds=seconds,
    )  # fmt: skip


def _at_home(crop: Crop, mined: MinedEpisode) -> Crop:
    """A crop of an earlier run, moved into the shot that now shows its frame, so that splits stay right."""
    for part in mined.shots:
        if part.shot.start_pts <= crop.pts < part.shot.end_pts:
            return replace(crop, shot=part.shot.id)
    return crop


def _commit_failure(workspace: Workspace, job: _Job, digest: str, plain: Any, error: Exception) -> EpisodeOutcome:
    """Remembers why; what an earlier run with other options found stays as it is."""
    reason = str(error) if isinstance(error, ToonsiftError) else f"{job.episode.path}: {type(error).__name__}: {error}"
    if workspace.catalogue.get(Run, f"mine:{job.episode.id}") is None:
        workspace.catalogue.put([run_of("mine", job.episode.id, digest, plain, {}, 0.0, reason)])
    return EpisodeOutcome(
        id=job.episode.id, path=job.episode.path, status="failed", reason=reason, counts={}, seconds=0.0
    )


def _failed(failure: Failure) -> EpisodeOutcome:
    return EpisodeOutcome(id="", path=failure.item, status="failed", reason=failure.reason, counts={}, seconds=0.0)
