"""How far mining is, in words that people ask for: episodes, faces, and how many times faster than watching."""

import time
from fractions import Fraction

from pipeline.core.progress import Step
from pipeline.core.records import Shot
from pipeline.mine import MinedShot


class Pace:
    """Keeps the figures of one call of `mine` and shows them beside its frames."""

    def __init__(self, step: Step, episodes: int, frames: dict[int, int]) -> None:
        """`frames`: how many each episode has, as its container tells; by position."""
        self.step, self.episodes = step, episodes
        self.frames, self.looked_at = dict(frames), dict.fromkeys(frames, 0)
        self.began = time.monotonic()
        self.ended = self.crops = 0
        self.watched = Fraction(0)

    def begin(self, position: int) -> None:
        """An episode is begun, perhaps anew: its frames are looked at again."""
        self.step.advance(-self.looked_at[position])
        self.looked_at[position] = 0

    def looked(self, position: int, frames: int) -> None:
        """So many more frames of an episode were looked at."""
        self.looked_at[position] += frames
        self.step.advance(frames)

    def closed(self, shot: MinedShot, time_base: Fraction) -> None:
        """A shot was committed."""
        self.crops += len(shot.crops)
        self.watched += _length(shot.shot) * time_base
        self._show()

    def end(self, position: int) -> None:
        """An episode is over; its frames are known now."""
        self.ended += 1
        self.frames[position] = self.looked_at[position]
        if all(self.frames.values()):
            self.step.expect(sum(self.frames.values()))
        self._show()

    def _show(self) -> None:
        seconds = time.monotonic() - self.began
        speed = float(self.watched) / seconds if seconds > 0 else 0.0
        self.step.note(f"{self.ended} of {self.episodes} episodes, {speed:.1f}x real time, {self.crops} faces kept")


def _length(shot: Shot) -> int:
    return shot.end_pts - shot.start_pts
