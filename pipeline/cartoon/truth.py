"""What a drawn series really shows: shots, holds and faces, exact by construction; and its JSON."""

import json
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pipeline.core.errors import TruthError
from pipeline.core.files import write_text
from pipeline.core.places import Box

FORMAT = "toonsift-cartoon-truth/1"

TransitionKind = Literal["cut", "fade", "dissolve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceTruth:
    """A face in the frames of one hold."""

    track: str
    """one actor in one shot: `s01e01/3.0`; its emotion may change"""
    character: str
    """its name, or `other`"""
    emotion: str
    """the class"""
    box: Box
    """the face proper, hair line to chin, ear to ear; may reach outside the frame"""
    visible: float
    """share of the face that is inside the frame and not covered, times its opacity in a fade or dissolve; over 0, to 1"""
    angle: int
    """degrees the head is turned in the picture, clockwise"""
    drawing: str
    """`actor.emotion look.hand.pose.size`: faces with the same are the same drawing at about the same size, alike up to
    encoding noise, light, and what lies behind or in front"""

    @property
    def pose(self) -> str:
        """`drawing` without the size: faces that differ in it are different drawings."""
        return self.drawing.rpartition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldTruth:
    """Frames that were drawn identically, to the pixel."""

    start: int
    """first frame"""
    end: int
    """first frame that differs, or is of the next shot"""
    faces: tuple[FaceTruth, ...]
    """back to front"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotTruth:
    """Frames between two boundaries."""

    id: str
    """`s01e01/3`"""
    start: int
    """first frame; of a dissolve, the first in which this shot outweighs the one before; of a fade, the last black one"""
    end: int
    """first frame of the next shot, or the episode's length"""
    transition: TransitionKind
    """how it begins"""
    mixed: tuple[int, int]
    """first frame that its transition touches, first one after; start, start for a cut"""
    opening: bool
    """part of the opening, drawn the same in every episode"""
    reuses: str
    """id of the earlier shot whose drawings it shows again; empty if it is new"""
    repeats: str = ""
    """id of the earlier shot that it shows again to the pixel, maybe shorter; empty if it does not"""


@dataclass(frozen=True, kw_only=True)
class EpisodeTruth:
    """Everything about one drawn episode."""

    name: str
    """`s01e01`"""
    file: str
    """name of the video file, beside the truth file"""
    fps: int
    """frames per second, constant"""
    width: int
    """pixels"""
    height: int
    """pixels"""
    frames: int
    """how many"""
    shots: tuple[ShotTruth, ...]
    """in order, without gaps"""
    holds: tuple[HoldTruth, ...]
    """in order, without gaps"""

    @cached_property
    def _starts(self) -> list[int]:
        return [hold.start for hold in self.holds]

    def hold_at(self, frame: int) -> HoldTruth:
        """The hold that `frame` (0-based) is in; IndexError outside the episode."""
        if not 0 <= frame < self.frames:
            raise IndexError(f"{self.name} has frames 0 to {self.frames - 1}, got {frame}")
        return self.holds[bisect_right(self._starts, frame) - 1]

    def faces_at(self, frame: int) -> tuple[FaceTruth, ...]:
        """The faces in `frame` (0-based), back to front; IndexError outside the episode."""
        return self.hold_at(frame).faces

    def shot_at(self, frame: int) -> ShotTruth:
        """The shot that `frame` (0-based) is in; IndexError outside the episode."""
        if not 0 <= frame < self.frames:
            raise IndexError(f"{self.name} has frames 0 to {self.frames - 1}, got {frame}")
        return self.shots[bisect_right([shot.start for shot in self.shots], frame) - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The truth of all episodes of a folder."""

    seed: int
    """what it was drawn from"""
    characters: tuple[str, ...]
    """names that faces may have, sorted"""
    emotions: tuple[str, ...]
    """classes that faces may have, sorted"""
    episodes: tuple[EpisodeTruth, ...]
    """in order"""

    def episode(self, name: str) -> EpisodeTruth:
        """The episode of that name (`s01e01`); TruthError if there is none."""
        for episode in self.episodes:
            if episode.name == name:
                return episode
        raise TruthError(f"no episode {name!r} in the truth; it has {', '.join(e.name for e in self.episodes)}")


def write_truth(series: Series, path: Path) -> None:
    """Writes the truth as JSON, whole or not at all; the same truth gives the same bytes."""
    episodes = ",\n".join(_episode_text(episode) for episode in series.episodes)
    head = json.dumps(
        {"format": FORMAT, "seed": series.seed, "characters": series.characters, "emotions": series.emotions}
    )
    write_text(path, f'{head[:-1]}, "episodes": [\n{episodes}\n]}}\n')


def read_truth(path: Path) -> Series:
    """Reads what `write_truth` wrote.

    Raises:
        TruthError: missing, not JSON, another format, or incomplete.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise TruthError(
                f"{path}: format {content['format']!r} where {FORMAT!r} was expected; draw the series again"
            )
        return Series(
            seed=content["seed"],
            characters=tuple(content["characters"]),
            emotions=tuple(content["emotions"]),
            episodes=tuple(_episode_of(episode) for episode in content["episodes"]),
        )
    except OSError as error:
        raise TruthError(f"{path}: cannot be read ({error.strerror or error}); draw the series first") from error
    except (ValueError, KeyError, TypeError) as error:
        raise TruthError(f"{path}: not the truth of a drawn series ({error!r}); draw the series again") from error


def _episode_text(episode: EpisodeTruth) -> str:
    """One line per shot and per hold: compact, and a diff of two truths can be read."""
    head = {name: getattr(episode, name) for name in ("name", "file", "fps", "width", "height", "frames")}
    shots = ",\n".join(
        json.dumps(
            [s.id, s.start, s.end, s.transition, *s.mixed, s.opening, s.reuses, *([s.repeats] if s.repeats else [])]
        )
        for s in episode.shots
    )
    holds = ",\n".join(
        json.dumps([hold.start, hold.end, [_face_row(face) for face in hold.faces]], separators=(",", ":"))
        for hold in episode.holds
    )
    return f'{json.dumps(head)[:-1]}, "shots": [\n{shots}\n], "holds": [\n{holds}\n]}}'


def _face_row(face: FaceTruth) -> list[object]:
    box = [face.box.left, face.box.top, face.box.right, face.box.bottom]
    return [face.track, face.character, face.emotion, box, face.visible, face.angle, face.drawing]


def _episode_of(content: dict[str, Any]) -> EpisodeTruth:
    return EpisodeTruth(
        name=content["name"],
        file=content["file"],
        fps=content["fps"],
        width=content["width"],
        height=content["height"],
        frames=content["frames"],
        shots=tuple(
            ShotTruth(
                id=name,
                start=start,
                end=end,
                transition=kind,
                mixed=(first, after),
                opening=opening,
                reuses=reuses,
                repeats=repeats[0] if repeats else "",
            )
            for name, start, end, kind, first, after, opening, reuses, *repeats in content["shots"]
        ),
        holds=tuple(
            HoldTruth(start=start, end=end, faces=tuple(_face_of(row) for row in rows))
            for start, end, rows in content["holds"]
        ),
    )


def _face_of(row: list[Any]) -> FaceTruth:
    track, character, emotion, (left, top, right, bottom), visible, angle, drawing = row
    return FaceTruth(
        track=track,
        character=character,
        emotion=emotion,
        box=Box(left=left, top=top, right=right, bottom=bottom),
        visible=visible,
        angle=angle,
        drawing=drawing,
    )
