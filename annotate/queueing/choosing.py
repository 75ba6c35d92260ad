"""Which of many crops to label next: greedily, by uncertainty x diversity x class deficit x newness of the episode.

* Uncertainty: one less the margin between a model's two most probable classes (Scheffer, Decomain & Wrobel 2001).
* Diversity: how much better the crops as a whole are represented with this one among the labelled: the gain in facility
  location (Wei, Iyer & Bilmes 2015). Unlike the farthest point of k-centre it prefers what is typical to what is odd,
  which on the drawn series is worth more than any other factor (`python -m benchmarks.active_learning`).
* Class deficit: how much the classes that the model sees in it lack beside the class that lacks most.
* Newness: how little has been asked of its episode.

The factors are multiplied; each is at least FLOOR, so none forbids. Without a model the first and the third are 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Looks = NDArray[np.uint8]
Floats = NDArray[np.float32]
Whole = NDArray[np.int64]

FLOOR = 0.01
"""least value of a factor"""
REFERENCES = 1000
"""crops drawn at random that stand for all when it is asked how well they are represented"""
SCALE_SAMPLE = 200
"""of these tell how far apart looks usually are"""
AT_ONCE = 4096
"""labelled crops compared at a time"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How much each factor counts: its exponent."""

    uncertainty: float = 1.0
    diversity: float = 1.0
    deficit: float = 0.25
    episode: float = 0.25


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """What the choice is made from."""

    looks: Looks
    """of the candidates, see pipeline.duplicates.looks"""
    episodes: Whole
    """number of each one's episode"""
    labelled: Looks
    """looks of what is labelled"""
    asked: Whole
    """labelled crops of each episode"""
    probabilities: Floats | None = None
    """what a model says of the candidates; rows sum to 1"""
    labelled_classes: Whole | None = None
    """labelled crops of each of the model's classes; needed with `probabilities`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """Why a crop was chosen: each from FLOOR to 1, beside the best that was left at that moment."""

    uncertainty: float
    diversity: float
    deficit: float
    episode: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One crop chosen."""

    row: int
    """of the candidates"""
    score: float
    """product of the factors, each to the power of its weight; comparable at one moment only"""
    factors: Factors


def choose(candidates: Candidates, count: int, weights: Weights | None = None, seed: int = 0) -> list[Choice]:
    """The `count` best, the first first; fewer where there are not so many.

    The same for the same candidates in the same order and the same seed, on any number of threads.
    """
    if not len(candidates.looks):
        return []
    choosing = _Choosing(candidates, weights or Weights(), np.random.default_rng(seed))
    return [choosing.next() for _ in range(min(count, len(candidates.looks)))]


class _Choosing:
    """A choice under way."""

    def __init__(self, found: Candidates, weights: Weights, random: np.random.Generator) -> None:
        self.found, self.weights = found, weights
        self.free_N = np.ones(len(found.looks), dtype=np.bool_)
        references_RD = _drawn(found, random)
        scale = _scale(references_RD[:SCALE_SAMPLE])
        self.likeness_NR = _likeness(found.looks, references_RD, scale)
        self.represented_R = np.zeros(len(references_RD), dtype=np.float32)
        for start in range(0, len(found.labelled), AT_ONCE):
            near_MR = _likeness(found.labelled[start : start + AT_ONCE], references_RD, scale)
            np.maximum(self.represented_R, near_MR.max(axis=0), out=self.represented_R)
        self.asked_E = found.asked.astype(np.float64)
        self.uncertainty_N = np.ones(len(self.free_N), dtype=np.float32)
        self.labelled_C = np.zeros(0)
        if found.probabilities is not None and found.labelled_classes is not None:
            self.uncertainty_N = margin_uncertainty(found.probabilities)
            self.labelled_C = found.labelled_classes.astype(np.float64)

    def next(self) -> Choice:
        """Takes the best that is left."""
        factors = {name: self._beside_best(values_N) for name, values_N in self._factors()}
        weighted = [values_N ** getattr(self.weights, name) for name, values_N in factors.items()]
        score_N = np.where(self.free_N, np.prod(weighted, axis=0), -1.0)
        row = int(score_N.argmax())
        self._take(row)
        said = Factors(**{name: round(float(values_N[row]), 4) for name, values_N in factors.items()})
        return Choice(row=row, score=float(score_N[row]), factors=said)

    def _factors(self) -> Iterator[tuple[str, NDArray[np.floating]]]:
        yield "uncertainty", self.uncertainty_N
        yield "diversity", np.maximum(self.likeness_NR - self.represented_R, 0).sum(axis=1)
        if self.found.probabilities is None:
            yield "deficit", np.ones(len(self.free_N))
        else:
            yield "deficit", (self.found.probabilities * (1 / (1 + self.labelled_C))).sum(axis=1)
        yield "episode", (1 / (1 + self.asked_E))[self.found.episodes]

    def _beside_best(self, values_N: NDArray[np.floating]) -> NDArray[np.float64]:
        best = float(values_N[self.free_N].max())
        return np.maximum(values_N.astype(np.float64) / best if best > 0 else np.ones(len(values_N)), FLOOR)

    def _take(self, row: int) -> None:
        self.free_N[row] = False
        np.maximum(self.represented_R, self.likeness_NR[row], out=self.represented_R)
        self.asked_E[self.found.episodes[row]] += 1
        if self.found.probabilities is not None:
            self.labelled_C = self.labelled_C + self.found.probabilities[row]


def margin_uncertainty(probabilities_NC: Floats) -> Floats:
    """(N,) 1 where the two most probable classes are equally so, 0 where the model is sure."""
    if probabilities_NC.shape[1] < 2:
        return np.zeros(len(probabilities_NC), dtype=np.float32)
    top_N2 = np.partition(probabilities_NC, -2, axis=1)[:, -2:]
    return np.asarray(1 - (top_N2[:, 1] - top_N2[:, 0]), dtype=np.float32)


def _drawn(found: Candidates, random: np.random.Generator) -> Looks:
    """(R, D) looks of candidates and labelled crops at random."""
    count = len(found.looks)
    rows = random.permutation(count + len(found.labelled))[:REFERENCES]
    return np.concatenate([found.looks[rows[rows < count]], found.labelled[rows[rows >= count] - count]])


def _scale(references_RD: Looks) -> float:
    """Half the usual distance of two looks: what is nearer is alike."""
    distances = np.sqrt(_squares(references_RD, references_RD))[np.triu_indices(len(references_RD), 1)]
    return max(float(np.median(distances)) / 2 if len(distances) else 1.0, 1.0)


def _likeness(looks_ND: Looks, references_RD: Looks, scale: float) -> Floats:
    """(N, R) 1 for equal looks, falling to 0 as a Gaussian bell of that scale does."""
    return np.asarray(np.exp(_squares(looks_ND, references_RD) * np.float32(-1 / (scale * scale))), dtype=np.float32)


def _squares(first_ND: Looks, second_MD: Looks) -> Floats:
    """(N, M) squared distances. Whole numbers below 2^24, so exact in float32 however many threads add them up."""
    first, second = first_ND.astype(np.float32), second_MD.astype(np.float32)
    products = first @ second.T
    return np.asarray(
        (first**2).sum(axis=1)[:, None] + ((second**2).sum(axis=1)[None] - 2 * products), dtype=np.float32
    )
