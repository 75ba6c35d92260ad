"""A cascade on single windows, decision for decision as `cv2.CascadeClassifier`: what mining and scoring are made of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascades.compiled import compiled, in_slices
from cascades.features import corner_offsets
from cascades.model import THRESHOLD_SLACK, CascadeModel, HaarFeature
from pipeline.core.errors import CascadeError
from pipeline.core.images import Luma


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a cascade says of N windows."""

    stages_passed: NDArray[np.int64]
    """stages passed; -1 where the window has too little contrast to be looked at"""
    margins: NDArray[np.float64]
    """sum of the last stage that was run, minus that stage's threshold"""
    totals: NDArray[np.float64]
    """the same added up over all stages that were run"""


class WindowJudge:
    """A cascade of upright Haar stumps, laid out flat for the kernel. A model without stages passes all with contrast.

    Raises:
        CascadeError: the model has tilted features, trees deeper than a stump, or is no Haar cascade.
    """

    def __init__(self, model: CascadeModel) -> None:
        if model.kind != "HAAR" or not model.is_upright_stumps:
            raise CascadeError("only upright Haar cascades of stumps are evaluated here; OpenCV itself runs the others")
        self.model = model
        self.rects_F34 = np.zeros((len(model.features), 3, 4), dtype=np.int64)
        self.weights_F3 = np.zeros((len(model.features), 3), dtype=np.float32)
        for i, feature in enumerate(model.features):
            assert isinstance(feature, HaarFeature)
            for j, r in enumerate(feature.rects):
                self.rects_F34[i, j] = r.x, r.y, r.width, r.height
                self.weights_F3[i, j] = r.weight
        trees = [tree for stage in model.stages for tree in stage.trees]
        self.features_T = np.array([t.nodes[0].feature for t in trees], dtype=np.int64)
        self.cuts_T = np.array([t.nodes[0].threshold for t in trees], dtype=np.float32)
        self.leaves_T2 = np.array(
            [(t.leaves[-t.nodes[0].left], t.leaves[-t.nodes[0].right]) for t in trees], dtype=np.float32
        ).reshape(-1, 2)
        self.ends_S = np.cumsum([len(s.trees) for s in model.stages], dtype=np.int64)
        self.thresholds_S = np.array([s.threshold for s in model.stages], dtype=np.float32) - THRESHOLD_SLACK

    @property
    def complete(self) -> int:
        """How many stages a window must pass."""
        return len(self.ends_S)

    def windows(self, windows_NHW: NDArray[np.uint8]) -> Verdicts:
        """Verdicts on N windows of the cascade's own size."""
        n, height, width = windows_NHW.shape
        if (width, height) != (self.model.width, self.model.height):
            raise ValueError(f"windows of {width}x{height} for a cascade of {self.model.width}x{self.model.height}")
        sums = np.zeros((n, height + 1, width + 1), dtype=np.int64)
        squares = np.zeros((n, height + 1, width + 1))
        grey = windows_NHW.astype(np.int64)
        sums[:, 1:, 1:] = grey.cumsum(axis=1).cumsum(axis=2)
        squares[:, 1:, 1:] = (grey * grey).cumsum(axis=1).cumsum(axis=2)
        starts_N = np.arange(n, dtype=np.int64) * (height + 1) * (width + 1)
        return self._judge(sums.ravel(), squares.ravel(), starts_N, width + 1)

    def places(self, image_HW: Luma, xs_N: NDArray[np.int64], ys_N: NDArray[np.int64]) -> Verdicts:
        """Verdicts on the windows of one image whose top left corners are given."""
        import cv2

        sums, squares = cv2.integral2(image_HW, sdepth=cv2.CV_32S, sqdepth=cv2.CV_64F)
        stride = image_HW.shape[1] + 1
        return self._judge(
            np.asarray(sums, dtype=np.int32).ravel(),
            np.asarray(squares, dtype=np.float64).ravel(),
            ys_N * stride + xs_N,
            stride,
        )

    def _judge(
        self,
        sums: NDArray[np.int32] | NDArray[np.int64],
        squares: NDArray[np.float64],
        starts_N: NDArray[np.int64],
        stride: int,
    ) -> Verdicts:
        corners_F34 = corner_offsets(self.rects_F34, stride)
        inner = np.array([[[1, 1, self.model.width - 2, self.model.height - 2]]], dtype=np.int64)
        inner_4 = corner_offsets(inner, stride)[0, 0]
        area = float((self.model.width - 2) * (self.model.height - 2))
        verdicts = Verdicts(np.empty(len(starts_N), dtype=np.int64), np.empty(len(starts_N)), np.empty(len(starts_N)))
        arguments = (
            sums, squares, starts_N, corners_F34, self.weights_F3, inner_4, area, self.features_T, self.cuts_T,
            self.leaves_T2, self.ends_S, self.thresholds_S, verdicts.stages_passed, verdicts.margins, verdicts.totals,
        )  # fmt: skip
        in_slices(lambda first, end: _judge_windows(*arguments, first, end), len(starts_N), 4096)
        return verdicts


@compiled
def _judge_windows(
    sums: NDArray[np.int32] | NDArray[np.int64],
    squares: NDArray[np.float64],
    starts_N: NDArray[np.int64],
    corners_F34: NDArray[np.int64],
    weights_F3: NDArray[np.float32],
    inner_4: NDArray[np.int64],
    area: float,
    features_T: NDArray[np.int64],
    cuts_T: NDArray[np.float32],
    leaves_T2: NDArray[np.float32],
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
        total = float(sums[a]) - sums[b] - sums[c] + sums[d]
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
                f = features_T[t]
                value = np.float32(0.0)
                for r in range(3):
                    if weights_F3[f, r] != 0.0:
                        p = corners_F34[f, r]
                        value += weights_F3[f, r] * np.float32(
                            sums[at + p[0]] - sums[at + p[1]] - sums[at + p[2]] + sums[at + p[3]]
                        )
                score += leaves_T2[t, 0] if value * norm < cuts_T[t] else leaves_T2[t, 1]
                t += 1
            margins_N[n] = score - thresholds_S[s]
            totals_N[n] += margins_N[n]
            if score < thresholds_S[s]:
                break
            stages_N[n] = s + 1
