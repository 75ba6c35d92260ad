"""Draws a series: scripts, pictures, videos, truth."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.cartoon.cast import CHARACTERS, EMOTIONS
from pipeline.cartoon.encode import encoding
from pipeline.cartoon.plan import ShotPlan, ShotState
from pipeline.cartoon.script import write_script
from pipeline.cartoon.stage import SEEN_AT_LEAST, Drawn, draw
from pipeline.cartoon.truth import EpisodeTruth, FaceTruth, HoldTruth, Series, ShotTruth, write_truth
from pipeline.core.images import RGB
from pipeline.core.progress import Progress, Silent

log = logging.getLogger(__name__)

FADE_SECONDS, DISSOLVE_SECONDS = 1.0, 0.7
TRUTH_FILE = "truth.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class CartoonOptions:
    """What to draw."""

    episodes: int = 4
    """how many; the first n of a longer series are the same"""
    seconds: float = 60.0
    """length of each; 6 or more"""
    width: int = 640
    """pixels, even"""
    height: int = 360
    """pixels, even; faces are 0.11 to 0.83 of it wide"""
    fps: int = 24
    """frames per second"""
    seed: int = 0
    """another seed is another series"""
    crf: int = 24
    """x264's constant rate factor: higher is smaller and noisier"""
    preset: str = "superfast"
    """x264's preset"""
    repeats: bool = False
    """episodes also end alike, begin with a recap of the one before, and come back to its places with other acting"""

    def __post_init__(self) -> None:
        if self.episodes < 1 or self.seconds < 6 or not 1 <= self.fps <= 120:
            raise ValueError(
                f"a series needs 1 episode or more, 6 seconds or more, 1 to 120 fps, "
                f"got {self.episodes}, {self.seconds:g}, {self.fps}"
            )
        if self.width % 2 or self.height % 2 or self.height < 90 or not 1 <= self.width / self.height <= 3:
            raise ValueError(
                f"width and height must be even, height 90 or more, width 1 to 3 times that, got {self.width}x{self.height}"
            )

    @property
    def frames(self) -> int:
        """Frames per episode."""
        return round(self.seconds * self.fps)


def draw_series(folder: Path, options: CartoonOptions, progress: Progress = Silent()) -> Series:  # noqa: B008
    """Draws the episodes into `folder` (s01e01.mp4, s01e02.mp4, ...) with truth.json, and returns the truth.

    The same options give the same pictures and the same truth, byte for byte; an episode does not depend on how many
    are drawn after it.

    Raises:
        VideoError: ffmpeg failed.
        MissingToolError: there is no ffmpeg.
        DiskFullError: no room left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scripts: list[list[ShotPlan]] = []
    episodes: list[EpisodeTruth] = []
    with progress.step("draw", options.episodes * options.frames, "frames") as step:
        for number in range(1, options.episodes + 1):
            name = f"s01e{number:02d}"
            step.note(name)
            aspect = options.width / options.height
            scripts.append(
                write_script(options.seed, name, options.frames, options.fps, aspect, scripts, options.repeats)
            )
            shots = shots_of(scripts[-1], options.fps)
            path = folder / f"{name}.mp4"
            holds: list[HoldTruth] = []
            with encoding(
                path, options.width, options.height, options.fps, crf=options.crf, preset=options.preset
            ) as encoder:
                for hold, picture in draw_holds(scripts[-1], shots, options):
                    holds.append(hold)
                    for _ in range(hold.start, hold.end):
                        encoder.write(picture)
                    step.advance(hold.end - hold.start)
            episodes.append(_episode(name, path.name, options, shots, holds))
    series = Series(seed=options.seed, characters=CHARACTERS, emotions=EMOTIONS, episodes=tuple(episodes))
    write_truth(series, folder / TRUTH_FILE)
    return series


def _episode(
    name: str, file: str, options: CartoonOptions, shots: Sequence[ShotTruth], holds: Sequence[HoldTruth]
) -> EpisodeTruth:
    return EpisodeTruth(
        name=name, file=file, fps=options.fps, width=options.width, height=options.height, frames=options.frames,
        shots=tuple(shots), holds=tuple(holds),
    )  # fmt: skip


def shots_of(script: Sequence[ShotPlan], fps: int) -> list[ShotTruth]:
    """Where the shots of a script lie in the episode, and which frames their transitions touch."""
    shots: list[ShotTruth] = []
    start = 0
    for plan in script:
        seconds = {"cut": 0.0, "fade": FADE_SECONDS, "dissolve": DISSOLVE_SECONDS}[plan.transition]
        room = min(plan.frames, shots[-1].end - shots[-1].start) // 2 if shots else 0
        half = min(round(seconds * fps / 2), room)
        shots.append(
            ShotTruth(
                id=plan.id, start=start, end=start + plan.frames, transition=plan.transition,
                mixed=(start - half, start + half), opening=plan.opening, reuses=plan.reuses,
                repeats=plan.repeats,
            )
        )  # fmt: skip
        start += plan.frames
    return shots


def mixture(shots: Sequence[ShotTruth], frame: int) -> list[tuple[int, float]]:
    """Which shots are seen in a frame and how strongly: (index, weight), at most two; black is what lacks to 1."""
    now = next(k for k, shot in enumerate(shots) if frame < shot.end)
    for k in (now, now + 1):
        if k >= len(shots) or not shots[k].mixed[0] <= frame < shots[k].mixed[1]:
            continue
        (first, after), start = shots[k].mixed, shots[k].start
        if shots[k].transition == "dissolve":
            share = (frame - first + 1) / (after - first + 1)
            return [(k - 1, 1 - share), (k, share)]
        if frame < start:
            return [(k - 1, (start - 1 - frame) / (start - first))]
        return [(k, (frame - start) / (after - start))]
    return [(now, 1.0)]


def draw_holds(
    script: Sequence[ShotPlan], shots: Sequence[ShotTruth], options: CartoonOptions
) -> Iterator[tuple[HoldTruth, RGB]]:
    """The episode as its holds, in order, each with its picture, (H, W, 3) uint8; draws only what changes."""
    memory: dict[tuple[int, ShotState], Drawn] = {}
    current: tuple[HoldTruth, RGB] | None = None
    seen_key: object = None
    for frame in range(shots[-1].end):
        parts = [(k, script[k].state(frame - shots[k].start), weight) for k, weight in mixture(shots, frame)]
        begins = any(frame == shot.start for shot in shots)
        if current and parts == seen_key and not begins:
            current = replace(current[0], end=frame + 1), current[1]
            continue
        drawn = _mixed(parts, script, options, memory)
        seen_key = parts
        if current and not begins and np.array_equal(drawn.picture, current[1]):
            current = replace(current[0], end=frame + 1), current[1]
            continue
        if current:
            yield current
        current = HoldTruth(start=frame, end=frame + 1, faces=drawn.faces), drawn.picture
    if current:
        yield current


def _mixed(
    parts: Sequence[tuple[int, ShotState, float]], script: Sequence[ShotPlan], options: CartoonOptions,
    memory: dict[tuple[int, ShotState], Drawn],
) -> Drawn:  # fmt: skip
    """The moment or moments that a frame shows, each as strong as its weight."""
    picture = np.zeros((options.height, options.width, 3), dtype=np.float32)
    faces: list[FaceTruth] = []
    fresh: dict[tuple[int, ShotState], Drawn] = {}
    for k, state, weight in parts:
        drawn = memory.get((k, state)) or draw(script[k], state, options.width, options.height)
        fresh[k, state] = drawn
        if weight == 1.0:
            memory.clear()
            memory.update(fresh)
            return drawn
        picture += drawn.picture * np.float32(weight)
        weighted = [replace(face, visible=round(face.visible * weight, 3)) for face in drawn.faces]
        faces += [face for face in weighted if face.visible >= SEEN_AT_LEAST]
    memory.clear()
    memory.update(fresh)
    return Drawn(np.round(picture).astype(np.uint8), tuple(faces))
