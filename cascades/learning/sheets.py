"""The windows of a picture at all sizes, laid out so that many are judged in one call.

A picture's shrunk versions are packed side by side on sheets of bounded area: one integral image serves all sizes, and
memory does not grow with the picture. The windows of a sheet are numbered, and taken in a random order that is a formula.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascades.apply import WindowJudge
from cascades.compiled import compiled
from cascades.scan.machine import Machine
from cascades.scan.search import passing
from pipeline.core.images import Luma

_Passing = tuple[Luma, NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8], NDArray[np.float64]]
FINE_SCALE = 2.0
"""from here on OpenCV looks at every pixel of the shrunk image, below at every second one in each direction"""
SHEET_PIXELS = 1 << 19
"""at most, but for a picture so wide that one row of windows is more"""
DENSE_SHARE = 3
"""looking at all windows of a sheet side by side costs about as much as at one in this many, one by one"""
MOST_BANDS = 255
"""on a sheet: a band's number is one byte"""


@dataclass(frozen=True, slots=True)
class Scene:
    """An image to take negatives from."""

    image: Luma
    keep_out: NDArray[np.float64]
    """left, top, right, bottom: a window that touches one of these is no negative"""
    faces: NDArray[np.float64] | None = None
    """the same for labelled faces: how much a window may overlap one is the miner's to say; None for no face"""
    name: str = ""
    """of the file or frame, for messages"""
    labelled: bool = True
    """whether somebody said where the faces are, or that there is none; False where there may be some"""


@dataclass(frozen=True, slots=True)
class Look:
    """What a cascade says of some windows of a sheet."""

    seen: int
    """windows looked at"""
    windows: NDArray[np.uint8]
    """(K, H, W): those that pass"""
    boxes: NDArray[np.float64]
    """(K, 4): where they lie in the picture: left, top, right, bottom, pixels"""
    totals: NDArray[np.float64]
    """(K,): what their sums exceed the thresholds by, over all stages"""


@dataclass(frozen=True, slots=True)
class _Band:
    """Rows of windows of one shrunk version, and where its pixels lie on the sheet."""

    width: int
    """of the shrunk picture, pixels"""
    height: int
    """of the shrunk picture, pixels"""
    step: int
    """from one window to the next, pixels"""
    top: int
    """of its first row of pixels in the shrunk picture"""
    rows: int
    """of windows"""
    columns: int
    """of windows"""
    x: int
    y: int

    def pixel_rows(self, window_height: int) -> int:
        return (self.rows - 1) * self.step + window_height


class Sheet:
    """A part of a picture's windows."""

    def __init__(self, scene: Scene, bands: list[_Band], window: tuple[int, int], random: np.random.Generator) -> None:
        self.scene, self.bands = scene, bands
        self.window_width, self.window_height = window
        counts = [band.rows * band.columns for band in bands]
        self.ends = np.cumsum(counts, dtype=np.int64)
        self.total = int(self.ends[-1])
        self._extent = (
            max(band.y + band.pixel_rows(self.window_height) for band in bands),
            max(band.x + band.width for band in bands),
        )
        self._table = np.array([(b.columns, b.step, b.x, b.y) for b in bands], dtype=np.int64)
        self.is_kept = False
        """whether its pixels stay in memory until all its windows were looked at"""
        self._kept: Luma | None = None
        self.done = 0
        self.start = int(random.integers(self.total))
        self.stride = coprime(int(random.integers(self.total)), self.total) % self.total
        self.inverse = pow(self.stride, -1, self.total) if self.total > 1 else 0
        """undoes the stride"""

    @property
    def left(self) -> int:
        """How many windows were not looked at yet."""
        return self.total - self.done

    def look(
        self, judge: WindowJudge, first: int, end: int, most_overlap: float, machine: Machine | None = None
    ) -> Look:
        """Looks at the windows from the `first` to before the `end` in the sheet's order.

        Windows on keep-out boxes, and those that overlap a face by more than `most_overlap` (intersection over union;
        0 for any touch), neither count nor come back. With `machine`, the same cascade, large looks are quicker.
        """
        is_dense = machine is not None and DENSE_SHARE * (end - first) >= self.total
        pixels, xs, ys, bands, totals = (
            self._scan(machine, first, end) if machine and is_dense else self._judge(judge, first, end)
        )
        if end == self.total:
            self._kept = None
        boxes = self._boxes(xs, ys, bands)
        allowed = ~_touches(boxes, self.scene.keep_out)
        if self.scene.faces is not None:
            allowed &= ~_overlaps(boxes, self.scene.faces, most_overlap)
        rows, columns = np.arange(self.window_height), np.arange(self.window_width)
        windows = pixels[ys[allowed, None, None] + rows[:, None], xs[allowed, None, None] + columns]
        return Look(end - first - int((~allowed).sum()), windows, boxes[allowed], totals[allowed])

    def _judge(self, judge: WindowJudge, first: int, end: int) -> _Passing:
        """One window after another: the sheet, and of those that pass x and y on it, the band, and the total."""
        xs, ys, bands = self._where(first, end)
        pixels = self._draw(np.flatnonzero(np.bincount(bands, minlength=len(self.bands))))
        verdicts = judge.places(pixels, xs, ys)
        passing = np.flatnonzero(verdicts.stages_passed == judge.complete)
        return pixels, xs[passing], ys[passing], bands[passing], verdicts.totals[passing]

    def _scan(self, machine: Machine, first: int, end: int) -> _Passing:
        """All windows of the sheet, side by side, of which only those asked for are given: the same as `_judge`."""
        pixels = self._draw(np.arange(len(self.bands)))
        found = []
        for number, band in enumerate(self.bands):
            height = band.pixel_rows(self.window_height)
            here = np.ascontiguousarray(pixels[band.y : band.y + height, band.x : band.x + band.width])
            passed = passing(machine, here, band.step)
            begin = self.ends[number] - band.rows * band.columns
            place = (begin + passed.rows * band.columns + passed.columns - self.start) * self.inverse % self.total
            asked = passed.only((place >= first) & (place < end))
            xs, ys = band.x + asked.columns * band.step, band.y + asked.rows * band.step
            found.append((xs, ys, np.full(len(xs), number, dtype=np.uint8), asked.totals))
        xs, ys, bands, totals = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return pixels, xs, ys, bands, totals

    def _where(self, first: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
        """Of each window x and y on the sheet, and its band; from the first band to the last, row by row."""
        places = np.empty(end - first, dtype=np.int64)
        _fill_places(places, first, self.stride, self.start, self.total)
        places.sort()
        xs, ys, bands = np.empty_like(places), np.empty_like(places), np.empty(len(places), dtype=np.uint8)
        _locate(places, self.ends, self._table, xs, ys, bands)
        return xs, ys, bands

    @property
    def area(self) -> int:
        """Pixels of the sheet, unused corners too."""
        return self._extent[0] * self._extent[1]

    def _draw(self, bands: NDArray[np.int64]) -> Luma:
        """The sheet with these bands on it, the rest black; with all, when it is kept for the next look."""
        if self._kept is not None:
            return self._kept
        sheet = np.zeros(self._extent, dtype=np.uint8)
        for band in self.bands if self.is_kept else [self.bands[i] for i in bands]:
            rows = band.pixel_rows(self.window_height)
            shrunk = shrink(self.scene.image, band.width, band.height)
            sheet[band.y : band.y + rows, band.x : band.x + band.width] = shrunk[band.top : band.top + rows]
        if self.is_kept:
            self._kept = sheet
        return sheet

    def _boxes(self, xs: NDArray[np.int64], ys: NDArray[np.int64], bands: NDArray[np.uint8]) -> NDArray[np.float64]:
        height, width = self.scene.image.shape
        left = xs - np.array([b.x for b in self.bands], dtype=np.int64)[bands]
        top = ys - np.array([b.y - b.top for b in self.bands], dtype=np.int64)[bands]
        across = (width / np.array([b.width for b in self.bands]))[bands]
        down = (height / np.array([b.height for b in self.bands]))[bands]
        right, bottom = left + self.window_width, top + self.window_height
        return np.stack([left * across, top * down, right * across, bottom * down], axis=1)


def sheets_of(
    scene: Scene, window: tuple[int, int], scale_factor: float, smallest_px: int, random: np.random.Generator
) -> list[Sheet]:
    """All windows of `window` (width, height) that the detector looks at in a picture, on as few sheets as they fit."""
    sheets: list[Sheet] = []
    page: list[_Band] = []
    area = 0
    for band in _bands(scene.image.shape, window, scale_factor, smallest_px):
        pixels = band.width * band.pixel_rows(window[1])
        if page and (area + pixels > SHEET_PIXELS or len(page) == MOST_BANDS):
            sheets.append(Sheet(scene, _packed(page, window[1]), window, random))
            page, area = [], 0
        page.append(band)
        area += pixels
    if page:
        sheets.append(Sheet(scene, _packed(page, window[1]), window, random))
    return sheets


def shrink(image_HW: Luma, width: int, height: int) -> Luma:
    """The image at another size, by the interpolation that `detectMultiScale` uses."""
    import cv2

    if image_HW.shape == (height, width):
        return image_HW
    return np.asarray(cv2.resize(image_HW, (width, height), interpolation=cv2.INTER_LINEAR_EXACT), dtype=np.uint8)


def coprime(start: int, total: int) -> int:
    """The first number from `start` on that shares no divisor with `total`."""
    number = max(start, 1)
    while math.gcd(number, max(total, 1)) != 1:
        number += 1
    return number


def _bands(shape: tuple[int, ...], window: tuple[int, int], scale_factor: float, smallest_px: int) -> list[_Band]:
    """From the largest shrunk picture to the last that still holds a window, each cut where it is more than a sheet."""
    bands: list[_Band] = []
    scale = max(1.0, smallest_px / window[0])
    while (width := round(shape[1] / scale)) >= window[0] and (height := round(shape[0] / scale)) >= window[1]:
        step = 2 if scale < FINE_SCALE else 1
        columns, rows = (width - window[0]) // step + 1, (height - window[1]) // step + 1
        most = max(1, (SHEET_PIXELS // width - window[1]) // step + 1)
        for first in range(0, rows, most):
            bands.append(_Band(width, height, step, first * step, min(most, rows - first), columns, 0, 0))
        scale *= scale_factor
    return bands


def _packed(bands: list[_Band], window_height: int) -> list[_Band]:
    """The bands side by side on shelves as wide as the widest."""
    widest = max(band.width for band in bands)
    placed: list[_Band] = []
    x = y = shelf = 0
    for band in sorted(bands, key=lambda b: (-b.pixel_rows(window_height), -b.width)):
        if x + band.width > widest:
            x, y, shelf = 0, y + shelf, 0
        placed.append(_Band(band.width, band.height, band.step, band.top, band.rows, band.columns, x, y))
        x, shelf = x + band.width, max(shelf, band.pixel_rows(window_height))
    return placed


def _touches(boxes_N4: NDArray[np.float64], others_M4: NDArray[np.float64]) -> NDArray[np.bool_]:
    left, top, right, bottom = (boxes_N4[:, i, None] for i in range(4))
    apart = (left >= others_M4[:, 2]) | (right <= others_M4[:, 0]) | (top >= others_M4[:, 3])
    return np.asarray(~(apart | (bottom <= others_M4[:, 1])).all(axis=1))


def _overlaps(boxes_N4: NDArray[np.float64], faces_M4: NDArray[np.float64], most: float) -> NDArray[np.bool_]:
    """Whether a box shares more than `most` with a face: intersection over union; with `most` 0, whether it touches one at all."""
    if most <= 0 or not len(faces_M4):
        return _touches(boxes_N4, faces_M4)
    low = np.maximum(boxes_N4[:, None, :2], faces_M4[None, :, :2])
    high = np.minimum(boxes_N4[:, None, 2:], faces_M4[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = (boxes_N4[:, 2:] - boxes_N4[:, :2]).prod(axis=1)
    faces = (faces_M4[:, 2:] - faces_M4[:, :2]).prod(axis=1)
    union = areas[:, None] + faces[None] - shared
    return np.asarray((shared > most * union).any(axis=1))


@compiled
def _fill_places(places_N: NDArray[np.int64], first: int, stride: int, start: int, total: int) -> None:
    place = (first * stride + start) % total
    for n in range(places_N.size):
        places_N[n] = place
        place += stride
        if place >= total:
            place -= total


@compiled
def _locate(
    places_N: NDArray[np.int64],
    ends_B: NDArray[np.int64],
    table_B4: NDArray[np.int64],
    xs_N: NDArray[np.int64],
    ys_N: NDArray[np.int64],
    bands_N: NDArray[np.uint8],
) -> None:
    """Of ascending window numbers: x and y on the sheet and the band."""
    b, begin = 0, 0
    for n in range(places_N.size):
        while places_N[n] >= ends_B[b]:
            begin = ends_B[b]
            b += 1
        number = places_N[n] - begin
        row = number // table_B4[b, 0]
        xs_N[n] = table_B4[b, 2] + (number - row * table_B4[b, 0]) * table_B4[b, 1]
        ys_N[n] = table_B4[b, 3] + row * table_B4[b, 1]
        bands_N[n] = b
