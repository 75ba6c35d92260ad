"""What is true, and how each annotator errs, from answers alone (Dawid & Skene 1979, by expectation maximisation).

Every item has one true class; every annotator has a table of how often he gives which answer to which class. Given the
tables, Bayes' rule says how probable each class is for each item; given that, the tables are counted. The two steps
are repeated until nothing changes. An answer may be none of the classes (UNSURE): it then only tells something.

Few answers would make tables of zeros and ones, so each is counted on top of a few answers that nobody gave: a prior.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_ROUNDS = 500
SETTLED = 1e-9
"""largest change of a probability at which it stops"""
LEAST = 1e-12
"""a probability below it counts as this, so that its logarithm exists"""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """Answers counted before any was given."""

    answers: float = 5.0
    """per annotator and class; 0: the maximum likelihood of the paper"""
    right: float = 0.7
    """share of them that are right; the rest is spread over the other answers"""
    items: float = 1.0
    """per class"""


NONE = Prior(answers=0.0, items=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One answer."""

    item: str
    """what it is about"""
    annotator: str
    """who gave it"""
    answer: str
    """a class, or an answer that is none"""


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """What the answers say together."""

    classes: tuple[str, ...]
    """sorted; columns of `probabilities`, rows of the tables"""
    answers: tuple[str, ...]
    """the classes, then the answers that are none; columns of the tables"""
    items: dict[str, int]
    """item -> row of `probabilities`"""
    probabilities: Array
    """how probable each class is; rows sum to 1"""
    shares: Array
    """of the classes among the items"""
    tables: dict[str, Array]
    """annotator -> (K, J): given the class of the row, how probable is each answer; rows sum to 1"""

    def right(self, annotator: str) -> float:
        """How probable it is that the annotator says what is true, over items as they come."""
        table_KJ = self.tables[annotator]
        return float(self.shares @ np.diagonal(table_KJ[:, : len(self.classes)]))


@dataclass(frozen=True, slots=True)
class _Answers:
    """The answers as arrays, in the order of their items."""

    items: NDArray[np.int64]
    starts: NDArray[np.int64]
    """where each item's answers begin"""
    tables: NDArray[np.int64]
    """annotator * J + answer"""
    order: NDArray[np.int64]
    """of the answers by `tables`"""
    table_starts: NDArray[np.int64]
    """where each value of `tables` that occurs begins in this order"""


def dawid_skene(said: Sequence[Said], no_class: Sequence[str] = (), prior: Prior | None = None) -> Estimate:
    """The estimate, the same whatever the order of the answers.

    Args:
        said: at least one answer; several of one annotator about one item count as they are.
        no_class: answers that are no class, such as UNSURE.
        prior: NONE for the paper's own estimate.
    """
    prior = prior or Prior()
    given = sorted(said, key=lambda one: (one.item, one.annotator, one.answer))
    others = tuple(sorted({one.answer for one in given} & set(no_class)))
    classes = tuple(sorted({one.answer for one in given} - set(no_class))) or ("",)
    answers, annotators = classes + others, sorted({one.annotator for one in given})
    items = {item: row for row, item in enumerate(dict.fromkeys(one.item for one in given))}
    arrays = _arrays(given, answers, annotators, items)
    shape = (len(annotators), len(answers), len(classes))
    before_JK = _pseudo_answers(len(answers), len(classes), prior)
    probabilities_IK = _first_guess(arrays, shape)
    for _ in range(MOST_ROUNDS):
        tables_AJK = _counted(arrays, probabilities_IK, before_JK, shape)
        shares_K = probabilities_IK.sum(axis=0) + prior.items
        shares_K = shares_K / shares_K.sum()
        last_IK, probabilities_IK = probabilities_IK, _judged(arrays, tables_AJK, shares_K)
        if np.abs(probabilities_IK - last_IK).max() < SETTLED:
            break
    tables = {name: np.ascontiguousarray(tables_AJK[n].T) for n, name in enumerate(annotators)}
    return Estimate(classes, answers, items, probabilities_IK, shares_K, tables)


def _arrays(
    given: Sequence[Said], answers: Sequence[str], annotators: Sequence[str], items: Mapping[str, int]
) -> _Answers:
    answer_at = {answer: n for n, answer in enumerate(answers)}
    annotator_at = {name: n for n, name in enumerate(annotators)}
    item_N = np.array([items[one.item] for one in given], dtype=np.int64)
    table_N = np.array(
        [annotator_at[one.annotator] * len(answers) + answer_at[one.answer] for one in given], dtype=np.int64
    )
    starts_I = np.flatnonzero(np.diff(item_N, prepend=-1))
    order_N = np.argsort(table_N, kind="stable")
    return _Answers(item_N, starts_I, table_N, order_N, np.flatnonzero(np.diff(table_N[order_N], prepend=-1)))


def _pseudo_answers(answers: int, classes: int, prior: Prior) -> Array:
    """(J, K) answers that nobody gave."""
    if answers == 1:
        return np.full((1, classes), prior.answers)
    before_JK = np.full((answers, classes), prior.answers * (1 - prior.right) / (answers - 1))
    before_JK[np.arange(classes), np.arange(classes)] = prior.answers * prior.right
    return before_JK


def _first_guess(arrays: _Answers, shape: tuple[int, int, int]) -> Array:
    """Each item's shares of its answers; alike for all classes where none of them is one."""
    _, answers, classes = shape
    said_NK = np.eye(answers, classes)[arrays.tables % answers]
    votes_IK = np.add.reduceat(said_NK, arrays.starts, axis=0)
    votes_IK[votes_IK.sum(axis=1) == 0] = 1.0
    return np.asarray(votes_IK / votes_IK.sum(axis=1, keepdims=True))


def _counted(arrays: _Answers, probabilities_IK: Array, before_JK: Array, shape: tuple[int, int, int]) -> Array:
    """(A, J, K): how probable each answer is given the class, for every annotator."""
    evidence_NK = probabilities_IK[arrays.items[arrays.order]]
    counts = np.zeros((shape[0] * shape[1], shape[2]))
    counts[arrays.tables[arrays.order][arrays.table_starts]] = np.add.reduceat(evidence_NK, arrays.table_starts, axis=0)
    counts_AJK = counts.reshape(shape) + before_JK
    return np.asarray(counts_AJK / np.maximum(counts_AJK.sum(axis=1, keepdims=True), LEAST))


def _judged(arrays: _Answers, tables_AJK: Array, shares_K: Array) -> Array:
    """(I, K) by Bayes' rule."""
    logs = np.log(np.maximum(tables_AJK, LEAST)).reshape(-1, len(shares_K))
    sums_IK = np.add.reduceat(logs[arrays.tables], arrays.starts, axis=0) + np.log(np.maximum(shares_K, LEAST))
    odds_IK = np.exp(sums_IK - sums_IK.max(axis=1, keepdims=True))
    return np.asarray(odds_IK / odds_IK.sum(axis=1, keepdims=True))
