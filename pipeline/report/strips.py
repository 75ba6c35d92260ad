"""One telling frame of each shot, with the faces found on it: which frame, and its picture in one decode."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from pipeline.core.errors import InputError
from pipeline.core.records import Detection, Episode, Hold, Shot
from pipeline.frames import frames_at
from pipeline.report.thumbnails import FRAME_PIXELS, Gallery, Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The frame that stands for a shot."""

    shot: Shot
    """the shot"""
    index: int
    """where the frame should be, 0-based in decoding order"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """A decoded moment."""

    picture: Picture | None
    """None when the page has no room left"""
    pts: int
    """of the frame that was decoded"""


def choose_moments(
    shots: Sequence[Shot], holds: Sequence[Hold], detections: Sequence[Detection], at_most: int, frames_at_most: int
) -> list[Moment]:
    """For each shot the sampled frame with the most tracked faces, the nearest to the middle of equals.

    A long episode is decoded from its start only as far as `frames_at_most` frames: of the shots up to there at most
    `at_most` are chosen, evenly spread.

    Args:
        shots: of one episode, in time order; together they are all its frames.
        holds: of the same episode, in time order.
        detections: of the same episode, any order.
        at_most: shots that are shown.
        frames_at_most: frames that are decoded.
    """
    holds_of, faces_of = defaultdict(list), defaultdict(list)
    for hold in holds:
        holds_of[hold.shot].append(hold)
    for detection in detections:
        faces_of[detection.shot].append(detection)
    moments, start = [], 0
    for shot in shots:
        pts = _telling_pts(shot, faces_of[shot.id])
        moments.append(Moment(shot=shot, index=start + _frames_before(pts, shot, holds_of[shot.id])))
        start += shot.frames
    within = [m for m in moments if m.index < frames_at_most] or moments[:1]
    return [within[i * len(within) // at_most] for i in range(at_most)] if len(within) > at_most else within


def decode_moments(episode: Episode, moments: Sequence[Moment], gallery: Gallery) -> tuple[dict[int, Still], str]:
    """Index -> still of the moments that decode, and why others do not (empty when all do)."""
    stills: dict[int, Still] = {}
    path = Path(episode.path)
    try:
        if not path.is_file():
            return {}, f"The file is gone: {path} is not there any more. Its crops are shown instead of its shots."
        if path.stat().st_size != episode.size_bytes:
            return {}, f"{path} is another file now than the one that was mined. Crops are shown instead of shots."
        for frame in frames_at(path, [moment.index for moment in moments]):
            stills[frame.index] = Still(picture=gallery.of_image(frame.image, FRAME_PIXELS), pts=frame.pts)
    except (InputError, OSError) as error:
        return stills, str(error)
    return stills, ""


def faces_at(pts: int, shot: Shot, detections: Sequence[Detection]) -> list[Detection]:
    """The detections of the sampled frame nearest to `pts`, tracked ones last; none when it is over two frames away."""
    if not detections:
        return []
    nearest = min({d.pts for d in detections}, key=lambda p: (abs(p - pts), p))
    if abs(nearest - pts) * shot.frames > 2 * (shot.end_pts - shot.start_pts):
        return []
    return sorted((d for d in detections if d.pts == nearest), key=lambda d: (d.track != "", d.score, d.id))


def _telling_pts(shot: Shot, detections: Sequence[Detection]) -> int:
    middle = (shot.start_pts + shot.end_pts) // 2
    tracked = Counter(d.pts for d in detections if d.track) or Counter(d.pts for d in detections)
    return min(tracked, key=lambda pts: (-tracked[pts], abs(pts - middle), pts), default=middle)


def _frames_before(pts: int, shot: Shot, holds: Sequence[Hold]) -> int:
    """Frames of the shot before the one at `pts`: whole holds, then a share of the hold or of the shot it lies in.

    Exact at a constant frame rate; at a variable one it still falls on the drawing that the hold shows.
    """
    before, start, end, frames = 0, shot.start_pts, shot.end_pts, shot.frames
    if sum(hold.frames for hold in holds) == shot.frames:
        for hold in holds:
            if pts < hold.end_pts:
                start, end, frames = hold.start_pts, hold.end_pts, hold.frames
                break
            before += hold.frames
    within = Fraction(pts - start, max(1, end - start)) * frames
    return max(0, min(shot.frames - 1, before + round(within)))
