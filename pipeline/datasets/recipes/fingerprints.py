"""Fingerprints of whole frames: 256 bits that survive another encode and another size, and show nothing.

The pHash of Zauner 2010 with 16x16 of the lowest frequencies of a 64x64 DCT in place of 8x8 of 32x32: an episode has
thousands of frames that have to be told apart, where a picture collection has one of each.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import VideoError
from pipeline.core.images import RGB, luma_of
from pipeline.frames import Frame, decode

BITS = 256
SIDE, LOW = 64, 16
WORDS = BITS // 64
FLAT = 6.0
"""grey levels; a frame that deviates less from its mean (black, white, a fade's end) says nothing of where it is"""

Words = NDArray[np.uint64]
"""(N, 4) fingerprints"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prints:
    """Fingerprints of some frames of a video, in order of time."""

    seconds: NDArray[np.float64]
    """(N,) presentation times"""
    words: Words
    """(N, 4) the fingerprints"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """A whole video, seen once."""

    prints: Prints
    """of every frame that is not flat"""
    indices: NDArray[np.int64]
    """(N,) which frames those are, in decoding order"""
    width: int
    """pixels"""
    height: int
    """pixels"""
    frames: int
    """how many decode"""


def fingerprint(image_HW3: RGB) -> Words | None:
    """(4,) the frame's fingerprint; None when it is flat."""
    small = cv2.resize(luma_of(image_HW3), (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    if float(small.std()) < FLAT:
        return None
    low = cv2.dct(small)[:LOW, :LOW].ravel()
    bits = np.packbits(low > np.median(low))
    return np.frombuffer(bits.tobytes(), dtype=">u8").astype(np.uint64)


def written(words_4: Words) -> str:
    """A fingerprint as 64 hexadecimal digits."""
    return "".join(f"{int(word):016x}" for word in words_4)


def read_words(texts: Iterable[str]) -> Words:
    """(N, 4) of such texts. Raises ValueError when one is none."""
    rows = []
    for text in texts:
        if len(text) != BITS // 4:
            raise ValueError(f"a fingerprint has {BITS // 4} digits, got {text!r}")
        rows.append([int(text[n : n + 16], 16) for n in range(0, len(text), 16)])
    return np.array(rows, dtype=np.uint64).reshape(-1, WORDS)


def distances(one_N4: Words, other_M4: Words) -> NDArray[np.int32]:
    """(N, M) differing bits."""
    total = np.zeros((len(one_N4), len(other_M4)), dtype=np.int32)
    for word in range(WORDS):
        total += np.bitwise_count(one_N4[:, word, None] ^ other_M4[None, :, word])
    return total


def sampled_prints(path: Path, every_seconds: float, also_pts: set[int]) -> Iterator[tuple[int, str]]:
    """(pts, fingerprint) at regular times and at the given ones; flat frames are passed over.

    Raises:
        VideoError: nothing decodes. A file that is damaged further on gives what comes before.
    """
    due = None
    for frame in good_frames(path):
        seconds = float(frame.pts * frame.time_base)
        regular = due is None or seconds >= due
        if not regular and frame.pts not in also_pts:
            continue
        words = fingerprint(frame.image)
        if words is None:
            continue
        if regular:
            due = seconds + every_seconds
        yield frame.pts, written(words)


def see_film(path: Path, tick: Callable[[float], None]) -> Film:
    """Decodes a whole video once and keeps every frame's fingerprint. Raises VideoError when nothing decodes."""
    seconds, words, indices, size, count = [], [], [], (0, 0), 0
    for frame in good_frames(path):
        count, size = count + 1, (frame.image.shape[1], frame.image.shape[0])
        tick(1)
        found = fingerprint(frame.image)
        if found is not None:
            seconds.append(float(frame.pts * frame.time_base))
            words.append(found)
            indices.append(frame.index)
    prints = Prints(seconds=np.array(seconds), words=np.array(words, dtype=np.uint64).reshape(-1, WORDS))
    return Film(
        prints=prints, indices=np.array(indices, dtype=np.int64), width=size[0], height=size[1], frames=count
    )  # fmt: skip


def good_frames(path: Path) -> Iterator[Frame]:
    """Every frame that decodes; a file that is damaged further on gives what comes before. Raises VideoError when none does."""
    count = 0
    try:
        for frame in decode(path):
            count += 1
            yield frame
    except VideoError:
        if not count:
            raise
