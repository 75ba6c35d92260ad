"""One telling frame of each shot, with the faces found on it: which frame, and its picture.

A picture is decoded once and then lies in the workspace's cache, so that the next report finds it there.
"""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.containers import is_iso_media
from pipeline.core.errors import InputError, WorkspaceError
from pipeline.core.files import write_bytes
from pipeline.core.records import Detection, Episode, Hold, Shot
from pipeline.moments import frames_at_times
from pipeline.report.thumbnails import FRAME_PIXELS, QUALITY, Gallery, Picture, thumbnail

STILLS = f"stills-{FRAME_PIXELS}-{QUALITY}"
"""the folder in the cache; in it one for each episode, in that `<pts>.webp`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The frame that stands for a shot."""

    shot: Shot
    """the shot"""
    pts: int
    """of the frame, in ticks of the episode"""


def choose_moments(
    shots: Sequence[Shot], holds: Sequence[Hold], detections: Sequence[Detection], at_most: int
) -> list[Moment]:
    """For each shot the searched frame with the most tracked faces, the nearest to the middle of equals.

    Args:
        shots: of one episode, in time order.
        holds: of the same episode, in time order.
        detections: of the same episode, any order.
        at_most: shots that are shown, evenly spread.
    """
    shown = [shots[i * len(shots) // at_most] for i in range(at_most)] if len(shots) > at_most else shots
    holds_of, faces_of = defaultdict(list), defaultdict(list)
    for hold in holds:
        holds_of[hold.shot].append(hold)
    for detection in detections:
        faces_of[detection.shot].append(detection)
    return [Moment(shot=shot, pts=_telling_pts(shot, holds_of[shot.id], faces_of[shot.id])) for shot in shown]


def within_reach(path: Path, shots: Sequence[Shot], frames_at_most: int) -> Sequence[Shot]:
    """The shots that can be shown without decoding more frames than that: all of a file that can be entered in the middle,
    the beginning of any other, at least one shot.

    Raises:
        OSError: the file cannot be read.
    """
    if is_iso_media(path):
        return shots
    frames = 0
    for number, shot in enumerate(shots):
        if number and frames >= frames_at_most:
            return shots[:number]
        frames += shot.frames
    return shots


class Stills:
    """The pictures of an episode's moments, from the cache or from its file."""

    def __init__(self, cache: Path, episode: Episode) -> None:
        """`cache`: the workspace's folder for what can be made anew."""
        self.episode, self.path = episode, Path(episode.path)
        self.folder = cache / STILLS / episode.id

    def trouble(self) -> str:
        """Why nothing can be decoded; empty when all is well."""
        try:
            if not self.path.is_file():
                return f"The file is gone: {self.path} is not there any more."
            if self.path.stat().st_size != self.episode.size_bytes:
                return f"{self.path} is another file now than the one that was mined."
        except OSError as error:
            return str(error)
        return ""

    def pictures(self, moments: Sequence[Moment], gallery: Gallery) -> tuple[dict[int, Picture | None], str]:
        """pts -> picture (None where the page has no room left) of the moments that can be shown, and why others cannot."""
        found = {moment.pts: self._kept(moment.pts, gallery) for moment in moments}
        pictures = {pts: picture for pts, (there, picture) in found.items() if there}
        missing = found.keys() - pictures.keys()
        trouble = self.trouble()
        if missing and not trouble:
            try:
                for frame in frames_at_times(self.path, missing):
                    content = thumbnail(frame.image, FRAME_PIXELS)
                    with contextlib.suppress(
                        OSError, WorkspaceError
                    ):  # no room, or somebody else's: decoded again next time
                        write_bytes(self._file(frame.pts), content)
                    pictures[frame.pts] = gallery.of_webp(content)
            except (InputError, OSError) as error:
                trouble = str(error)
        return pictures, trouble

    def _file(self, pts: int) -> Path:
        return self.folder / f"{pts}.webp"

    def _kept(self, pts: int, gallery: Gallery) -> tuple[bool, Picture | None]:
        try:
            return True, gallery.of_webp(self._file(pts).read_bytes())
        except (InputError, OSError):  # not there, or damaged
            return False, None


def faces_at(pts: int, detections: Sequence[Detection]) -> list[Detection]:
    """The detections of the frame shown at `pts`, tracked ones last."""
    return sorted((d for d in detections if d.pts == pts), key=lambda d: (d.track != "", d.score, d.id))


def _telling_pts(shot: Shot, holds: Sequence[Hold], detections: Sequence[Detection]) -> int:
    middle = (shot.start_pts + shot.end_pts) // 2
    tracked = Counter(d.pts for d in detections if d.track) or Counter(d.pts for d in detections)
    if tracked:
        return min(tracked, key=lambda pts: (-tracked[pts], abs(pts - middle), pts))
    return max((hold.start_pts for hold in holds if hold.start_pts <= middle), default=shot.start_pts)
