"""A cascade on single windows, decision for decision as `cv2.CascadeClassifier`: what mining and scoring are made of.

Any cascade that OpenCV loads: Haar features upright and tilted, LBP, stumps and trees. A Haar value is a float32, its
products and sums rounded in OpenCV's order; a stage's sum is a float64. LBP windows need no contrast and have no norm.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascades.compiled import compiled, in_slices
from cascades.learning.features import corner_offsets
from cascades.model import CascadeModel
from cascades.scan.layout import flatten, haar_corners, lbp_corners
from pipeline.core.images import Luma

_Into = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]
WINDOWS_AT_ONCE = 4096
"""whose integral images are held at a time"""
MOST_STRIDES = 256
"""widths of images whose offsets are remembered"""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a cascade says of N windows."""

    stages_passed: NDArray[np.int64]
    """stages passed; -1 where the window has too little contrast to be looked at (Haar only)"""
    margins: NDArray[np.float64]
    """sum of the last stage that was run, minus that stage's threshold"""
    totals: NDArray[np.float64]
    """the same added up over all stages that were run"""


class WindowJudge:
    """A cascade laid out flat for the kernels. A model without stages passes all windows (Haar: all with contrast)."""

    def __init__(self, model: CascadeModel) -> None:
        self.model = model
        self.flat = flatten(model)
        self._offsets: dict[tuple[int, int], NDArray[np.uint64]] = {}

    @property
    def complete(self) -> int:
        """How many stages a window must pass."""
        return len(self.flat.ends)

    def windows(self, windows_NHW: NDArray[np.uint8]) -> Verdicts:
        """Verdicts on N windows of the cascade's own size."""
        n, height, width = windows_NHW.shape
        if (width, height) != (self.model.width, self.model.height):
            raise ValueError(f"windows of {width}x{height} for a cascade of {self.model.width}x{self.model.height}")
        verdicts = _blank(n)
        for first in range(0, n, WINDOWS_AT_ONCE):
            part = np.ascontiguousarray(windows_NHW[first : first + WINDOWS_AT_ONCE])
            # one below the other they are a tall image: no rectangle of a window reaches into the next one
            ys = np.arange(len(part), dtype=np.int64) * height
            self._judge(part.reshape(-1, width), np.zeros_like(ys), ys, verdicts, first)
        return verdicts

    def places(self, image_HW: Luma, xs_N: NDArray[np.int64], ys_N: NDArray[np.int64]) -> Verdicts:
        """Verdicts on the windows of one image whose top left corners are given."""
        verdicts = _blank(len(xs_N))
        self._judge(image_HW, xs_N, ys_N, verdicts, 0)
        return verdicts

    def _judge(
        self, image_HW: Luma, xs_N: NDArray[np.int64], ys_N: NDArray[np.int64], verdicts: Verdicts, at: int
    ) -> None:
        if not len(xs_N):
            return
        stride = image_HW.shape[1] + 1
        starts = np.ascontiguousarray(ys_N * stride + xs_N, dtype=np.uint64)
        here = slice(at, at + len(starts))
        into = (verdicts.stages_passed[here], verdicts.margins[here], verdicts.totals[here])
        if self.model.kind == "LBP":
            self._judge_lbp(image_HW, starts, into)
        else:
            self._judge_haar(image_HW, starts, into)

    def _judge_haar(self, image_HW: Luma, starts_N: NDArray[np.uint64], into: _Into) -> None:
        flat, stride = self.flat, image_HW.shape[1] + 1
        sums, squares = _integrals(image_HW, flat.is_tilted)
        inner = np.array([[[1, 1, flat.width - 2, flat.height - 2]]], dtype=np.int64)
        arguments = (
            sums, squares, starts_N, self._corners(stride, squares.size), flat.weights,
            corner_offsets(inner, stride)[0, 0].astype(np.uint64), float((flat.width - 2) * (flat.height - 2)), flat.features,
            flat.cuts, flat.children, flat.leaves, flat.roots, flat.ends, flat.thresholds, *into,
        )  # fmt: skip
        in_slices(lambda first, end: _judge_haar(*arguments, first, end), len(starts_N), 4096)

    def _judge_lbp(self, image_HW: Luma, starts_N: NDArray[np.uint64], into: _Into) -> None:
        import cv2

        flat = self.flat
        sums = np.asarray(cv2.integral(image_HW, sdepth=cv2.CV_32S), dtype=np.int32).ravel()
        arguments = (
            sums, starts_N, self._corners(image_HW.shape[1] + 1, 0), flat.features, flat.subsets,
            flat.children, flat.leaves, flat.roots, flat.ends, flat.thresholds, *into,
        )  # fmt: skip
        in_slices(lambda first, end: _judge_lbp(*arguments, first, end), len(starts_N), 4096)

    def _corners(self, stride: int, tilted_at: int) -> NDArray[np.uint64]:
        """`haar_corners` or `lbp_corners`, made once for all images of a width (with tilted features, of a size)."""
        key = (stride, tilted_at if self.flat.is_tilted else 0)
        corners = self._offsets.get(key)
        if corners is None:
            flat = self.flat
            is_lbp = self.model.kind == "LBP"
            signed = lbp_corners(flat, stride) if is_lbp else haar_corners(flat, stride, tilted_at)
            if len(self._offsets) >= MOST_STRIDES:
                self._offsets.clear()
            # without a sign the kernels need not ask whether an index counts from the end
            corners = self._offsets[key] = signed.astype(np.uint64)
        return corners


def _blank(count: int) -> Verdicts:
    return Verdicts(np.empty(count, dtype=np.int64), np.empty(count), np.empty(count))


def _integrals(image_HW: Luma, tilted: bool) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Flat sums, the tilted ones after the upright ones where asked for, and flat sums of squares."""
    import cv2

    if not tilted:
        sums, squares = cv2.integral2(image_HW, sdepth=cv2.CV_32S, sqdepth=cv2.CV_64F)
        return np.asarray(sums, dtype=np.int32).ravel(), np.asarray(squares, dtype=np.float64).ravel()
    sums, squares, slanted = cv2.integral3(image_HW, sdepth=cv2.CV_32S, sqdepth=cv2.CV_64F)
    both = np.concatenate([np.asarray(sums, dtype=np.int32).ravel(), np.asarray(slanted, dtype=np.int32).ravel()])
    return both, np.asarray(squares, dtype=np.float64).ravel()


@compiled
def _judge_haar(
    sums: NDArray[np.int32],
    squares: NDArray[np.float64],
    starts_N: NDArray[np.uint64],
    corners_F34: NDArray[np.uint64],
    weights_F3: NDArray[np.float32],
    inner_4: NDArray[np.uint64],
    area: float,
    features: NDArray[np.int32],
    cuts: NDArray[np.float32],
    children_2: NDArray[np.int32],
    leaves: NDArray[np.float32],
    roots_T: NDArray[np.int32],
    ends_S: NDArray[np.int64],
    thresholds_S: NDArray[np.float32],
    stages_N: NDArray[np.int64],
    margins_N: NDArray[np.float64],
    totals_N: NDArray[np.float64],
    first: int,
    end: int,
) -> None:
    for n in range(first, end):
        at = starts_N[n]
        a, b, c, d = at + inner_4[0], at + inner_4[1], at + inner_4[2], at + inner_4[3]
        total = float(np.int32(sums[a] - sums[b] - sums[c] + sums[d]))
        nf = area * (squares[a] - squares[b] - squares[c] + squares[d]) - total * total
        norm = np.float32(1.0 / np.sqrt(nf)) if nf > 0.0 else np.float32(0.0)
        stages_N[n], margins_N[n], totals_N[n] = -1, 0.0, 0.0
        if nf <= 0.0 or area * norm >= 0.1:
            continue
        stages_N[n] = 0
        t = 0
        for s in range(ends_S.size):
            score = 0.0
            while t < ends_S[s]:
                node = roots_T[t]
                while node >= 0:
                    f = features[node]
                    value = np.float32(0.0)
                    for r in range(3):
                        if weights_F3[f, r] != 0.0:
                            p = corners_F34[f, r]
                            # np.int32: the integral image may have wrapped round, their difference has not
                            value += weights_F3[f, r] * np.float32(
                                np.int32(sums[at + p[0]] - sums[at + p[1]] - sums[at + p[2]] + sums[at + p[3]])
                            )
                    node = children_2[node, 0] if value * norm < cuts[node] else children_2[node, 1]
                score += leaves[-1 - node]
                t += 1
            margins_N[n] = score - thresholds_S[s]
            totals_N[n] += margins_N[n]
            if score < thresholds_S[s]:
                break
            stages_N[n] = s + 1


@compiled
def _judge_lbp(
    sums: NDArray[np.int32],
    starts_N: NDArray[np.uint64],
    corners_F16: NDArray[np.uint64],
    features: NDArray[np.int32],
    subsets_8: NDArray[np.int32],
    children_2: NDArray[np.int32],
    leaves: NDArray[np.float32],
    roots_T: NDArray[np.int32],
    ends_S: NDArray[np.int64],
    thresholds_S: NDArray[np.float32],
    stages_N: NDArray[np.int64],
    margins_N: NDArray[np.float64],
    totals_N: NDArray[np.float64],
    first: int,
    end: int,
) -> None:
    for n in range(first, end):
        at = starts_N[n]
        stages_N[n], margins_N[n], totals_N[n] = 0, 0.0, 0.0
        t = 0
        for s in range(ends_S.size):
            score = 0.0
            while t < ends_S[s]:
                node = roots_T[t]
                while node >= 0:
                    code = _lbp_code(sums, at, corners_F16[features[node]])
                    left = (subsets_8[node, code >> 5] >> (code & 31)) & 1
                    node = children_2[node, 0] if left else children_2[node, 1]
                score += leaves[-1 - node]
                t += 1
            margins_N[n] = score - thresholds_S[s]
            totals_N[n] += margins_N[n]
            if score < thresholds_S[s]:
                break
            stages_N[n] = s + 1


@compiled
def _lbp_code(sums: NDArray[np.int32], at: np.uint64, p: NDArray[np.uint64]) -> int:
    """Which of the eight outer blocks are at least as bright as the middle one, clockwise from the top left, 128 first."""
    c0, c1, c2, c3 = sums[at + p[0]], sums[at + p[1]], sums[at + p[2]], sums[at + p[3]]
    c4, c5, c6, c7 = sums[at + p[4]], sums[at + p[5]], sums[at + p[6]], sums[at + p[7]]
    c8, c9, c10, c11 = sums[at + p[8]], sums[at + p[9]], sums[at + p[10]], sums[at + p[11]]
    c12, c13, c14, c15 = sums[at + p[12]], sums[at + p[13]], sums[at + p[14]], sums[at + p[15]]
    middle = np.int32(c5 - c6 - c9 + c10)
    return (
        (128 if np.int32(c0 - c1 - c4 + c5) >= middle else 0)
        | (64 if np.int32(c1 - c2 - c5 + c6) >= middle else 0)
        | (32 if np.int32(c2 - c3 - c6 + c7) >= middle else 0)
        | (16 if np.int32(c6 - c7 - c10 + c11) >= middle else 0)
        | (8 if np.int32(c10 - c11 - c14 + c15) >= middle else 0)
        | (4 if np.int32(c9 - c10 - c13 + c14) >= middle else 0)
        | (2 if np.int32(c8 - c9 - c12 + c13) >= middle else 0)
        | (1 if np.int32(c4 - c5 - c8 + c9) >= middle else 0)
    )
