"""What a worker does with one episode, wherever it runs: mine it, store the pictures, hand in shot by shot."""

import contextlib
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cascades.looked_for import DetectOptions, LoadedCascade
from pipeline.core.errors import DecodingStoppedError, VideoError
from pipeline.core.records import Detection, Episode
from pipeline.engine import ATTEMPTS, Send
from pipeline.engines.exchange import Place
from pipeline.frames import watch
from pipeline.ingest import Stamp
from pipeline.mine import FoundSoFar, MinedShot, MineOptions, Mining, search_from_pts

if TYPE_CHECKING:
    from cascades.detect import Detector

FRAMES_A_TICK = 24
"""how many frames are told at once"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningJob:
    """One episode to mine, as it is sent to a worker."""

    episode: Episode
    """as `ingest` saw it"""
    stamp: Stamp
    """of its file, at that time"""
    cascades: tuple[LoadedCascade, ...]
    """what to look for"""
    options: MineOptions
    """how"""
    place: Place
    """where its file is read and the crops are stored"""
    resume_from_pts: int | None
    """end of the last shot that was handed in; None to begin"""
    found: FoundSoFar | None = None
    """all that was handed in of the shot after it"""
    known: tuple[Detection, ...] | None = None
    """what an earlier run found that searched in the same way; None to search"""


@dataclass(frozen=True, slots=True)
class MinedEnd:
    """What closes an episode."""

    episode: Episode
    """with its real frame count and end"""
    damage: str
    """why decoding ended early; empty for a sound file"""
    seconds: float
    """wall time of this attempt"""


def mine_episode(job: MiningJob, send: Send) -> MinedEnd:
    """Sends every `MinedShot`, its pictures stored before, of a long one what was `FoundSoFar`, and how many more frames
    were looked at.

    Raises:
        VideoError: not one frame decodes, or the file changed meanwhile.
    """
    with job.place.video(Path(job.episode.path), job.episode.sha256) as path:
        end = _persistently(job, path, send)
    if job.place.is_local and Stamp.of(Path(job.episode.path)) != job.stamp:
        raise VideoError(
            f"{job.episode.path}: it changed while it was mined (still being written?); mine it again when it is whole"
        )
    return end


def _persistently(job: MiningJob, path: Path, send: Send) -> MinedEnd:
    """Goes on after what was last handed in where somebody kills ffmpeg."""

    def send_on(part: Any) -> None:
        nonlocal job
        send(part)
        if isinstance(part, MinedShot):
            end_pts = part.shot.end_pts
            open_still = job.found is not None and job.found.end_pts > end_pts
            job = replace(job, resume_from_pts=end_pts, found=job.found if open_still else None)
        elif isinstance(part, FoundSoFar):
            job = replace(job, found=part if job.found is None else job.found.followed_by(part))

    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(DecodingStoppedError):
            return _mine(job, path, send_on)
    return _mine(job, path, send_on)


def _mine(job: MiningJob, path: Path, send: Send) -> MinedEnd:
    from cascades.compiled import sharing_cores

    began, options = time.monotonic(), job.options
    mining = Mining(
        job.episode, _finder(job.cascades, options.min_face, options.scale_factor), options, job.place.put,
        job.resume_from_pts, job.known, job.found,
    )  # fmt: skip
    from_pts = None
    if job.resume_from_pts is not None:
        from_pts = search_from_pts(job.resume_from_pts, job.episode.time_base, options)
    ticks = _Ticks(send)
    watched = watch(path, options.fps, options.shots.small_width, from_pts=from_pts)
    with sharing_cores(2), contextlib.closing(watched) as frames:  # ffmpeg decodes meanwhile
        for part in mining.parts(frames, ticks.one):
            send(part)
    ticks.rest()
    return MinedEnd(mining.episode, mining.damage, time.monotonic() - began)


class _Ticks:
    """Counts frames and tells of many at once."""

    def __init__(self, send: Send) -> None:
        self.send, self.held = send, 0

    def one(self) -> None:
        self.held += 1
        if self.held == FRAMES_A_TICK:
            self.rest()

    def rest(self) -> None:
        self.send(self.held)
        self.held = 0


@lru_cache(maxsize=4)
def _finder(cascades: tuple[LoadedCascade, ...], min_face: int, scale_factor: float) -> "Detector":
    """One detector a process, not one an episode."""
    # here, with its kernels: the process that hands out the work need not wait for them
    from cascades.detect import Detector

    return Detector(cascades, DetectOptions(min_face_px=min_face, scale_factor=scale_factor))
