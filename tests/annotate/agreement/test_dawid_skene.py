"""Dawid & Skene's estimate on the data of their paper, on answers whose truth is known, and where there is little to go by."""

import numpy as np
import pytest

from annotate.agreement.dawid_skene import NONE, Estimate, Said, dawid_skene

ANAESTHETISTS = """
    111-1-1-1-1 333-4-3-3-4 112-2-1-2-2 222-3-1-2-1 222-3-2-2-2 222-3-3-2-2 122-2-1-1-1 333-3-4-3-3 222-2-2-2-3
    232-2-2-2-3 444-4-4-4-4 222-3-3-4-3 111-1-1-1-1 222-3-2-1-2 121-1-1-1-1 111-2-1-1-1 111-1-1-1-1 111-1-1-1-1
    222-2-2-2-1 222-1-3-2-2 222-2-2-2-2 222-2-2-2-1 222-3-2-2-2 221-2-2-2-2 111-1-1-1-1 111-1-1-1-1 232-2-2-2-2
    111-1-1-1-1 111-1-1-1-1 112-1-1-2-1 111-1-1-1-1 333-3-2-3-3 111-1-1-1-1 222-2-2-2-2 222-3-2-3-2 433-4-3-4-3
    221-2-2-3-2 232-3-2-3-3 333-3-4-3-2 111-1-1-1-1 111-1-1-1-1 121-2-1-1-1 232-2-2-2-2 121-1-1-1-1 222-2-2-2-2
"""
"""table 1 of the paper: 45 patients, graded 1 to 4, three times by the first anaesthetist and once by four others"""


def of_the_paper() -> list[Said]:
    return [
        Said(item=f"{patient:02d}", annotator=str(observer), answer=grade)
        for patient, row in enumerate(ANAESTHETISTS.split(), 1)
        for observer, grades in enumerate(row.split("-"), 1)
        for grade in grades
    ]


def drawn(seed: int, items: int, care: tuple[float, ...]) -> tuple[list[Said], list[str]]:
    """Answers of annotators who are right that often, and the truth."""
    random = np.random.default_rng(seed)
    truth = [str(one) for one in random.choice(list("abcd"), items)]
    said = [
        Said(item=f"{n:03d}", annotator=f"w{a}", answer=right if random.random() < often else str(random.choice(list("abcd"))))
        for n, right in enumerate(truth)
        for a, often in enumerate(care)
    ]  # fmt: skip
    return said, truth


def share_right(found: Estimate, truth: list[str]) -> float:
    best = found.probabilities.argmax(axis=1)
    return float(np.mean([found.classes[best[row]] == truth[int(item)] for item, row in found.items.items()]))


def test_it_finds_what_the_paper_found() -> None:
    """Tables 2 and 3 of the paper: the shares of the grades, and the error rates of the first anaesthetist."""
    found = dawid_skene(of_the_paper(), prior=NONE)
    assert found.classes == ("1", "2", "3", "4")
    assert found.shares == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.005)
    assert found.tables["1"] == pytest.approx(
        np.array([[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]]), abs=0.005
    )
    grades = {item: found.classes[found.probabilities[row].argmax()] for item, row in found.items.items()}
    assert [grades[item] for item in ("01", "03", "11", "12", "36")] == ["1", "2", "4", "3", "4"]
    assert found.probabilities.sum(axis=1) == pytest.approx(np.ones(45))


def test_it_is_what_a_slow_plain_version_gives() -> None:
    """The two steps written out for one item and one answer at a time."""
    said, _ = drawn(3, 40, (0.9, 0.7, 0.5))
    found = dawid_skene(said, prior=NONE)
    items, classes, people = (
        sorted({s.item for s in said}),
        sorted({s.answer for s in said}),
        sorted({s.annotator for s in said}),
    )
    beliefs = {}
    for item in items:
        own = [s.answer for s in said if s.item == item]
        beliefs[item] = {c: own.count(c) / len(own) for c in classes}
    for _ in range(400):
        prior = {c: sum(beliefs[i][c] for i in items) / len(items) for c in classes}
        tables = {}
        for who in people:
            own = [s for s in said if s.annotator == who]
            for c in classes:
                total = sum(beliefs[s.item][c] for s in own)
                tables[who, c] = {
                    said_as: sum(beliefs[s.item][c] for s in own if s.answer == said_as) / total for said_as in classes
                }
        for item in items:
            odds = {
                c: prior[c] * np.prod([tables[s.annotator, c][s.answer] for s in said if s.item == item])
                for c in classes
            }
            beliefs[item] = {c: float(odds[c] / sum(odds.values())) for c in classes}
    theirs = np.array([[beliefs[item][c] for c in found.classes] for item in found.items])
    assert found.probabilities == pytest.approx(theirs, abs=1e-6)


def test_a_careful_annotator_outweighs_careless_ones() -> None:
    wins = []
    for seed in range(10):
        said, truth = drawn(seed, 150, (0.95, 0.2, 0.2, 0.2))
        by_votes = []
        for n, right in enumerate(truth):
            own = [one.answer for one in said if one.item == f"{n:03d}"]
            most = [a for a in sorted(set(own)) if own.count(a) == max(map(own.count, own))]
            by_votes.append((right in most) / len(most))
        wins.append(share_right(dawid_skene(said), truth) - np.mean(by_votes))
    assert np.mean(wins) > 0.05
    assert min(wins) > 0


def test_with_few_answers_the_prior_helps() -> None:
    gains = []
    for seed in range(30):
        said, truth = drawn(seed, 12, (0.85, 0.7, 0.6))
        gains.append(share_right(dawid_skene(said), truth) - share_right(dawid_skene(said, prior=NONE), truth))
    assert np.mean(gains) > 0


def test_the_order_of_the_answers_does_not_matter() -> None:
    said, _ = drawn(0, 30, (0.9, 0.6))
    first, other = dawid_skene(said), dawid_skene(said[::-1])
    assert first.items == other.items
    assert (first.probabilities == other.probabilities).all()


def test_one_answer_alone_is_believed_and_two_against_each_other_are_a_tie() -> None:
    alone = dawid_skene([Said(item="i", annotator="ann", answer="x")])
    assert alone.probabilities.tolist() == [[1.0]]
    both = dawid_skene([Said(item="i", annotator="ann", answer="x"), Said(item="i", annotator="bo", answer="y")])
    assert both.probabilities[0] == pytest.approx([0.5, 0.5])


def test_an_answer_that_is_no_class_never_becomes_one_but_tells_something() -> None:
    """Bo is unsure of what is sad: his being unsure makes `sad` more probable where ann wavers."""
    said = [
        Said(item=f"s{n}", annotator=who, answer=answer)
        for n in range(12)
        for who, answer in (("ann", "sad"), ("bo", "unsure"))
    ]
    said += [Said(item=f"h{n}", annotator=who, answer="happy") for n in range(12) for who in ("ann", "bo")]
    said += [Said(item="q", annotator="cy", answer="happy"), Said(item="q", annotator="bo", answer="unsure")]
    found = dawid_skene(said, ("unsure",))
    assert found.classes == ("happy", "sad")
    assert found.answers == ("happy", "sad", "unsure")
    alone = dawid_skene([one for one in said if one.item != "q" or one.annotator == "cy"], ("unsure",))
    assert found.probabilities[found.items["q"]][1] > alone.probabilities[alone.items["q"]][1]
    only = dawid_skene([Said(item="i", annotator="bo", answer="unsure")], ("unsure",))
    assert only.classes == ("",)
