"""A second look at what a cascade proposes: by outlines and colour, learned from the same boxes.

A cascade sees grey rectangles. A cartoon's faces are also told by their colours and by how their lines run, so every
proposed box is seen once more, in colour, as a histogram of oriented gradients (Dalal & Triggs 2005), a coarse picture of
its colours and a histogram of them, and ranked by a logistic regression. It learns from varied positives against what
the first stages of the cascade wrongly propose on the labelled pictures. The XML is left as it is.
"""

import base64
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import CascadeError, TruthError
from pipeline.core.geometry import iou_matrix
from pipeline.core.images import RGB

SIDE = 32
"""pixels of a box as it is seen"""
CELL = 4
"""pixels of a cell of gradients"""
ORIENTATIONS = 9
BLOCK = 8
"""pixels of a cell of colours"""
TONES = 8
"""bins of each of the two colour axes, and of lightness"""
RIM = 4
"""pixels left out of the histogram of colours: background"""
AT_ONCE = 128
"""boxes that are described together"""
ROWS_AT_ONCE = 1024
"""of the regression's samples: one pass through memory for a step, not two"""
FORMAT = 1
MAX_VERIFIER_BYTES = 1 << 20
"""of its JSON; it has about 4 kB"""
Crops = NDArray[np.uint8]
"""(N, SIDE, SIDE, 3)"""
Boxes = NDArray[np.float64]
"""(N, 4) of left, top, right, bottom"""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """How it learns."""

    context_fraction: float = 0.15
    """of the box seen around it, on each side"""
    variations: int = 16
    """of each face"""
    shift_fraction: float = 0.06
    """of the box, at most"""
    scale_fraction: float = 0.1
    """at most"""
    near_misses: int = 6
    """badly framed pieces of each face that are negatives"""
    stiffness: float = 0.01
    """of the regression: more of it trusts fewer details"""
    steps: int = 300
    """of the minimisation"""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled picture with what the cascade proposes on it."""

    image: RGB
    faces: Boxes
    others: Boxes
    """faces of other characters"""
    ignored: Boxes
    proposed: Boxes


@dataclass(frozen=True, slots=True, eq=False)
class Verifier:
    """Ranks boxes of one character."""

    weights: NDArray[np.float32]
    """one for each of `describe`'s columns"""
    bias: float
    context_fraction: float

    def evidence(self, image_HW3: RGB, boxes_N4: Boxes) -> NDArray[np.float64]:
        """(N,): above zero where a face is likelier than not, on the pictures it learned from."""
        seen = describe(see(image_HW3, boxes_N4, self.context_fraction))
        return np.asarray(np.einsum("nd,d->n", seen, self.weights).astype(np.float64) + self.bias)

    def to_bytes(self) -> bytes:
        """As `read_verifier` reads it."""
        weights = base64.b64encode(self.weights.astype("<f4").tobytes()).decode()
        return json.dumps(
            {"format": FORMAT, "bias": self.bias, "context": self.context_fraction, "weights": weights}
        ).encode()


def verifier_path(xml: Path) -> Path:
    """Where the verifier of an XML file lies: NAME.verifier.json beside it."""
    return xml.with_name(f"{xml.stem}.verifier.json")


def read_verifier(content: bytes) -> Verifier:
    """Raises CascadeError for anything that `Verifier.to_bytes` does not write."""
    try:
        row = json.loads(content)
        weights = np.frombuffer(base64.b64decode(row["weights"], validate=True), dtype="<f4").astype(np.float32)
        bias, context, kind = float(row["bias"]), float(row["context"]), row["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise CascadeError(f"the verifier is damaged ({error}); fit the cascade again") from None
    whole = len(weights) == columns() and np.isfinite(weights).all() and math.isfinite(bias) and 0 <= context <= 1
    if kind != FORMAT or not whole:
        raise CascadeError("the verifier is damaged or of another version; fit the cascade again")
    return Verifier(weights, bias, context)


def learn_verifier(examples: Iterable[Example], options: VerifyOptions = VerifyOptions()) -> Verifier:
    """Fits it; the same examples and options give the same bytes.

    Raises:
        TruthError: not one face, or nothing proposed that is none.
    """
    random = np.random.default_rng([options.seed, 11])
    found, missed = [], []
    for example in examples:
        faces, misses = _boxes_of(example, options, random)
        found.append(see(example.image, faces, options.context_fraction))
        missed.append(see(example.image, misses, options.context_fraction))
    positives, negatives = (
        np.concatenate(some) if some else np.zeros((0, SIDE, SIDE, 3), np.uint8) for some in (found, missed)
    )
    if not len(positives) or not len(negatives):
        raise TruthError(f"{len(positives)} windows of faces and {len(negatives)} of others: a verifier needs both")
    positives = np.concatenate([positives, positives[:, :, ::-1]])
    positives = np.concatenate([positives, _relit(positives, random)])
    described = describe(np.concatenate([positives, negatives]))
    weights, bias = _regress(described, len(positives), options)
    return Verifier(weights, bias, options.context_fraction)


def _boxes_of(example: Example, options: VerifyOptions, random: np.random.Generator) -> tuple[Boxes, Boxes]:
    """(boxes that are the face, boxes that are not)"""
    known, proposed = np.concatenate([example.faces, example.ignored]), example.proposed
    overlaps = _best_overlap(proposed, known)
    bad = (overlaps < 0.3) & (_share_inside(proposed, example.ignored) <= 0.3)
    faces, misses = [], [proposed[bad], example.others]
    for face in example.faces:
        faces += [
            face[None],
            _moved(face, options.variations - 1, options.shift_fraction, options.scale_fraction, random),
        ]
        near = _moved(face, 40, 0.6, 0.5, random)
        misses.append(near[_best_overlap(near, known) < 0.33][: options.near_misses])
    faces.append(proposed[_best_overlap(proposed, example.faces) > 0.55])
    return np.concatenate(faces), np.concatenate(misses)


def see(image_HW3: RGB, boxes_N4: Boxes, context_fraction: float) -> Crops:
    """Each box with its surroundings at SIDE pixels; beyond the image its edge goes on."""
    import cv2

    levels = [image_HW3]
    while min(levels[-1].shape[:2]) >= 2 * SIDE:
        height, width = levels[-1].shape[:2]
        levels.append(np.asarray(cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)))
    crops = np.empty((len(boxes_N4), SIDE, SIDE, 3), dtype=np.uint8)
    for i, (left, top, right, bottom) in enumerate(boxes_N4):
        width, height = ((right - left) * (1 + 2 * context_fraction), (bottom - top) * (1 + 2 * context_fraction))
        level = int(np.clip(math.log2(max(min(width, height) / SIDE, 1.0)), 0, len(levels) - 1))
        image = levels[level]
        x_scale, y_scale = image.shape[1] / image_HW3.shape[1], image.shape[0] / image_HW3.shape[0]
        across, down = width * x_scale / SIDE, height * y_scale / SIDE
        x = (left + right) / 2 * x_scale - 0.5 - (SIDE - 1) / 2 * across
        y = (top + bottom) / 2 * y_scale - 0.5 - (SIDE - 1) / 2 * down
        matrix = np.array([[across, 0.0, x], [0.0, down, y]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        crops[i] = cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return crops


def columns() -> int:
    """How many numbers describe a box."""
    return (SIDE // CELL) ** 2 * ORIENTATIONS + 3 * (SIDE // BLOCK) ** 2 + TONES * TONES + TONES


def describe(crops: Crops) -> NDArray[np.float32]:
    """(N, columns()): outlines, then colours."""
    described = np.empty((len(crops), columns()), dtype=np.float32)
    for first in range(0, len(crops), AT_ONCE):  # few enough that all that is computed of them stays in the cache
        described[first : first + AT_ONCE] = _describe(crops[first : first + AT_ONCE])
    return described


def _describe(crops: Crops) -> NDArray[np.float32]:
    import cv2

    tall = np.ascontiguousarray(crops).reshape(-1, SIDE, 3)
    grey = np.asarray(cv2.cvtColor(tall, cv2.COLOR_RGB2GRAY)).reshape(-1, SIDE, SIDE).astype(np.float32)
    lab = np.asarray(cv2.cvtColor(tall, cv2.COLOR_RGB2LAB)).reshape(crops.shape).astype(np.float32)
    return np.concatenate([_gradients(grey) * 3, _colours(lab)], axis=1).astype(np.float32)


def _gradients(grey_NHW: NDArray[np.float32]) -> NDArray[np.float32]:
    n, cells = len(grey_NHW), SIDE // CELL
    across, down = np.zeros_like(grey_NHW), np.zeros_like(grey_NHW)
    across[:, :, 1:-1] = grey_NHW[:, :, 2:] - grey_NHW[:, :, :-2]
    down[:, 1:-1] = grey_NHW[:, 2:] - grey_NHW[:, :-2]
    strength = np.sqrt(across * across + down * down)
    angle = np.mod(np.arctan2(down, across), np.pi) / np.pi * ORIENTATIONS
    lower = np.floor(angle)
    share, first = angle - lower, lower.astype(np.int64) % ORIENTATIONS
    rows = np.arange(SIDE) // CELL
    cell = (np.arange(n)[:, None, None] * cells + rows[:, None]) * cells + rows
    size = n * cells * cells * ORIENTATIONS
    lower_bin, upper_bin = (cell * ORIENTATIONS + into for into in (first, (first + 1) % ORIENTATIONS))
    histograms = np.bincount(lower_bin.ravel(), (strength * (1 - share)).ravel(), size)
    histograms += np.bincount(upper_bin.ravel(), (strength * share).ravel(), size)
    histograms = histograms.reshape(n, cells, cells, ORIENTATIONS)
    energy = np.pad((histograms**2).sum(axis=3), ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = sum(energy[:, i : i + cells, j : j + cells] for i in range(3) for j in range(3))
    floor = (4.0 * CELL * CELL) ** 2
    return np.minimum(histograms / np.sqrt(around + floor)[..., None], 0.3).reshape(n, -1).astype(np.float32)


def _colours(lab_NHW3: NDArray[np.float32]) -> NDArray[np.float32]:
    n, blocks = len(lab_NHW3), SIDE // BLOCK
    means = lab_NHW3.reshape(n, blocks, BLOCK, blocks, BLOCK, 3).mean(axis=(2, 4))
    light = means[..., 0]
    relative = (light - light.mean(axis=(1, 2), keepdims=True)) / (light.std(axis=(1, 2), keepdims=True) + 5)
    inner = lab_NHW3[:, RIM:-RIM, RIM:-RIM]
    tones = np.clip((inner[..., 1:] - 128) / 14 + TONES / 2, 0, TONES - 1).astype(np.int64)
    hue = _histogram(tones[..., 0] * TONES + tones[..., 1], TONES * TONES)
    lightness = _histogram((inner[..., 0] * TONES / 256).astype(np.int64), TONES)
    parts = [(means[..., 1:] - 128).reshape(n, -1) / 40, hue * 2, relative.reshape(n, -1) / 2, lightness]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _histogram(bins_NHW: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Square roots of shares: (N, count)."""
    flat = bins_NHW.reshape(len(bins_NHW), -1)
    where = flat + np.arange(len(flat))[:, None] * count
    return np.sqrt(np.bincount(where.ravel(), minlength=len(flat) * count).reshape(len(flat), count) / flat.shape[1])


def _regress(
    described_ND: NDArray[np.float32], positives: int, options: VerifyOptions
) -> tuple[NDArray[np.float32], float]:
    """Logistic regression, both sides of equal weight, by Nesterov's accelerated gradient; einsum for the same sums on any machine."""
    n = len(described_ND)
    answers = np.where(np.arange(n) < positives, 1.0, -1.0)
    shares = np.where(answers > 0, 0.5 / positives, 0.5 / (n - positives))
    mean = described_ND.mean(axis=0, dtype=np.float64)
    centred = np.concatenate([described_ND - mean.astype(np.float32), np.ones((n, 1), np.float32)], axis=1)
    step = 1.0 / (0.25 * _steepest(centred, shares) + options.stiffness)
    here = ahead = np.zeros(centred.shape[1])
    for number in range(options.steps):
        slope, now = np.zeros(len(here)), ahead.astype(np.float32)
        for at in range(0, n, ROWS_AT_ONCE):
            rows = slice(at, at + ROWS_AT_ONCE)
            margins = answers[rows] * np.einsum("nd,d->n", centred[rows], now)
            pull = (-answers[rows] * shares[rows] / (1 + np.exp(np.clip(margins, -50, 50)))).astype(np.float32)
            slope += np.einsum("nd,n->d", centred[rows], pull)
        slope[:-1] += options.stiffness * ahead[:-1]
        before, here = here, ahead - step * slope
        ahead = here + number / (number + 3) * (here - before)
    weights = here[:-1].astype(np.float32)
    return weights, float(here[-1] - (weights.astype(np.float64) * mean).sum())


def _steepest(centred_ND: NDArray[np.float32], shares_N: NDArray[np.float64]) -> float:
    """A little above the largest eigenvalue of the weighted second moments (power iteration)."""
    along, size = np.full(centred_ND.shape[1], 1.0), 1.0
    for _ in range(20):
        along = along / np.sqrt((along**2).sum())
        through = np.einsum("nd,d->n", centred_ND, along.astype(np.float32)) * shares_N
        along = np.einsum("nd,n->d", centred_ND, through.astype(np.float32)).astype(np.float64)
        size = float(np.sqrt((along**2).sum()))
    return 1.1 * size


def _moved(box_4: NDArray[np.float64], count: int, shift: float, scale: float, random: np.random.Generator) -> Boxes:
    drawn = random.uniform(-1, 1, size=(count, 3))
    width, height = box_4[2] - box_4[0], box_4[3] - box_4[1]
    x = (box_4[0] + box_4[2]) / 2 + drawn[:, 0] * shift * width
    y = (box_4[1] + box_4[3]) / 2 + drawn[:, 1] * shift * height
    half = (1 + drawn[:, 2] * scale) / 2
    return np.stack([x - width * half, y - height * half, x + width * half, y + height * half], axis=1)


def _relit(crops: Crops, random: np.random.Generator) -> Crops:
    """In other light: brighter or darker, stronger or paler, a little tinted."""
    n = len(crops)
    seen = crops.astype(np.float32)
    mean = seen.mean(axis=3, keepdims=True)
    lit = (mean + (seen - mean) * random.uniform(0.75, 1.25, (n, 1, 1, 1))) * random.uniform(0.75, 1.3, (n, 1, 1, 1))
    lit = lit * random.uniform(0.94, 1.06, (n, 1, 1, 3)) + random.uniform(-15, 15, (n, 1, 1, 1))
    return np.asarray(np.clip(lit, 0, 255), dtype=np.uint8)


def _best_overlap(boxes_N4: Boxes, others_M4: Boxes) -> NDArray[np.float64]:
    return np.asarray(iou_matrix(boxes_N4, others_M4).max(axis=1, initial=0.0))


def _share_inside(boxes_N4: Boxes, regions_K4: Boxes) -> NDArray[np.float64]:
    """Largest share of each box that one region covers."""
    left_top = np.maximum(boxes_N4[:, None, :2], regions_K4[None, :, :2])
    right_bottom = np.minimum(boxes_N4[:, None, 2:], regions_K4[None, :, 2:])
    shared = np.clip(right_bottom - left_top, 0, None).prod(axis=2)
    area = (boxes_N4[:, 2:] - boxes_N4[:, :2]).prod(axis=1)
    return np.asarray((shared / np.maximum(area, 1e-9)[:, None]).max(axis=1, initial=0.0))
