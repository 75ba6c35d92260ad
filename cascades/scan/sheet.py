"""Parts of shrunk pictures below one another on one sheet, so that one call makes or searches the integral images of all.

A patch is a rectangle of a shrunk picture; a row of numbers of its integral image lies on the sheet sorted by the
remainder of the column by the step, rows that share a row of windows side by side. So the corners of neighbouring
windows are neighbours in memory, and where they lie from a window's place depends on the sheet's width alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascades.scan.bits import LANES
from cascades.scan.room import room
from cascades.scan.shrink import shrink, taps
from cascades.scan.sums import fill_integrals
from pipeline.core.images import Luma

SHEET_PIXELS = 1 << 17
"""a sheet ends after so many, so that its integral images stay in the processor's cache; a patch is never cut"""


@dataclass(frozen=True, slots=True)
class Patch:
    """A rectangle of a picture shrunk to `width` x `height`; all in pixels of the shrunk picture."""

    width: int
    height: int
    step: int
    """from one window to the next"""
    x: int
    y: int
    columns: int
    rows: int
    number: int = 0
    """of the level: small factors give several of one size"""

    def windows(self, window: tuple[int, int]) -> tuple[int, int]:
        """How many windows of a width and height lie on it, side by side and below one another."""
        return (self.columns - window[0]) // self.step + 1, (self.rows - window[1]) // self.step + 1


class Layout:
    """Where patches of one step lie on a sheet; holds nothing of a picture."""

    def __init__(self, patches: Sequence[Patch], picture: tuple[int, int], tilted: bool, squared: bool) -> None:
        self.patches, self.picture, self.tilted, self.squared = tuple(patches), picture, tilted, squared
        self.step = patches[0].step
        self.plane = -(-(max(p.columns for p in patches) // self.step + 1) // LANES) * LANES
        """numbers of a sorted row, and norms of a row of windows"""
        self.planes = self.step * self.step * (2 if tilted else 1)
        self.stride = self.plane * self.planes
        """sums from one row of windows to the next"""
        self.square_stride = self.plane * self.step * self.step
        ends = np.cumsum([p.rows // self.step + 1 for p in patches])
        self.rows = int(ends[-1])
        """of windows, and of what their last ones reach into"""
        self.tops = np.append(0, ends[:-1])
        """rows of the sheet above each patch"""
        across = [taps(picture[0], p.width)[:, p.x : p.x + p.columns] for p in patches]
        down = [taps(picture[1], p.height)[:, p.y : p.y + p.rows] for p in patches]
        self.across, self.down = np.concatenate(across, axis=1), np.concatenate(down, axis=1)
        sides = np.array([(p.columns, p.rows) for p in patches])
        firsts = np.cumsum(sides, axis=0) - sides
        self.table = np.stack(
            [
                firsts[:, 0],
                sides[:, 0],
                firsts[:, 1],
                sides[:, 1],
                self.tops * self.stride,
                self.tops * self.square_stride,
            ],
            axis=1,
        )

    @property
    def key(self) -> tuple[int, int, bool]:
        """The same for layouts on which corners lie alike."""
        return self.plane, self.step, self.tilted

    def offsets(self, across: NDArray[np.int64], down: NDArray[np.int64], squares: bool = False) -> NDArray[np.int64]:
        """Where the corner that many pixels right of and below a window's top left one lies, from the window's place."""
        stride = self.square_stride if squares else self.stride
        part = (down % self.step) * self.step + across % self.step
        return down // self.step * stride + part * self.plane + across // self.step

    @property
    def tilted_at(self) -> int:
        """How far behind a number of the upright integral image that of the tilted one lies."""
        return self.square_stride if self.tilted else 0

    def windows(self, window: tuple[int, int]) -> NDArray[np.int64]:
        """(P, 5): place of each patch's first window among sums, squares and norms, columns and rows of windows."""
        places = self.tops[:, None] * [self.stride, self.square_stride, self.plane]
        return np.concatenate([places, [p.windows(window) for p in self.patches]], axis=1)

    def integrals(self, image_HW: Luma) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Sums, and squares modulo 2^32, of a picture's patches; squares are empty where not asked for.

        They lie in the thread's `room`: until its next sheet.
        """
        # blocks of windows reach beyond the end
        sums = room("sums", self.rows * self.stride + 2 * LANES, np.int32)
        squares = room("squares", self.rows * self.square_stride if self.squared else 0, np.int32)
        width, height = self.picture
        rows = np.empty((3, max(width, max(p.columns for p in self.patches)) + 1), dtype=np.int32)
        fill_integrals(
            np.ascontiguousarray(image_HW).ravel(), width, height, self.across, self.down, self.table, self.step,
            self.plane, self.planes, rows, sums, squares,
        )  # fmt: skip
        if self.tilted:
            self._tilt(image_HW, sums)
        return sums, squares

    def _tilt(self, image_HW: Luma, sums: NDArray[np.int32]) -> None:
        """Fills in the tilted integral images."""
        import cv2

        for patch, top in zip(self.patches, self.tops.tolist(), strict=True):
            columns, rows = (patch.x, patch.x + patch.columns), (patch.y, patch.y + patch.rows)
            pixels = shrink(image_HW, (patch.width, patch.height), columns, rows)
            tilted = cv2.integral3(pixels, sdepth=cv2.CV_32S, sqdepth=cv2.CV_32S)[2]
            for y in range(self.step):
                for x in range(self.step):
                    part = tilted[y :: self.step, x :: self.step]
                    first = top * self.stride + self.tilted_at + (y * self.step + x) * self.plane
                    into = sums[first : first + (len(part) - 1) * self.stride + part.shape[1]]
                    rows_of = np.lib.stride_tricks.as_strided(into, part.shape, (4 * self.stride, 4))
                    rows_of[:] = part


def layouts_of(patches: Sequence[Patch], picture: tuple[int, int], tilted: bool, squared: bool) -> list[Layout]:
    """The patches on as few sheets as they fit, each of one step."""
    layouts: list[Layout] = []
    page: list[Patch] = []
    area = 0
    for patch in sorted(patches, key=lambda p: (p.step, -p.columns, -p.rows, p.number, p.x, p.y)):
        pixels = patch.columns * patch.rows
        if page and (area + pixels > SHEET_PIXELS or page[0].step != patch.step):
            layouts.append(Layout(page, picture, tilted, squared))
            page, area = [], 0
        page.append(patch)
        area += pixels
    return [*layouts, Layout(page, picture, tilted, squared)] if page else layouts
