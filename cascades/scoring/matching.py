"""What a detector finds on labelled pictures, and which finds are right: one pass, to be counted in many ways.

Finds are matched to faces as PASCAL VOC does (Everingham et al. 2010). Finds on regions to be ignored count for nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cascades.truth.reading import Picture, Rejected, Truth, TruthBox, open_pictures
from pipeline.core.errors import TruthError
from pipeline.core.files import digest_of
from pipeline.core.geometry import iou_matrix, match_greedily
from pipeline.core.images import RGB
from pipeline.core.progress import Progress, Silent

IGNORED_SHARE = 0.5
"""a find that lies in an ignored region by this share of its area counts for nothing"""


Found = tuple[NDArray[np.float64], NDArray[np.float64]]
"""boxes (N, 4) of left, top, right, bottom, and scores (N,)"""


class Finder(Protocol):
    """What is scored: `Detector.detect` of one cascade, or anything that finds boxes."""

    def __call__(self, image_HW3: RGB) -> Found:
        """Boxes (N, 4) of left, top, right, bottom, and scores (N,)."""
        ...


@dataclass(frozen=True, slots=True)
class Searched:
    """One picture: what was found on it, and what there is to find."""

    picture: Picture
    boxes: NDArray[np.float64]
    """(N, 4) left, top, right, bottom of the finds, pixels"""
    scores: NDArray[np.float64]
    """(N,)"""
    faces: NDArray[np.float64]
    """(M, 4) of those wanted"""
    ignored: NDArray[np.float64]
    """(K, 4) regions where a find is neither right nor wrong"""


@dataclass(frozen=True, slots=True)
class Search:
    """A finder's pass over a truth."""

    pictures: tuple[Searched, ...]
    """at least one"""
    rejected: tuple[Rejected, ...]
    """rows and images that were left out"""

    @property
    def faces(self) -> int:
        """How many there were to find."""
        return sum(len(one.faces) for one in self.pictures)


@dataclass(frozen=True, slots=True)
class Match:
    """Which finds of a picture are right."""

    faces: NDArray[np.int64]
    """(N,) index of the face that a find took, or -1"""
    aside: NDArray[np.bool_]
    """(N,) whether it counts for nothing"""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Every find that counts, over all pictures: what curves, thresholds and probabilities are made of."""

    scores: NDArray[np.float64]
    """(N,) highest first"""
    right: NDArray[np.bool_]
    """(N,)"""
    groups: NDArray[np.int64]
    """(N,) the same number for finds that may not be parted between fitting and testing (a scene, a picture)"""
    faces: int
    """there were to find"""
    images: int
    """searched"""
    aside: int
    """finds that counted for nothing"""


def search(find: Finder, truth: Truth, character: str | None, progress: Progress | None = None) -> Search:
    """Runs a finder over every picture of `truth`; faces of others than `character` (None: everyone) are no faces.

    Raises:
        TruthError: no such character, or not one picture can be read.
    """
    (found,) = search_each(lambda image_HW3: [find(image_HW3)], truth, character, progress)
    return found


def search_each(
    find_each: Callable[[RGB], Sequence[Found]], truth: Truth, character: str | None, progress: Progress | None = None
) -> list[Search]:
    """`search` for several finders at once: `find_each` gives what each of them finds on a picture, in one order."""
    if truth.patches is not None:
        raise TruthError(f"{truth.name}: patches without their pictures cannot be searched; give COCO JSON or info.dat")
    if character is not None and any(truth.characters) and character not in truth.characters:
        raise TruthError(f"{truth.name}: nobody is called {character!r} in it; there are {', '.join(truth.characters)}")
    rejected = list(truth.rejected)
    rows: list[list[Searched]] = []
    with (progress or Silent()).step("evaluating", len(truth.pictures), "images") as step:
        for picture, image in open_pictures(truth.pictures, rejected):
            faces = as_corners([b for b in picture.boxes if is_wanted(b, character)])
            ignored = as_corners([b for b in picture.boxes if b.ignored])
            rows.append([Searched(picture, boxes, scores, faces, ignored) for boxes, scores in find_each(image)])
            step.advance()
    if not rows:
        why = rejected[0].reason if rejected else "there are none"
        raise TruthError(f"{truth.name}: not one of its pictures can be read ({why})")
    return [Search(column, tuple(rejected)) for column in zip(*rows, strict=True)]


def is_wanted(box: TruthBox, character: str | None) -> bool:
    """Whether a box is a face of `character` (None: of anyone): not ignored, and not called no face by people."""
    return not box.ignored and not box.rejected and character in (None, box.character)


def picture_keys(truth: Truth) -> list[str]:
    """A short digest for each picture (file name, frame, pts), sorted: enough to see whether two truths share any."""
    return sorted({digest_of([p.path.name, p.frame, p.pts])[:16] for p in truth.pictures})


def match(one: Searched, iou: float) -> Match:
    """Which finds of a picture are right: best score first, each face taken once."""
    faces = match_greedily(iou_matrix(one.boxes, one.faces), one.scores, iou)
    return Match(faces, (faces < 0) & (share_inside(one.boxes, one.ignored) >= IGNORED_SHARE))


def outcomes_of(found: Search, iou: float) -> Outcomes:
    """Every find that counts, the highest score first; equal scores in the order of the pictures."""
    matches = [match(one, iou) for one in found.pictures]
    numbers: dict[str, int] = {}
    scores, right, groups = [np.zeros(0)], [np.zeros(0, dtype=bool)], [np.zeros(0, dtype=np.int64)]
    for one, matched in zip(found.pictures, matches, strict=True):
        counts = ~matched.aside
        number = numbers.setdefault(one.picture.group or one.picture.name, len(numbers))
        scores.append(one.scores[counts])
        right.append(matched.faces[counts] >= 0)
        groups.append(np.full(int(counts.sum()), number, dtype=np.int64))
    all_scores = np.concatenate(scores)
    order = np.argsort(-all_scores, kind="stable")
    return Outcomes(
        scores=all_scores[order],
        right=np.concatenate(right)[order],
        groups=np.concatenate(groups)[order],
        faces=found.faces,
        images=len(found.pictures),
        aside=sum(int(matched.aside.sum()) for matched in matches),
    )


def share_inside(boxes_N4: NDArray[np.float64], regions_K4: NDArray[np.float64]) -> NDArray[np.float64]:
    """Largest share of each box's own area that one region covers: (N,)."""
    if not len(regions_K4):
        return np.zeros(len(boxes_N4))
    left_top = np.maximum(boxes_N4[:, None, :2], regions_K4[None, :, :2])
    right_bottom = np.minimum(boxes_N4[:, None, 2:], regions_K4[None, :, 2:])
    shared = np.clip(right_bottom - left_top, 0, None).prod(axis=2)
    area = (boxes_N4[:, 2:] - boxes_N4[:, :2]).prod(axis=1)
    return np.asarray((shared / np.maximum(area, 1e-9)[:, None]).max(axis=1))


def as_corners(boxes: Sequence[TruthBox]) -> NDArray[np.float64]:
    """(N, 4) left, top, right, bottom."""
    return np.array([(b.left, b.top, b.right, b.bottom) for b in boxes], dtype=np.float64).reshape(-1, 4)
