"""From scores to what people ask for: a threshold for a wanted precision, and the probability that a find is a face.

Both are learned from finds on held-out pictures and kept in the cascade's card beside the score, never in its place: a
score stays a score. Few finds say little, so a threshold comes with a lower bound of its precision (Clopper & Pearson
1934), and a probability is a logistic curve of the score's logarithm (Platt 1999, with his smoothed targets) until there
are enough finds for a monotone curve of any shape (pool adjacent violators, Ayer et al. 1955).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascades.scoring.matching import Outcomes
from pipeline.core.errors import CascadeError

CONFIDENCE = 0.9
"""one-sided: the true precision is below the bound in one of ten such cases"""
FEWEST_FINDS = 10
"""and FEWEST_OF_EACH right and wrong ones, without which no probability is learned"""
FEWEST_OF_EACH = 3
ENOUGH_FOR_ANY_SHAPE = 400
"""finds from which on the curve need not be logistic"""
FOLDS = 5
KNOTS = 32
"""points that a curve is kept as, at most"""

Floats = NDArray[np.float64]
Curve = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdChoice:
    """The lowest score threshold that reaches a precision on held-out pictures."""

    wanted: float
    """the precision asked for"""
    confidence: float
    """of `at_least`, one-sided"""
    threshold: float | None
    """the lowest whose lower bound reaches `wanted`; None when there is none"""
    likely_threshold: float | None
    """the lowest whose observed precision reaches `wanted`, with too few finds to be sure; None when there is none"""
    precision: float
    """observed, at `threshold`, else at `likely_threshold`, else the best there is"""
    at_least: float
    """lower bound of that precision"""
    recall: float
    finds: int
    """at or above it"""
    right: int
    """of them"""
    reason: str
    """in words, what was reached"""

    def as_card(self) -> dict[str, Any]:
        """As kept in the card under `operating_points`."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Score -> probability that a find is a face, on pictures like those it was learned from."""

    method: str
    """`platt` or `isotonic`"""
    knots: tuple[tuple[float, float], ...]
    """(score, probability), both ascending; straight lines over the score's logarithm in between"""
    finds: int
    """it was learned from"""
    right: int
    """of them"""
    brier: float
    """mean squared error of probabilities for finds of pictures left out (out of fold); smaller is better"""
    brier_of_share: float
    """the same for one who always says the share of right finds"""
    reliability: tuple[tuple[float, float, int], ...]
    """(mean probability said, share that was right, finds) of finds left out, in groups of equal number"""

    def probability(self, scores_N: Floats) -> Floats:
        """(N,) 0 to 1."""
        scores, values = np.array(self.knots).T
        return np.asarray(np.interp(_logs(scores_N), _logs(scores), values))

    def as_card(self) -> dict[str, Any]:
        """As kept in the card under `calibration`."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def read_calibration(kept: Any) -> Calibration | None:
    """A calibration as a card keeps it; None for anything else."""
    try:
        knots = tuple((float(score), float(value)) for score, value in kept["knots"])
        reliability = tuple((float(a), float(b), int(n)) for a, b, n in kept["reliability"])
        numbers = {name: float(kept[name]) for name in ("brier", "brier_of_share")}
        counts = {name: int(kept[name]) for name in ("finds", "right")}
        sound = len(knots) > 1 and bool(np.isfinite(knots).all()) and all(0 <= value <= 1 for _, value in knots)
        if not sound or sorted(knots) != list(knots):
            return None
        return Calibration(
            method=str(kept["method"]), knots=knots, reliability=reliability, brier=numbers["brier"],
            brier_of_share=numbers["brier_of_share"], finds=counts["finds"], right=counts["right"],
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def threshold_for(card: dict[str, Any], wanted: float, name: str) -> float:
    """The score threshold that `cascade evaluate --wanted-precision` chose for a cascade.

    Raises:
        CascadeError: none was chosen for that precision, or none reaches it.
    """
    points = card.get("operating_points")
    point = points.get(f"{wanted:g}") if isinstance(points, dict) else None
    if not isinstance(point, dict):
        raise CascadeError(
            f"no score threshold of {name} was chosen for precision {wanted:g}; run `toonsift cascade evaluate {name} "
            f"--truth COCO.json --wanted-precision {wanted:g}` on pictures that it was not fitted to"
        )
    found = point.get("threshold")
    found = point.get("likely_threshold") if found is None else found
    if not isinstance(found, int | float) or isinstance(found, bool):
        raise CascadeError(f"{name}: {point.get('reason') or f'no threshold reaches precision {wanted:g}'}")
    return float(found)


def at_least(right: int, finds: int, confidence: float = CONFIDENCE) -> float:
    """One-sided lower bound of a share of which `right` of `finds` were seen (Clopper & Pearson 1934)."""
    from scipy.stats import beta

    return float(beta.ppf(1 - confidence, right, finds - right + 1)) if right else 0.0


def choose_threshold(counted: Outcomes, wanted: float, confidence: float = CONFIDENCE) -> ThresholdChoice:
    """The lowest threshold whose precision reaches `wanted`, surely if possible; see ThresholdChoice."""
    scores, hits = counted.scores, np.cumsum(counted.right, dtype=np.int64)
    ends = np.flatnonzero(np.append(scores[1:] < scores[:-1], True)) if len(scores) else np.zeros(0, dtype=np.int64)
    bounds = np.array([at_least(int(hits[i]), int(i) + 1, confidence) for i in ends])
    shares = hits[ends] / (ends + 1)
    surely, likely = np.flatnonzero(bounds >= wanted), np.flatnonzero(shares >= wanted)
    if not len(ends):
        said = "nothing was found on the held-out pictures"
        return ThresholdChoice(
            wanted=wanted, confidence=confidence, threshold=None, likely_threshold=None, precision=1.0, at_least=0.0,
            recall=0.0, finds=0, right=0, reason=f"no threshold can be chosen: {said}",
        )  # fmt: skip
    chosen = int(surely[-1]) if len(surely) else int(likely[-1]) if len(likely) else int(bounds.argmax())
    at = int(ends[chosen])
    finds, right = at + 1, int(hits[at])
    seen = f"{right} of {finds} finds right"
    bound = f"at least {bounds[chosen]:.3f} with confidence {confidence:g}"
    if len(surely):
        reason = f"from score {scores[at]:.2f} on: {seen}, a precision of {bound}"
    elif len(likely):
        reason = (
            f"no threshold reaches precision {wanted:g} for sure; from score {scores[at]:.2f} on {seen}, which is {bound}; "
            "label more pictures to be sure"
        )
    else:
        reason = (
            f"no threshold reaches precision {wanted:g}; the best is {seen} from score {scores[at]:.2f} on, {bound}"
        )
    return ThresholdChoice(
        wanted=wanted,
        confidence=confidence,
        threshold=float(scores[ends[surely[-1]]]) if len(surely) else None,
        likely_threshold=float(scores[ends[likely[-1]]]) if len(likely) else None,
        precision=right / finds,
        at_least=float(bounds[chosen]),
        recall=right / max(counted.faces, 1),
        finds=finds,
        right=right,
        reason=reason,
    )


def calibrate(counted: Outcomes) -> Calibration | None:
    """Learns the probability of a find from its score; None when there are too few finds, or all are alike."""
    order = np.argsort(counted.scores, kind="stable")
    scores, right, groups = counted.scores[order], counted.right[order], counted.groups[order]
    finds, hits = len(scores), int(right.sum())
    if finds < FEWEST_FINDS or min(hits, finds - hits) < FEWEST_OF_EACH or scores[0] == scores[-1]:
        return None
    method, learn = ("isotonic", _isotonic) if finds >= ENOUGH_FOR_ANY_SHAPE else ("platt", _platt)
    said = _out_of_fold(scores, right, groups, learn)
    places = np.unique(scores[np.linspace(0, finds - 1, KNOTS).round().astype(int)])
    values = np.maximum.accumulate(np.clip(learn(scores, right)(places), 0.0, 1.0))
    return Calibration(
        method=method,
        knots=tuple((round(float(s), 6), round(float(v), 6)) for s, v in zip(places, values, strict=True)),
        finds=finds,
        right=hits,
        brier=round(float(((said - right) ** 2).mean()), 6),
        brier_of_share=round(float(((hits / finds - right) ** 2).mean()), 6),
        reliability=_reliability(said, right),
    )


def pool_adjacent_violators(values_N: Floats, weights_N: Floats) -> Floats:
    """The ascending sequence closest to `values_N` in weighted squares (Ayer et al. 1955)."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values_N.tolist(), weights_N.tolist(), strict=True):
        mean, total, count = value, weight, 1
        while blocks and blocks[-1][0] >= mean:
            before, mass, members = blocks.pop()
            mean = (before * mass + mean * total) / (mass + total)
            total, count = total + mass, count + members
        blocks.append((mean, total, count))
    return np.repeat([mean for mean, _, _ in blocks], [count for _, _, count in blocks])


def _isotonic(scores_N: Floats, right_N: NDArray[np.bool_]) -> Curve:
    """Monotone, of any shape; one right find above all and one wrong find below all keep it from certainty."""
    logs = _logs(scores_N)
    values = np.concatenate([[0.0], right_N.astype(np.float64), [1.0]])
    fitted = pool_adjacent_violators(values, np.ones(len(values)))[1:-1]
    share = (right_N.sum() + 1) / (len(right_N) + 2)
    fitted = fitted + (share - fitted) * 2 / (len(right_N) + 2)
    places, first = np.unique(logs, return_index=True)
    means = np.add.reduceat(fitted, first) / np.diff(np.append(first, len(fitted)))
    return lambda scores: np.asarray(np.interp(_logs(scores), places, means))


def _platt(scores_N: Floats, right_N: NDArray[np.bool_]) -> Curve:
    """Logistic in the score's logarithm by Newton's method; never falling. Targets as Platt (1999) smooths them."""
    logs = _logs(scores_N)
    centre, width = float(logs.mean()), max(float(logs.std()), 1e-9)
    design = np.stack([(logs - centre) / width, np.ones(len(logs))], axis=1)
    hits, misses = float(right_N.sum()), float((~right_N).sum())
    targets = np.where(right_N, (hits + 1) / (hits + 2), 1 / (misses + 2))
    weights = np.zeros(2)
    for _ in range(50):
        said = _logistic(design @ weights)
        slope = design.T @ (said - targets) + 1e-3 * weights
        bend = (design * (said * (1 - said))[:, None]).T @ design + 1e-3 * np.eye(2)
        step = np.linalg.solve(bend, slope)
        weights = weights - np.clip(step, -2.0, 2.0)
        if float(np.abs(step).max()) < 1e-9:
            break
    rise, height = max(float(weights[0]), 0.0), float(weights[1])
    return lambda scores: _logistic((_logs(scores) - centre) / width * rise + height)


def _out_of_fold(
    scores_N: Floats,
    right_N: NDArray[np.bool_],
    groups_N: NDArray[np.int64],
    learn: Callable[[Floats, NDArray[np.bool_]], Curve],
) -> Floats:
    """What is said of each find by a curve that never saw its picture."""
    names = np.unique(groups_N)
    folds = np.random.default_rng(0).permutation(len(names)) % min(FOLDS, len(names))
    fold_N = folds[np.searchsorted(names, groups_N)]
    said = np.full(len(scores_N), right_N.mean())
    for fold in range(int(folds.max()) + 1):
        inside, outside = fold_N == fold, fold_N != fold
        if outside.any() and 0 < right_N[outside].sum() < outside.sum():
            said[inside] = learn(scores_N[outside], right_N[outside])(scores_N[inside])
    return said


def _reliability(said_N: Floats, right_N: NDArray[np.bool_]) -> tuple[tuple[float, float, int], ...]:
    groups = max(2, min(8, len(said_N) // 15))
    parts: Sequence[NDArray[np.int64]] = np.array_split(np.argsort(said_N, kind="stable"), groups)
    return tuple(
        (round(float(said_N[part].mean()), 4), round(float(right_N[part].mean()), 4), len(part)) for part in parts
    )


def _logs(scores: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(scores, 1e-6)), dtype=np.float64)


def _logistic(values: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(values, -40.0, 40.0))))
