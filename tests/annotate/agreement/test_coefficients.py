"""Coefficients against the examples that were published with them, and against other people's packages."""

from collections import Counter

import numpy as np
import pytest

from annotate.agreement.coefficients import (
    alpha_of,
    coincidences,
    kappas,
    nominal_alpha,
    pairs_alike,
    patterns_of,
    raw_agreement,
)
from annotate.agreement.intervals import alpha_interval, mean_interval, wilson

KRIPPENDORFF_2011 = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
"""four observers on twelve units, from `Computing Krippendorff's Alpha-Reliability`: nominal alpha 0.743"""
FEW = dict(zip("abc", ({"ann": "x", "bo": "y"}, {"ann": "x", "bo": "x"}, {"bo": "y", "cy": "y"}), strict=True))


def units(rows: tuple[str, ...]) -> list[Counter[str]]:
    return [
        Counter(value for value in unit if value != ".") for unit in zip(*(row.split() for row in rows), strict=True)
    ]


def random_ratings(seed: int, annotators: int = 4, items: int = 60) -> dict[str, dict[str, str]]:
    """Annotators of unequal care, and gaps."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 4, items)
    said: dict[str, dict[str, str]] = {}
    for item, right in enumerate(truth):
        for annotator in range(annotators):
            if random.random() < 0.7:
                answer = right if random.random() < 0.9 - 0.15 * annotator else random.integers(0, 4)
                said.setdefault(f"i{item}", {})[f"a{annotator}"] = "wxyz"[answer]
    return said


def test_alpha_is_that_of_the_published_example() -> None:
    assert nominal_alpha(units(KRIPPENDORFF_2011)) == pytest.approx(0.743, abs=0.0005)


def test_the_coincidences_are_those_of_the_published_example() -> None:
    found = coincidences(patterns_of(units(KRIPPENDORFF_2011)))
    assert found.sum() == pytest.approx(40)
    assert found.sum(axis=0) == pytest.approx([9, 13, 10, 5, 3])
    assert found[0] == pytest.approx([7, 4 / 3, 1 / 3, 1 / 3, 0])
    assert (found == found.T).all()


def test_kappa_is_that_of_cohens_table() -> None:
    """Fleiss, Cohen & Everitt 1969: 200 patients, kappa 0.429."""
    table = {("p", "p"): 106, ("p", "n"): 10, ("p", "s"): 4, ("n", "p"): 22, ("n", "n"): 28, ("n", "s"): 10,
             ("s", "p"): 2, ("s", "n"): 12, ("s", "s"): 6}  # fmt: skip
    said = [pair for pair, count in table.items() for _ in range(count)]
    [found] = kappas({f"i{n}": {"ann": a, "bo": b} for n, (a, b) in enumerate(said)})
    assert (found.items, found.same) == (200, 140)
    assert found.kappa == pytest.approx(0.429, abs=0.0005)
    assert found.table == table


@pytest.mark.parametrize("seed", range(5))
def test_alpha_is_what_the_package_krippendorff_says(seed: int) -> None:
    package = pytest.importorskip("krippendorff", reason="the package krippendorff is not installed")
    said = random_ratings(seed)
    names = sorted({annotator for answers in said.values() for annotator in answers})
    values = [[answers.get(name, "*") for answers in said.values()] for name in names]
    table = np.array([["wxyz".find(value) if value != "*" else np.nan for value in row] for row in values], dtype=float)
    theirs = package.alpha(reliability_data=table, level_of_measurement="nominal")
    patterns = patterns_of(Counter(answers.values()) for answers in said.values())
    assert alpha_of(patterns) == pytest.approx(theirs, abs=1e-12)
    one = np.where(np.isnan(table), np.nan, table == "wxyz".find("x"))
    theirs = package.alpha(reliability_data=one, level_of_measurement="nominal")
    assert alpha_of(patterns.as_class("x")) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_what_scikit_learn_says(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    said = random_ratings(seed)
    for pair in kappas(said):
        both = [(a[pair.first], a[pair.second]) for a in said.values() if {pair.first, pair.second} <= a.keys()]
        theirs = metrics.cohen_kappa_score(*zip(*both, strict=True))
        assert pair.kappa == pytest.approx(theirs, abs=1e-12)
        assert pair.items == len(both)


def test_what_cannot_be_measured_is_none() -> None:
    assert nominal_alpha([]) is None
    assert nominal_alpha([Counter("a"), Counter("b")]) is None
    assert nominal_alpha([Counter("aa"), Counter("aa")]) is None
    assert raw_agreement([Counter("a")]) is None
    [same] = kappas({"i": {"ann": "x", "bo": "x"}})
    assert same.kappa is None
    assert wilson(0, 0) is None
    assert mean_interval([0.5]) is None
    assert alpha_interval(patterns_of([Counter("ab")])) is None


def test_pairs_are_those_with_items_in_common() -> None:
    assert [(pair.first, pair.second, pair.items) for pair in kappas(FEW)] == [("ann", "bo", 2), ("bo", "cy", 1)]


def test_raw_agreement_counts_every_item_alike() -> None:
    assert pairs_alike(Counter("aab")) == pytest.approx(1 / 3)
    assert raw_agreement([Counter("aab"), Counter("aa"), Counter("c")]) == pytest.approx(2 / 3)


def test_alpha_does_not_depend_on_the_order_of_items() -> None:
    said = units(KRIPPENDORFF_2011)
    assert nominal_alpha(said[::-1]) == nominal_alpha(said)
    assert alpha_interval(patterns_of(said[::-1])) == alpha_interval(patterns_of(said))


def test_the_interval_of_alpha_holds_the_truth_about_as_often_as_it_says() -> None:
    """Alpha of 2,000 items is the truth; the intervals of 60 of them at a time should hold it in 19 of 20 cases."""
    items = [Counter(answers.values()) for answers in random_ratings(0, items=6000).values()]
    truth, held, tries = nominal_alpha(items), 0, 80
    assert truth is not None
    for n in range(tries):
        interval = alpha_interval(patterns_of(items[60 * n : 60 * n + 60]))
        assert interval is not None
        held += interval[0] <= truth <= interval[1]
    assert 0.87 * tries <= held < tries


def test_wilsons_interval_is_that_of_the_textbook() -> None:
    """Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662; 0 of 20 gives 0 to 0.1611."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=0.0001)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=0.0001)
