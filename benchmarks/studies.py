"""How often the paired test of `compare` cries wolf and how often it finds what is there, beside simpler tests; its cost.

    python -m benchmarks.studies [--repeats 400]

Two recipes are simulated whose predictions are right together within a shot (crops of a shot are nearly one picture) and
whose trainings are luckier or less so. Peers: McNemar's test on the single crops of one seed each (exact binomial; the
usual one), Welch's t over the seeds alone, swapping shots alone. Wanted: 5 % or fewer where the two are alike.
CPU: user + system; ours beside scipy.stats.permutation_test with as many swaps of the same figure.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from train.studies.cartoonify import METHODS, cartoonified
from train.studies.statistics import FLIPS, accuracy_of, counts_by_shot, paired_test

SHOTS, EACH, CLASSES = 40, 5, 4
TASTE = 0.15
"""how differently good a recipe is on different shots, whatever the seed: what makes it win on one test set by luck"""
SCENES = (
    # seeds, luck of training, gap
    (5, 0.0, 0.0), (5, 0.05, 0.0), (5, 0.1, 0.0), (3, 0.05, 0.0), (2, 0.05, 0.0), (1, 0.0, 0.0), (1, 0.05, 0.0),
    (5, 0.02, 0.1), (5, 0.05, 0.1), (5, 0.05, 0.2), (3, 0.05, 0.2),
)  # fmt: skip
TESTS = ("ours", "shots alone", "seeds alone", "McNemar")


def simulated(draw: np.random.Generator, chance: float, seeds: int, luck: float, hard_K: NDArray[np.float64],
              truth_N: NDArray[np.int64]) -> NDArray[np.int64]:  # fmt: skip
    """(R, N) predictions of a recipe."""
    shot_N = np.arange(SHOTS).repeat(EACH)
    taste_K = draw.normal(0, TASTE, SHOTS)
    chances_RK = chance + draw.normal(0, luck, (seeds, 1)) + hard_K + taste_K + draw.normal(0, 0.1, (seeds, SHOTS))
    right_RN = draw.random((seeds, SHOTS * EACH)) < chances_RK[:, shot_N]
    return np.where(right_RN, truth_N, (truth_N + draw.integers(1, CLASSES, right_RN.shape)) % CLASSES)


def p_values(draw: np.random.Generator, seeds: int, luck: float, gap: float) -> tuple[float, ...]:
    """One simulated pair under each of TESTS."""
    truth_N, hard_K = draw.integers(CLASSES, size=SHOTS * EACH), draw.normal(0, 0.2, SHOTS)
    shot_N = np.arange(SHOTS).repeat(EACH)
    one, other = (simulated(draw, 0.55 + more, seeds, luck, hard_K, truth_N) for more in (gap, 0.0))
    ours = paired_test(*(counts_by_shot(truth_N, side, shot_N, CLASSES) for side in (one, other)), "macro_f1")
    first, second = one[0] == truth_N, other[0] == truth_N
    only = int((first & ~second).sum()), int((second & ~first).sum())
    mcnemar = stats.binomtest(only[0], sum(only)).pvalue if sum(only) else 1.0
    return ours.p, ours.p_shots, 1.0 if ours.p_seeds is None else ours.p_seeds, mcnemar


def rates(repeats: int) -> None:
    """Prints the share of pairs that each test calls different."""
    print(f"called different at 5 %, of {repeats} simulated pairs each ({SHOTS} shots of {EACH} crops, macro-F1)")
    print(f"{'seeds':>6}{'luck':>6}{'gap':>6}" + "".join(f"{name:>14}" for name in TESTS))
    for seeds, luck, gap in SCENES:
        draw = np.random.default_rng(0)
        found = np.array([p_values(draw, seeds, luck, gap) for _ in range(repeats)]) < 0.05
        cells = [f"{share:14.1%}" for share in found.mean(axis=0)]
        if seeds == 1:
            cells[2] = f"{'-':>14}"
        print(f"{seeds:6}{luck:6.2f}{gap:6.2f}" + "".join(cells), flush=True)


def cost() -> None:
    """Prints CPU seconds of one paired test beside scipy's."""
    draw = np.random.default_rng(0)
    for shots, classes in ((100, 3), (1000, 7)):
        truth_N, shot_N = draw.integers(classes, size=shots * 10), np.arange(shots).repeat(10)
        sides = [np.where(draw.random(shots * 10) < share, truth_N, 0) for share in (0.6, 0.62)]
        one, other = (counts_by_shot(truth_N, side[None], shot_N, classes) for side in sides)
        right = [np.bincount(shot_N, side == truth_N).astype(float) for side in sides]

        def scipys(right: list[NDArray[np.float64]] = right) -> float:
            return float(
                stats.permutation_test(
                    right, lambda a, b, axis: (a - b).sum(axis=axis), permutation_type="samples", n_resamples=FLIPS,
                    vectorized=True, rng=np.random.default_rng(0), batch=1000,
                ).pvalue
            )  # fmt: skip

        def ours(one: NDArray[np.float64] = one, other: NDArray[np.float64] = other) -> float:
            return paired_test(one, other, "accuracy").p_shots

        mine, theirs = cpu(ours), cpu(scipys)
        gap = float(accuracy_of(one.sum(axis=(0, 1))) - accuracy_of(other.sum(axis=(0, 1))))
        print(
            f"{shots} shots, {classes} classes: {mine:.3f} s beside scipy {theirs:.3f} s, {mine / theirs:.2f}x; "
            f"p {ours():.4f} beside {scipys():.4f} (difference {gap:+.3f})"
        )


def drawing() -> None:
    """Prints pictures cartoonified in a CPU second."""
    draw = np.random.default_rng(0)
    for side in (64, 256):
        picture = np.asarray(draw.integers(0, 256, (side // 8, side // 8, 3)).repeat(8, 0).repeat(8, 1), dtype=np.uint8)
        speeds = [f"{name} {1 / cpu(partial(cartoonified, picture, name)):,.0f}" for name in METHODS]
        print(f"pictures of {side}x{side} in a CPU second: {', '.join(speeds)}")


def cpu(work: Callable[[], object], repeats: int = 5) -> float:
    """The fewest CPU seconds that `work` took."""
    taken = []
    for _ in range(repeats):
        before = time.process_time()
        work()
        taken.append(time.process_time() - before)
    return max(min(taken), 1e-6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=400)
    arguments = parser.parse_args()
    rates(arguments.repeats)
    cost()
    drawing()


if __name__ == "__main__":
    main()
