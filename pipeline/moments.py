"""Frames of a video by their time: ffmpeg begins a little before them and hands over no others.

The pts is the frame's identity, so it does not matter where decoding began. Only MP4 and MOV are entered in the middle:
their index lists every frame that decoding can begin with. Whatever is not found that way is looked for from the start.
"""

from collections.abc import Collection, Iterator
from fractions import Fraction
from pathlib import Path

from pipeline.containers import is_iso_media
from pipeline.core.errors import VideoError
from pipeline.decoder import Decoder, Output, Picture
from pipeline.frames import SELECTED_AT_MOST, check_readable, decode, probe

LEAD_SECONDS = 2
"""before the first wanted frame; frames are shown in another order than they are stored, but not by as much as this"""
FAR_SECONDS = 20
"""between two wanted frames: beyond it a second start costs less than decoding what lies between"""


def frames_at_times(path: Path, times: Collection[int]) -> Iterator[Picture]:
    """The frames that are shown at these pts, each once; those that there are not are passed over.

    They ascend, but for those that only a second pass from the start finds.

    Raises:
        VideoError: as `decode`, when some are not found before the damage.
    """
    missing = set(times)
    if not missing:
        return
    check_readable(path)
    for found in _by_seeking(path, sorted(missing)):
        if found.pts in missing:
            missing.discard(found.pts)
            yield found
    if not missing:
        return
    for frame in decode(path):
        if frame.pts in missing:
            missing.discard(frame.pts)
            yield Picture(pts=frame.pts, duration=frame.duration, time_base=frame.time_base, image=frame.image)
        if not missing:
            return


def _by_seeking(path: Path, wanted: list[int]) -> Iterator[Picture]:
    if not is_iso_media(path):
        yield from _selected(path, wanted, None)
        return
    start = probe(path)
    for near in _parted(wanted, start.time_base):
        begin = near[0] * start.time_base - LEAD_SECONDS
        try:
            yield from _selected(path, near, float(begin) if begin > start.start_pts * start.time_base else None)
        except VideoError:  # the pass from the start says what is wrong
            continue


def _parted(wanted: list[int], time_base: Fraction) -> Iterator[list[int]]:
    """Runs of times with no gap of FAR_SECONDS in them."""
    run = wanted[:1]
    for pts in wanted[1:]:
        if (pts - run[-1]) * time_base > FAR_SECONDS:
            yield run
            run = []
        run.append(pts)
    yield run


def _selected(path: Path, wanted: list[int], begin_seconds: float | None) -> Iterator[Picture]:
    few = len(wanted) <= SELECTED_AT_MOST
    expression = _any_of(wanted) if few else f"between(pts,{wanted[0]},{wanted[-1]})"
    chosen = Output(filters=lambda video: video.filter("select", expression), limit=len(wanted) if few else None)
    with Decoder(path, [chosen], begin_seconds=begin_seconds) as decoder:
        while (picture := decoder.read()) is not None:
            yield picture
            if picture.pts >= wanted[-1]:
                return


def _any_of(times: list[int]) -> str:
    """As `pipeline.frames` does for indices."""
    if len(times) == 1:
        return f"eq(pts,{times[0]})"
    half = len(times) // 2
    return f"({_any_of(times[:half])}+{_any_of(times[half:])})"
