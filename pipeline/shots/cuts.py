"""Small frames -> cuts: what the detectors tell, weighed against one another.

A cut is the number of a new shot's first frame; of a dissolve, of the first frame in which the new shot outweighs the
old one. Black belongs to the shot before it, but for its last frame where the new shot fades in.
"""

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import cv2

from pipeline.core.images import RGB
from pipeline.shots import blends, scenedetection
from pipeline.shots.blends import Blend, BlendFinder
from pipeline.shots.options import HARD_DETECTORS, ShotOptions, shrink
from pipeline.shots.scenedetection import Detectors
from pipeline.shots.scenes import is_another_scene

CutKind = Literal["cut", "fade", "dissolve"]

BLACK = 12.0
"""grey levels; mean below which a frame counts as black, as PySceneDetect's ThresholdDetector has it"""
WIDTH = 80
"""pixels; cuts are judged on still smaller pictures than held drawings, which need not tell small movement"""
FLASH_FRAMES = 6
"""a scene that is back so soon was never left"""
TOUCHING = 4
"""frames by which a fade out and the fade in after it may seem to overlap"""
HORIZON = blends.HORIZON + FLASH_FRAMES
"""frames after which all is known about a frame"""


class Cut(int):
    """A frame number that also tells how the new shot begins."""

    kind: CutKind

    def __new__(cls, frame: int, kind: CutKind = "cut") -> "Cut":
        cut = super().__new__(cls, frame)
        cut.kind = kind
        return cut

    def __reduce__(self) -> tuple[type["Cut"], tuple[int, CutKind]]:
        return Cut, (int(self), self.kind)


@dataclass(frozen=True, slots=True)
class _Drawing:
    frame: int
    """the first that shows it"""
    picture: RGB
    """WIDTH wide"""
    black: bool


class CutFinder:
    """Takes small frames in order and tells cuts.

    What a dissolve or a fade covers is no hard cut, nor is a cut into black. Of two cuts closer than `min_shot_frames`
    the hard one is kept before the gradual one, else the earlier.
    """

    def __init__(self, options: ShotOptions) -> None:
        self.options = options
        self._detectors = Detectors(tuple(name for name in HARD_DETECTORS if name in options.detectors))
        self._blend_finder = BlendFinder() if "blend" in options.detectors else None
        self._index = -1
        self._drawings: deque[_Drawing] = deque(maxlen=HORIZON + scenedetection.LOOKAHEAD + 2)
        self._drawn = 0
        self._found: dict[int, CutKind] = {}
        self._blends: list[Blend] = []
        self._covered = -1
        self._last_cut = 0
        self._waiting: Cut | None = None

    def push(self, small_HW3: RGB, new_drawing: bool) -> list[Cut]:
        """Takes the next frame and whether it shows another drawing; returns cuts known now, ascending.

        They lie up to HORIZON frames back, and `min_shot_frames` more.
        """
        self._index += 1
        new_drawing |= not self._drawings
        if new_drawing:
            picture = shrink(small_HW3, WIDTH)
            self._drawings.append(_Drawing(self._index, picture, sum(cv2.mean(picture)) < 3 * BLACK))
            self._drawn += 1
            self._detect()
        if self._blend_finder:
            self._add(self._blend_finder.push(self._drawings[-1].picture, new_drawing))
        return self._settle(self._index - HORIZON)

    def finish(self) -> list[Cut]:
        """Cuts that were still held back when the frames ended."""
        if not self._drawings:
            return []
        for _ in range(scenedetection.LOOKAHEAD):  # the last drawing, held for ever
            self._detect()
        if self._blend_finder:
            self._add(self._blend_finder.finish())
        accepted = self._settle(self._index)
        return [*accepted, self._take()] if self._waiting is not None else accepted

    def _add(self, found: list[Blend]) -> None:
        """Keeps gradual transitions that do not run over one known already."""
        for blend in found:
            if all(blend.first >= known.after - TOUCHING or blend.after <= known.first for known in self._blends):
                self._blends.append(blend)

    def _detect(self) -> None:
        """Shows the last drawing to the detectors."""
        for drawing, name in self._detectors.push(self._drawings[-1].picture):
            back = self._drawn - 1 - drawing
            if 0 <= back < len(self._drawings):
                frame = self._drawings[-1 - back].frame
                if name != "threshold":
                    self._found[frame] = "cut"
                else:
                    self._found.setdefault(frame, "fade")

    def _settle(self, until: int) -> list[Cut]:
        """Cuts up to the frame `until` that nothing found later can replace."""
        due = sorted(frame for frame in self._found if frame <= until)
        ended = [blend for blend in self._blends if (blend.after if blend.cut is None else blend.cut) <= until]
        if not due and not ended and self._waiting is None:
            return []
        events = [Cut(frame, self._found[frame]) for frame in due if self._is_scene_change(frame)]
        for blend in sorted(ended, key=lambda b: (b.first, -b.after)):
            if blend.cut is not None and blend.cut > self._covered:
                events.append(Cut(blend.cut, "fade" if blend.kind == "fade" else "dissolve"))
                self._covered = blend.after
        for frame in due:
            del self._found[frame]
        self._blends = [b for b in self._blends if b not in ended or b.after >= until]
        accepted = [taken for cut in sorted(events) for taken in self._offer(cut)]
        if self._waiting is not None and until - self._waiting >= self.options.min_shot_frames:
            accepted.append(self._take())
        return accepted

    def _is_scene_change(self, frame: int) -> bool:
        """Whether what the detectors took for a cut at `frame` is one."""
        if any(blend.first - 1 <= frame <= blend.after + 1 for blend in self._blends):
            return False
        position = next(n for n, drawing in enumerate(self._drawings) if drawing.frame == frame)
        drawing = self._drawings[position]
        if drawing.black or position == 0:
            return False
        before = self._drawings[position - 1]
        if not self.options.confirm or before.black:
            return True
        if not is_another_scene(before.picture, drawing.picture):
            return False
        soon = [d for d in self._drawings if 0 < d.frame - frame <= FLASH_FRAMES]
        drawings = list(self._drawings)[: position + 1]
        lately = [d for d, following in pairwise(drawings) if frame - following.frame <= FLASH_FRAMES][:-1]
        return all(is_another_scene(before.picture, later.picture) for later in soon) and all(
            is_another_scene(earlier.picture, drawing.picture) for earlier in lately
        )

    def _offer(self, cut: Cut) -> list[Cut]:
        """Lets a cut wait until none can come that is closer than allowed and preferred."""
        accepted = []
        if self._waiting is not None and cut - self._waiting >= self.options.min_shot_frames:
            accepted.append(self._take())
        if self._waiting is not None:
            self._waiting = cut if cut.kind == "cut" != self._waiting.kind else self._waiting
        elif cut - self._last_cut >= self.options.min_shot_frames:
            self._waiting = cut
        return accepted

    def _take(self) -> Cut:
        assert self._waiting is not None
        taken, self._waiting = self._waiting, None
        self._last_cut = int(taken)
        return taken
