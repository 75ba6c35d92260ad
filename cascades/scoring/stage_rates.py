"""How many faces and how much background each stage lets through, on pictures that nothing was fitted to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascades.apply import WindowJudge
from cascades.learning.negatives import FINE_SCALE, shrink
from cascades.model import CascadeModel
from cascades.sampling.augment import Variation, cut_window, region_around
from cascades.scoring.matching import as_corners, is_wanted
from cascades.truth.reading import Picture, Truth, open_pictures
from pipeline.core.errors import TruthError
from pipeline.core.images import Luma, luma_of
from pipeline.core.progress import Progress, Silent

BACKGROUND_WINDOWS = 400_000
"""looked at in all, about evenly over the pictures"""
SCALE_STEP = 1.2
"""from one size of background window to the next"""
NUDGES = ((0.0, 0.0), (-0.03, 0.0), (0.03, 0.0), (0.0, -0.03), (0.0, 0.03))
"""shares of the window by which the window on a face is moved: the detector's grid never hits it exactly"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRate:
    """One stage on held-out windows."""

    stage: int
    """1, 2, ..."""
    stumps: int
    """of it"""
    hit_rate: float | None
    """share of the face windows that reached it which it lets through; None where none reached it"""
    hit_rate_so_far: float
    """share of all face windows that pass this and every earlier stage"""
    false_alarm: float | None
    """share of the background windows that reached it which it lets through; None where none reached it"""
    false_alarm_so_far: float
    """share of all background windows that pass this and every earlier stage"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRates:
    """A whole cascade on held-out windows."""

    stages: tuple[StageRate, ...]
    faces: int
    """windows on faces: len(NUDGES) for each"""
    background: int
    """windows that touch no box"""
    contrast_faces: float
    """share of the windows on faces that have the contrast without which the detector looks no further"""
    contrast_background: float
    """the same of the background"""

    def as_card(self) -> dict[str, Any]:
        """As kept in the card under `held_out_stages`."""
        rows = [{name: getattr(s, name) for name in s.__dataclass_fields__} for s in self.stages]
        names = ("faces", "background", "contrast_faces", "contrast_background")
        return {name: getattr(self, name) for name in names} | {"stages": rows}


def stage_rates(
    model: CascadeModel,
    truth: Truth,
    character: str | None,
    *,
    margin_fraction: float = 0.0,
    smallest_px: int = 0,
    background: int = BACKGROUND_WINDOWS,
    seed: int = 0,
    progress: Progress | None = None,
) -> StageRates:
    """Runs a cascade over windows on the faces of `truth`, and over windows of its pictures that touch no box.

    Args:
        model: the cascade.
        truth: held out; whether it is, is the caller's to know.
        character: whose faces; None for everyone's.
        margin_fraction: of the box added on each side, as when the cascade was fitted.
        smallest_px: width of the smallest background window; 0 for the cascade's own.
        background: windows to look at, about.
        seed: of the choice of them.
        progress: told of every picture.

    Raises:
        CascadeError: a cascade of a kind that single windows cannot be judged by here.
        TruthError: patches without pictures, or not one picture can be read.
    """
    judge = WindowJudge(model)
    if truth.patches is not None:
        raise TruthError(f"{truth.name}: patches have no background; give COCO JSON or info.dat")
    passed: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
    random = np.random.default_rng([seed, 11])
    with (progress or Silent()).step("stages", len(truth.pictures), "images") as step:
        for picture, image in open_pictures(truth.pictures, []):
            grey = luma_of(image)
            windows = _face_windows(grey, picture, character, model, margin_fraction)
            if len(windows):
                passed[0].append(np.asarray(judge.windows(windows).stages_passed))
            share = max(background // len(truth.pictures), 1)
            passed[1].append(_background_passed(judge, grey, as_corners(picture.boxes), smallest_px, share, random))
            step.advance()
    if not passed[1]:
        raise TruthError(f"{truth.name}: not one of its pictures can be read")
    return _rates(model, *(np.concatenate([np.zeros(0, dtype=np.int64), *part]) for part in passed))


def _rates(model: CascadeModel, faces_N: NDArray[np.int64], background_M: NDArray[np.int64]) -> StageRates:
    rows = []
    for number, stage in enumerate(model.stages, start=1):
        hits, so_far = _share(faces_N, number)
        alarms, alarms_so_far = _share(background_M, number)
        rows.append(
            StageRate(
                stage=number, stumps=len(stage.trees), hit_rate=hits, hit_rate_so_far=so_far, false_alarm=alarms,
                false_alarm_so_far=alarms_so_far,
            )
        )  # fmt: skip
    return StageRates(
        stages=tuple(rows),
        faces=len(faces_N),
        background=len(background_M),
        contrast_faces=float((faces_N >= 0).mean()) if len(faces_N) else 0.0,
        contrast_background=float((background_M >= 0).mean()) if len(background_M) else 0.0,
    )


def _share(passed_N: NDArray[np.int64], stage: int) -> tuple[float | None, float]:
    """(of those that reached the stage, of all) the share that passes it. The first stage is reached with contrast."""
    reached, through = int((passed_N >= stage - 1).sum()), int((passed_N >= stage).sum())
    return (through / reached if reached else None), (through / len(passed_N) if len(passed_N) else 0.0)


def _face_windows(
    grey_HW: Luma, picture: Picture, character: str | None, model: CascadeModel, margin_fraction: float
) -> NDArray[np.uint8]:
    width, height = model.width, model.height
    windows = [np.zeros((0, height, width), dtype=np.uint8)]
    for box in picture.boxes:
        outside = box.left >= grey_HW.shape[1] or box.top >= grey_HW.shape[0] or box.right <= 0 or box.bottom <= 0
        if outside or not is_wanted(box, character):
            continue
        region = region_around(box.left, box.top, box.right, box.bottom, width / height, margin_fraction)
        cut = [cut_window(grey_HW, region, width, height, Variation(right=x, down=y)) for x, y in NUDGES]
        windows.append(np.stack(cut))
    return np.concatenate(windows)


def _background_passed(
    judge: WindowJudge,
    grey_HW: Luma,
    boxes_K4: NDArray[np.float64],
    smallest_px: int,
    wanted: int,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Stages passed by a seeded choice of the windows that the detector would look at, those that touch a box left out."""
    model = judge.model
    levels = _levels(grey_HW.shape, model, smallest_px)
    total = sum(columns * rows for _, _, columns, rows, _ in levels)
    passed = [np.zeros(0, dtype=np.int64)]
    for width, height, columns, rows, step in levels:
        here = columns * rows
        count = min(here, -(-wanted * here // max(total, 1)))
        places = np.sort(random.choice(here, size=count, replace=False))
        ys, xs = np.divmod(places, columns)
        xs, ys = xs * step, ys * step
        across, down = grey_HW.shape[1] / width, grey_HW.shape[0] / height
        corners = np.stack([xs * across, ys * down, (xs + model.width) * across, (ys + model.height) * down], axis=1)
        free = ~_touches(corners, boxes_K4)
        if free.any():
            image = shrink(grey_HW, width, height)
            passed.append(np.asarray(judge.places(image, xs[free], ys[free]).stages_passed))
    return np.concatenate(passed)


def _levels(shape: Sequence[int], model: CascadeModel, smallest_px: int) -> list[tuple[int, int, int, int, int]]:
    """(width, height) of the shrunk image, columns and rows of windows in it, and the step between them, as detected."""
    levels = []
    scale = max(1.0, smallest_px / model.width)
    while round(shape[1] / scale) >= model.width and round(shape[0] / scale) >= model.height:
        width, height = round(shape[1] / scale), round(shape[0] / scale)
        step = 2 if scale < FINE_SCALE else 1
        levels.append((width, height, (width - model.width) // step + 1, (height - model.height) // step + 1, step))
        scale *= SCALE_STEP
    return levels


def _touches(corners_N4: NDArray[np.float64], boxes_K4: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,) whether a window shares a pixel with any box."""
    apart = (
        (corners_N4[:, None, 0] >= boxes_K4[None, :, 2])
        | (corners_N4[:, None, 2] <= boxes_K4[None, :, 0])
        | (corners_N4[:, None, 1] >= boxes_K4[None, :, 3])
        | (corners_N4[:, None, 3] <= boxes_K4[None, :, 1])
    )
    return np.asarray(~apart.all(axis=1))
