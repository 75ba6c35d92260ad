"""What `mine` would do and how long it would take: from the rate of earlier runs here, else measured on a few seconds."""

import contextlib
import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cascades.looked_for import DetectOptions
from pipeline.core.errors import VideoError
from pipeline.core.records import Chunk, Episode, Run
from pipeline.core.workspace import Workspace
from pipeline.flow.mining import Wanted
from pipeline.flow.planning import EpisodeOutcome, Pending, Plan
from pipeline.frames import watch
from pipeline.mine import Mining

MEASURED_FRAMES = 96
"""that a quick measurement looks at"""
RECENT_RUNS = 50
"""earlier runs that the rate is taken from, the newest"""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a call of `mine` would do."""

    outcomes: list[EpisodeOutcome]
    """`pending` ones with the seconds that each takes on one core, and all that need nothing"""
    seconds: float
    """in all, with so many at once"""
    basis: str
    """what the rate was taken from"""


def forecast(workspace: Workspace, made: Plan, wanted: Wanted, jobs: int) -> Forecast:
    """The cost of a plan; nothing is stored. An episode whose length its container does not tell counts as the others' mean."""
    rate, basis = _rate(workspace, made.pending, wanted)
    costs = [_pixels(pending.episode) / rate * _left(workspace, pending, wanted) for pending in made.pending]
    outcomes = [
        EpisodeOutcome(
            id=pending.episode.id, path=pending.episode.path, status="pending", reason="",
            counts={"frames": pending.episode.frames}, seconds=round(cost, 1),
        )
        for pending, cost in zip(made.pending, costs, strict=True)
    ]  # fmt: skip
    at_once = max(1, min(jobs, len(costs)))
    seconds = max([sum(costs) / at_once, *costs]) if costs else 0.0
    both = sorted([*made.outcomes, *outcomes], key=lambda outcome: outcome.path)
    return Forecast(both, round(seconds, 1), basis)


def _pixels(episode: Episode) -> float:
    """What the time is taken to be in proportion to."""
    return float(max(episode.frames, 1)) * episode.width * episode.height


def _rate(workspace: Workspace, pending: Sequence[Pending], wanted: Wanted) -> tuple[float, str]:
    """Pixels of frames per second on one core, and where that is from."""
    if not pending:
        return 1.0, "nothing to do"
    runs = [r for r in workspace.catalogue.all(Run, stage="mine", status="done") if r.seconds > 0]
    alike = [r for r in runs if len(json.loads(r.options).get("cascades", [])) == len(wanted.cascades)]
    recent = sorted(alike, key=lambda r: (r.finished, r.id))[-RECENT_RUNS:]
    pixels, seconds = 0.0, 0.0
    for run in recent:
        episode = workspace.catalogue.get(Episode, run.item)
        if episode is not None and episode.frames:
            pixels, seconds = pixels + _pixels(episode), seconds + run.seconds
    if seconds > 0:
        return pixels / seconds, f"the rate of {len(recent)} earlier runs here"
    for one in pending:
        measured = _measured(one.episode, wanted)
        if measured:
            return measured, f"the first {MEASURED_FRAMES} frames of {one.episode.path}"
    return 1.0, "nothing that decodes"


def _measured(episode: Episode, wanted: Wanted) -> float:
    """Mines the first frames twice, the second time by the clock: the first pays for loading and compiling."""
    from cascades.detect import Detector  # with its kernels, which no other call needs here

    options = wanted.options
    finder = Detector(wanted.cascades, DetectOptions(min_face_px=options.min_face, scale_factor=options.scale_factor))
    rate = 0.0
    try:
        for _ in range(2):
            began, count = time.monotonic(), 0
            with contextlib.closing(watch(Path(episode.path), options.fps, options.shots.small_width)) as frames:
                mining = Mining(episode, finder, options, lambda png: f"{len(png)}")
                for _shot in mining.shots(itertools.islice(frames, MEASURED_FRAMES)):
                    pass
                count = mining.episode.frames
            rate = count * episode.width * episode.height / (time.monotonic() - began)
    except VideoError:
        return 0.0
    return rate


def _left(workspace: Workspace, pending: Pending, wanted: Wanted) -> float:
    """The share of an episode that is not committed yet."""
    chunks = workspace.catalogue.all(Chunk, episode=pending.episode.id, digest=wanted.digest)
    if not chunks or not pending.episode.frames:
        return 1.0
    done = sum(int(json.loads(chunk.counts)["frames"]) for chunk in chunks)
    return max(0.0, 1 - done / pending.episode.frames)
