"""Pictures to take negatives from: image files, folders of them, and videos of which a frame now and then is taken."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cascades.truth.crops import IMAGE_SUFFIXES
from cascades.truth.labelled import Rejected
from pipeline.core.errors import ImageError, InputError, TruthError
from pipeline.core.images import Luma, luma_of, read_rgb
from pipeline.core.progress import Progress

HELD_LEVELS = 3.0
"""two frames whose thumbnails differ by less than this many grey levels (mean) are one drawing held"""
SAME_SCENE_LEVELS = 10.0
"""two frames of a video whose thumbnails differ by less than this many grey levels (mean) show one scene"""
REMEMBERED = 256
"""frames of a video that a new one is compared with"""


def find_backgrounds(places: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """The image files and the videos among and inside `places`, sorted.

    A file named outright is an image unless its name is that of a video. Raises TruthError for a place that is not there or holds none.
    """
    from pipeline.ingest import SUFFIXES

    files: set[Path] = set()
    for place in places:
        if place.is_dir():
            inside = {p for p in place.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES | SUFFIXES and p.is_file()}
            if not inside:
                raise TruthError(
                    f"{place}: no picture or video in this folder; --negatives names those without the character"
                )
            files |= inside
        elif place.is_file():
            files.add(place)
        else:
            raise TruthError(f"{place}: no such file or folder; --negatives names pictures without the character")
    videos = {path for path in files if path.suffix.lower() in SUFFIXES}
    return sorted(files - videos), sorted(videos)


def read_backgrounds(
    images: Sequence[Path], seed: int, most_bytes: int, rejected: list[Rejected], progress: Progress
) -> Iterator[tuple[str, Luma | None]]:
    """(name, grey picture) in a seeded order; None instead of it once `most_bytes` were given."""
    order = np.random.default_rng([seed, 3]).permutation(len(images))
    given = 0
    with progress.step("reading negatives", len(images), "images") as step:
        for path in (images[i] for i in order):
            if given >= most_bytes:
                yield str(path), None
                continue
            try:
                grey = luma_of(read_rgb(path))
                given += grey.nbytes
                yield str(path), grey
            except ImageError as error:
                rejected.append(Rejected(str(path), str(error)))
            step.advance()


def sample_video(
    path: Path,
    frames_per_second: float,
    most_bytes: int,
    shown: Sequence[NDArray[np.float64]],
    rejected: list[Rejected],
    progress: Progress,
) -> list[tuple[str, Luma]]:
    """(name, grey frame) at a steady rate, of each held drawing one; the rate is halved until they are `most_bytes` or less.

    Frames like one of the thumbnails `shown` are left out. What a damaged file gives before its damage is used, and the
    damage goes to `rejected`.
    """
    from pipeline.frames import decode

    kept: list[tuple[str, Luma]] = []
    thumbnails: list[NDArray[np.float64]] = []
    interval, due = 1 / Fraction(frames_per_second).limit_denominator(1000), None
    try:
        with progress.step(f"reading {path.name}", None, "frames") as step:
            for frame in decode(path):
                step.advance()
                at = frame.pts * frame.time_base
                if due is not None and at < due:
                    continue
                due = (at if due is None else due) + interval * (1 if due is None else (at - due) // interval + 1)
                grey = luma_of(frame.image)
                small = thumbnail(grey)
                if any(differ(small, other) < HELD_LEVELS for other in thumbnails[-REMEMBERED:]) or any(
                    differ(small, other) < SAME_SCENE_LEVELS for other in shown
                ):
                    continue
                thumbnails.append(small)
                kept.append((f"{path.name} at {float(at):.2f} s", grey))
                if len(kept) > 1 and sum(image.nbytes for _, image in kept) > most_bytes:
                    kept, thumbnails, interval = kept[::2], thumbnails[::2], interval * 2
    except InputError as error:
        rejected.append(Rejected(str(path), str(error)))
    return kept


def thumbnail(grey_HW: Luma) -> NDArray[np.float64]:
    """(18, 32), for comparing pictures."""
    import cv2

    return np.asarray(cv2.resize(grey_HW, (32, 18), interpolation=cv2.INTER_AREA), dtype=np.float64)


def differ(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Mean difference of two thumbnails, grey levels."""
    return float(np.abs(a - b).mean())
