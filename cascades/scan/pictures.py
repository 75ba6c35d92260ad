"""The sizes of one image that a search asks for, made once for all cascades and only when asked for."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cascades.scan.pyramid import Integrals, Level, in_steps, integrate
from cascades.scan.sums import fill_norms_apart
from pipeline.core.images import Luma

if TYPE_CHECKING:
    from cascades.scan.machine import Machine

_Size = tuple[int, int]


class Pictures:
    """Integral images of an image's sizes, and the contrast of their windows.

    Args:
        image_HW: the image.
        tilted: whether a cascade has tilted features.
        haar: whether a cascade has Haar features.
    """

    def __init__(self, image_HW: Luma, tilted: bool, haar: bool) -> None:
        self.image, self.tilted, self.haar = image_HW, tilted, haar
        self._plain: dict[_Size, Integrals] = {}
        self._ordered: dict[tuple[_Size, int], Integrals] = {}
        self._norms: dict[tuple[_Size, int, _Size], NDArray[np.float32]] = {}

    def plain(self, level: Level) -> Integrals:
        """Of a level, row by row."""
        size = (level.width, level.height)
        if size not in self._plain:
            self._plain[size] = integrate(shrunk(self.image, *size), 1, self.tilted, self.haar)
        return self._plain[size]

    def in_steps(self, level: Level, step: int) -> Integrals:
        """Of a level, every `step`th pixel side by side; sums only."""
        key = ((level.width, level.height), step)
        if key not in self._ordered:
            self._ordered[key] = in_steps(self.plain(level), step, False)
        return self._ordered[key]

    def norms(self, machine: "Machine", level: Level, step: int) -> NDArray[np.float32]:
        """1 / sqrt(nf) of every `step`th window; LBP: nothing."""
        if machine.model.kind == "LBP":
            return np.zeros(0, dtype=np.float32)
        # cascades may look at one row more or less of the same size
        size = (-(-(level.width + 1 - machine.flat.width) // step), -(-(level.height + 1 - machine.flat.height) // step))
        key = ((level.width, level.height), step, (machine.flat.width, machine.flat.height))
        if key not in self._norms:
            plain, stride = self.plain(level), self.in_steps(level, step).stride
            norms = np.empty(size[1] * stride, dtype=np.float32)
            inner = machine.on(plain).inner_4
            fill_norms_apart(
                plain.sums, plain.squares, inner, machine.area, machine.least_contrast, step,
                (plain.stride, stride), size, norms,
            )  # fmt: skip
            self._norms[key] = norms
        return self._norms[key]


def shrunk(image_HW: Luma, width: int, height: int) -> Luma:
    """An image in another size, pixel for pixel as OpenCV's cascades shrink it."""
    if image_HW.shape == (height, width):
        return image_HW
    import cv2

    return np.asarray(cv2.resize(image_HW, (width, height), interpolation=cv2.INTER_LINEAR_EXACT), dtype=np.uint8)
