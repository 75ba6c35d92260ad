"""What a shot looks like, in a few hundred bytes: its drawings as 16x9 cells of luma with their times.

Cells average some 10,000 pixels of the source, so that a re-encode leaves them as they are; times are kept because a
repeated shot shows the same drawings at the same moments, which two takes of one scene do not.
"""

import base64
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import WorkspaceError
from pipeline.core.images import RGB
from pipeline.core.records import Shot, ShotPrint

COLUMNS, ROWS = 16, 9
CELLS = COLUMNS * ROWS
APART_SECONDS = Fraction(3, 40)
"""between two drawings that are kept: every one of animation on twos"""
ANCHORS = 8
"""drawings of a shot by which it is looked up"""
TELLING = 2.0
"""of 64 levels; standard deviation over the cells above which a drawing says anything"""
LONGEST = 1 << 24
"""bytes of an unpacked print"""


class PrintMaker:
    """Takes small frames in order; gives the print of each shot when it is over."""

    def __init__(self, time_base: Fraction) -> None:
        self._ticks_apart = APART_SECONDS / time_base
        self._time_base = time_base
        self._kept: deque[tuple[int, NDArray[np.uint8]]] = deque()

    def push(self, pts: int, small_HW3: RGB, new_drawing: bool) -> None:
        """Takes the next frame and whether it shows another drawing than the one before."""
        if self._kept and (not new_drawing or pts - self._kept[-1][0] < self._ticks_apart):
            return
        cells = cv2.resize(small_HW3, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
        luma = np.asarray(cv2.cvtColor(cells, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        self._kept.append((pts, luma.reshape(-1) // np.uint8(4)))

    def take(self, shot: Shot) -> ShotPrint:
        """The print of the shot that is over; forgets what is not needed after it."""
        before = None
        while self._kept and self._kept[0][0] < shot.start_pts:
            before = self._kept.popleft()[1]
        inside = [(pts, cells) for pts, cells in self._kept if pts < shot.end_pts]
        while len(self._kept) > 1 and self._kept[1][0] <= shot.end_pts:
            self._kept.popleft()
        if before is not None and (not inside or inside[0][0] > shot.start_pts):
            inside.insert(0, (shot.start_pts, before))
        times = [round((pts - shot.start_pts) * self._time_base * 1000) for pts, _ in inside]
        drawings = np.stack([cells for _, cells in inside]) if inside else np.zeros((0, CELLS), dtype=np.uint8)
        return ShotPrint(
            id=shot.id, episode=shot.episode, start_milliseconds=round(shot.start_pts * self._time_base * 1000),
            length_milliseconds=round((shot.end_pts - shot.start_pts) * self._time_base * 1000),
            anchors=_anchors(drawings, times), drawings=_packed(times, drawings),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Film:
    """Unpacked prints, one after the other: what an episode shows when."""

    shots: tuple[str, ...]
    """ids, in time order"""
    spans: NDArray[np.int64]
    """(N, 2), milliseconds of the episode: start and end of each shot"""
    shot: NDArray[np.int64]
    """(M,), of each drawing the row of its shot"""
    times: NDArray[np.int64]
    """(M,), milliseconds of the episode at which each drawing begins, ascending"""
    cells: NDArray[np.uint8]
    """(M, CELLS), luma of each drawing's cells, 0 to 63"""


def film_of(prints: Sequence[ShotPrint]) -> Film:
    """The prints of one episode, unpacked.

    Raises:
        WorkspaceError: a print is damaged.
    """
    ordered = sorted(prints, key=lambda p: p.start_milliseconds)
    unpacked = [_unpacked(p) for p in ordered]
    counts = [len(times) for times, _ in unpacked]
    spans = [(p.start_milliseconds, p.start_milliseconds + p.length_milliseconds) for p in ordered]
    return Film(
        shots=tuple(p.id for p in ordered),
        spans=np.array(spans, dtype=np.int64).reshape(-1, 2),
        shot=np.repeat(np.arange(len(ordered)), counts),
        times=np.concatenate(
            [p.start_milliseconds + times for p, (times, _) in zip(ordered, unpacked, strict=True)]
            or [np.zeros(0, dtype=np.int64)]
        ),
        cells=np.concatenate([cells for _, cells in unpacked] or [np.zeros((0, CELLS), dtype=np.uint8)]),
    )


def hashes_of(cells_MC: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """64 bits of each drawing: whether each cell of 8x8 is brighter than the one above it (difference hash)."""
    wide = cells_MC.reshape(-1, ROWS, COLUMNS // 2, 2).astype(np.int16).sum(axis=3)
    brighter = (wide[:, 1:] - wide[:, :-1] > 2).reshape(-1, 64)
    return np.packbits(brighter, axis=1).view(">u8").astype(np.uint64).reshape(-1)


def telling(cells_MC: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which drawings show enough to be told from others: not black, not one colour."""
    return np.asarray(cells_MC.std(axis=1) >= TELLING)


def _anchors(drawings: NDArray[np.uint8], times: Sequence[int]) -> str:
    """`milliseconds:hash` of a few telling drawings, evenly spread."""
    able = np.nonzero(telling(drawings))[0] if len(drawings) else np.zeros(0, dtype=np.int64)
    if not len(able):
        return ""
    chosen = able[np.unique(np.linspace(0, len(able) - 1, ANCHORS).round().astype(int))]
    return " ".join(f"{times[n]}:{hashes_of(drawings[n : n + 1])[0]:016x}" for n in chosen)


def _packed(times: Sequence[int], drawings: NDArray[np.uint8]) -> str:
    """Differences from drawing to drawing, deflated, as text."""
    steps = np.diff(drawings, axis=0, prepend=np.zeros((1, CELLS), dtype=np.uint8))
    content = np.array(times, dtype="<u4").tobytes() + steps.astype(np.uint8).tobytes()
    return base64.b85encode(zlib.compress(content, 6)).decode()


def _unpacked(shot_print: ShotPrint) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Times within the shot, (M,), and cells, (M, CELLS)."""
    try:
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(base64.b85decode(shot_print.drawings), LONGEST)
        count, rest = divmod(len(content), 4 + CELLS)
        if rest or not unpacker.eof:
            raise ValueError(f"{len(content)} bytes, {'no ' if not unpacker.eof else ''}end")
    except (ValueError, zlib.error) as error:
        raise WorkspaceError(
            f"the print of shot {shot_print.id} is damaged ({error}); mine its episode again"
        ) from error
    times = np.frombuffer(content, dtype="<u4", count=count).astype(np.int64)
    steps = np.frombuffer(content, dtype=np.uint8, offset=4 * count).reshape(count, CELLS)
    return times, np.cumsum(steps, axis=0, dtype=np.uint8)
