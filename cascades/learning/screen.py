"""Which Haar features are worth a closer look: all of them ranked at the cost of a few.

A value is linear in the integral image over the norm, so its weighted covariance with the answers is, for every feature
at once, a few look-ups in one integral image: the weighted sum of all samples' (after Pham & Cham 2007, who take means
and variances so). The covariance squared over the variance is what a linear fit takes off the squared error, and the
best stumps are among the features where that is largest. Variances are taken at the start of each stage, on a part of the samples.
"""

import numpy as np
from numpy.typing import NDArray

from cascades.compiled import compiled, in_slices
from cascades.learning.features import SampleTable
from cascades.learning.haar import HaarTable, variances_of

VARIANCE_SAMPLES = 256
"""samples that the variances are taken on, half of them positives"""


class Screen:
    """Ranks the features of a table on the samples of one stage."""

    def __init__(self, table: HaarTable, count: int) -> None:
        """`count` features are chosen of those in the table."""
        self.corners_F34, self.weights_F3 = table.corners()
        self.count = min(count, len(table))
        self.scales_F = np.ones(len(table), dtype=np.float32)

    def take_variances(self, samples: SampleTable, positives: int) -> None:
        """At the start of a stage, of its samples."""
        half = VARIANCE_SAMPLES // 2
        sides = (np.arange(positives), np.arange(positives, len(samples)))
        chosen = np.concatenate([side[:: max(len(side) // half, 1)][:half] for side in sides])
        variances_F = variances_of(self.corners_F34, self.weights_F3, samples.select(chosen))
        self.scales_F[:] = 0
        np.divide(1, variances_F, out=self.scales_F, where=variances_F > 0)

    def best(self, samples: SampleTable, weights_N: NDArray[np.float64], positives: int) -> NDArray[np.int64]:
        """Rows of the table, ascending: the features that part the weighted samples best, by a linear fit."""
        answers_N = np.where(np.arange(len(samples)) < positives, 1.0, -1.0)
        pulls_N = weights_N * (answers_N - weights_N @ answers_N / weights_N.sum()) * samples.inverse_norms
        image_P, scores_F = np.empty(len(samples.sums)), np.empty(len(self.scales_F))
        in_slices(lambda a, b: _sum_images(samples.sums, pulls_N, image_P, a, b), len(image_P), 64)
        arguments = (self.corners_F34, self.weights_F3, self.scales_F, image_P, scores_F)
        in_slices(lambda a, b: _fill_scores(*arguments, a, b), len(scores_F), 1024)
        return np.sort(np.argpartition(scores_F, -self.count)[-self.count :])


@compiled
def _sum_images(
    sums_PN: NDArray[np.float32], pulls_N: NDArray[np.float64], image_P: NDArray[np.float64], first: int, end: int
) -> None:
    """Eight running sums, so that the order of additions is fixed and still fills vector registers."""
    count = sums_PN.shape[1]
    running = np.empty(8)
    for p in range(first, end):
        row = sums_PN[p]
        running[:] = 0.0
        for i in range(0, count - 7, 8):
            for k in range(8):
                running[k] += row[i + k] * pulls_N[i + k]
        total = 0.0
        for i in range(count // 8 * 8, count):
            total += row[i] * pulls_N[i]
        for k in range(8):
            total += running[k]
        image_P[p] = total


@compiled
def _fill_scores(
    corners_F34: NDArray[np.int16],
    weights_F3: NDArray[np.float32],
    scales_F: NDArray[np.float32],
    image_P: NDArray[np.float64],
    scores_F: NDArray[np.float64],
    first: int,
    end: int,
) -> None:
    for f in range(first, end):
        covariance = 0.0
        for r in range(3):
            weight = weights_F3[f, r]
            if weight != 0:
                a, b = np.uint64(corners_F34[f, r, 0]), np.uint64(corners_F34[f, r, 1])
                c, d = np.uint64(corners_F34[f, r, 2]), np.uint64(corners_F34[f, r, 3])
                covariance += weight * (image_P[a] - image_P[b] - image_P[c] + image_P[d])
        scores_F[f] = covariance * covariance * scales_F[f]
