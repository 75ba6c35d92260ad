"""The faces of one track -> the few pictures worth keeping: sharp, large, complete, and different from one another."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import UsageError
from pipeline.core.geometry import clip, grow
from pipeline.core.images import RGB, cut
from pipeline.core.places import Box

LOOK = 16
"""pixels; two pictures are compared at this size"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CropOptions:
    """What is kept of a track."""

    per_track: int = 6
    """at most this many crops of a track"""
    margin_fraction: float = 0.1
    """of the box's size, added on each side before cutting"""
    min_difference: float = 6.0
    """grey levels; mean difference of two crops, brightness evened out, below which they show the same drawing"""

    def __post_init__(self) -> None:
        if self.per_track < 1 or not 0 <= self.margin_fraction <= 2 or self.min_difference < 0:
            raise UsageError("per_track must be >= 1, margin_fraction in [0, 2] and min_difference >= 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A face cut from its frame."""

    image: RGB
    """(H, W, 3)"""
    box: Box
    """the pixels it was cut from: inside the frame, margin included"""
    sharpness: float
    """grey levels squared"""
    complete: float
    """share of the box, with its margin, that lies inside the frame; 0 to 1"""


def candidate(image_HW3: RGB, box: Box, options: CropOptions) -> Candidate | None:
    """Cuts a face with its margin; None when the box lies outside the frame."""
    wanted = grow(box, options.margin_fraction)
    inside = clip(wanted, image_HW3.shape[1], image_HW3.shape[0])
    if inside is None or inside.width < 8 or inside.height < 8:
        return None
    picture = cut(image_HW3, inside.left, inside.top, inside.right, inside.bottom)
    return Candidate(image=picture, box=inside, sharpness=sharpness(picture), complete=inside.area / wanted.area)


def sharpness(image_HW3: RGB) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al. 2000) of the luma at 64x64, in grey levels squared."""
    luma = cv2.cvtColor(image_HW3, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(luma, (64, 64), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(small, cv2.CV_64F).var())


def choose(candidates: list[Candidate], options: CropOptions) -> list[int]:
    """Indices of the candidates to keep, ascending: the best one, then whichever differs most from those kept.

    Farthest-point selection (Gonzalez 1985) on small pictures, each difference weighted by the candidate's quality;
    it ends at `per_track`, or when what is left looks like something already kept.
    """
    if not candidates:
        return []
    quality = np.array([_quality(c) for c in candidates])
    quality /= max(float(quality.max()), 1e-9)
    looks = np.stack([_look(c.image) for c in candidates])
    kept = [int(quality.argmax())]
    nearest = np.abs(looks - looks[kept[0]]).mean(axis=1)
    while len(kept) < min(options.per_track, len(candidates)):
        worth = np.where(nearest >= options.min_difference, nearest * (0.5 + 0.5 * quality), -1.0)
        worth[kept] = -1.0
        best = int(worth.argmax())
        if worth[best] < 0:
            break
        kept.append(best)
        nearest = np.minimum(nearest, np.abs(looks - looks[best]).mean(axis=1))
    return sorted(kept)


def _quality(c: Candidate) -> float:
    """Detail times size times completeness; the logarithm keeps one noisy crop from winning everything."""
    return float(np.log1p(c.sharpness) * min(c.box.width, 128) * c.complete)


def _look(image_HW3: RGB) -> NDArray[np.float64]:
    luma = cv2.cvtColor(image_HW3, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(luma, (LOOK, LOOK), interpolation=cv2.INTER_AREA).astype(np.float64)
    return np.asarray(small - small.mean()).ravel()
