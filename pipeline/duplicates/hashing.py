"""Perceptual hashes of many pictures at once, each bit as `imagehash` gives it.

pHash (Zauner 2010): the signs of the 8x8 lowest frequencies of the picture's 32x32 luma against their median. The
frequencies are summed here in another order than scipy's, which can only matter where the two middle ones are closer
than rounding reaches: for such a picture (flat, or its own mirror image) scipy itself is asked. dHash compares
neighbouring pixels of a 9x8 picture. wHash and the colour hash are imagehash's own.

A value is a number of 64 bits, the first bit of the hash highest; as text it has 16 hex digits.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cascades.compiled import compiled
from pipeline.core.errors import UsageError
from pipeline.core.images import RGB, Luma
from pipeline.duplicates.scaling import Scaler

Hashes = NDArray[np.uint64]
"""(N,)"""

SIDE = 32
"""pixels of the picture whose frequencies pHash takes"""
CLOSE = 1e-6
"""frequencies, which reach a million: both sums are right to 1e-8, so what lies further apart is in the same order"""

HASH_KINDS = {
    "phash": "phash64-pillow13",
    "dhash": "dhash64-pillow13",
    "whash": "whash64-imagehash4",
    "colour": "colour42-imagehash4",
}
"""option -> name and version kept with each stored value; values of different kinds are never compared"""
HASH_KIND = HASH_KINDS["phash"]


def hashes_of(images: Sequence[RGB | Luma], hash_name: str = "phash") -> Hashes:
    """The hashes of RGB (H, W, 3) or luma (H, W) uint8 pictures, in their order.

    Raises:
        UsageError: no hash of that name.
    """
    if hash_name not in HASH_KINDS:
        raise UsageError(f"--hash must be one of {', '.join(HASH_KINDS)}; got {hash_name!r}")
    return _COMPUTE[hash_name](images)


def phash(image: RGB | Luma) -> str:
    """64-bit pHash as 16 hex digits, equal to `str(imagehash.phash(image))`."""
    return as_text(_phashes([image]))[0]


def as_text(hashes_N: Hashes) -> list[str]:
    """Each value as 16 hex digits."""
    digits = hashes_N.astype(">u8").tobytes().hex()
    return [digits[at : at + 16] for at in range(0, len(digits), 16)]


def as_numbers(texts: Sequence[str]) -> Hashes:
    """The values of `as_text`; shorter ones are numbers too."""
    joined = "".join(text.rjust(16, "0") for text in texts)
    return np.frombuffer(bytes.fromhex(joined), dtype=">u8").astype(np.uint64)


def _phashes(images: Sequence[RGB | Luma]) -> Hashes:
    smalls = np.empty((len(images), SIDE, SIDE), np.uint8)
    scaler = Scaler()
    for image, small in zip(images, smalls, strict=True):
        scaler.luma(image, small)
    hashes = np.empty(len(images), np.uint64)
    sure = np.empty(len(images), np.bool_)
    signs_of_frequencies(smalls, _cosines(), hashes, sure)
    for n in np.flatnonzero(~sure):
        hashes[n] = _as_scipy_rounds(smalls[n])
    return hashes


def _cosines() -> NDArray[np.float64]:
    """(16, 8): what pixel pairs (n, 31 - n) weigh in frequency k, `2 cos(pi k (2 n + 1) / 64)`."""
    return np.array([[2 * math.cos(math.pi * k * (2 * n + 1) / 64) for k in range(8)] for n in range(SIDE // 2)])


@compiled
def signs_of_frequencies(
    smalls_NSS: NDArray[np.uint8],
    cosines: NDArray[np.float64],
    hashes: NDArray[np.uint64],
    sure: NDArray[np.bool_],
) -> None:
    """pHashes of 32x32 pictures, and whether no rounding could have turned a bit.

    A frequency is even or odd about the middle, so pixels are first added to, or taken from, their mirror images.
    """
    halfway = np.empty((8, 32))
    low = np.empty(64)
    for picture in range(len(smalls_NSS)):
        small = smalls_NSS[picture]
        halfway[:] = 0.0
        for y in range(16):
            for k in range(8):
                sign, weight, row = 1 - 2 * (k % 2), cosines[y, k], halfway[k]
                for x in range(32):
                    row[x] += weight * (np.int32(small[y, x]) + np.int32(sign) * np.int32(small[31 - y, x]))
        low[:] = 0.0
        for k in range(8):
            row = low[8 * k : 8 * k + 8]
            for x in range(16):
                total, difference = halfway[k, x] + halfway[k, 31 - x], halfway[k, x] - halfway[k, 31 - x]
                for j in range(8):
                    row[j] += cosines[x, j] * (difference if j % 2 else total)
        bits, below, above = np.uint64(0), -math.inf, math.inf
        for n in range(64):
            smaller = 0
            for m in range(64):
                smaller += low[m] < low[n]
            bits <<= np.uint64(1)
            if smaller >= 32:
                bits |= np.uint64(1)
                above = min(above, low[n])
            else:
                below = max(below, low[n])
        hashes[picture] = bits
        sure[picture] = above - below > CLOSE


def _as_scipy_rounds(small_SS: Luma) -> int:
    import scipy.fft

    low = scipy.fft.dct(scipy.fft.dct(small_SS.astype(np.float64), axis=0), axis=1)[:8, :8]
    return _packed(low > np.median(low))


def _dhashes(images: Sequence[RGB | Luma]) -> Hashes:
    smalls = np.empty((len(images), 8, 9), np.uint8)
    scaler = Scaler()
    for image, small in zip(images, smalls, strict=True):
        scaler.luma(image, small)
    brighter = smalls[:, :, 1:] > smalls[:, :, :-1]
    return np.packbits(brighter.reshape(len(images), 64), axis=1).view(">u8")[:, 0].astype(np.uint64)


def _by_imagehash(name: str) -> Callable[[Sequence[RGB | Luma]], Hashes]:
    def compute(images: Sequence[RGB | Luma]) -> Hashes:
        import imagehash
        from PIL import Image

        hash_of = getattr(imagehash, name)
        return np.array([_packed(hash_of(Image.fromarray(image)).hash) for image in images], dtype=np.uint64)

    return compute


def _packed(bits: NDArray[np.bool_]) -> int:
    return int("".join("1" if bit else "0" for bit in bits.reshape(-1)), 2)


_COMPUTE: dict[str, Callable[[Sequence[RGB | Luma]], Hashes]] = {
    "phash": _phashes,
    "dhash": _dhashes,
    "whash": _by_imagehash("whash"),
    "colour": _by_imagehash("colorhash"),
}
