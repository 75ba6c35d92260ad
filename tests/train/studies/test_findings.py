"""What follows from a table, in words."""

from fractions import Fraction
from typing import Any

import numpy as np

from pipeline.core.manifest import Example
from pipeline.core.places import Box
from train.studies.cautions import cautions
from train.studies.contestants import Contestant, Exam, Trial
from train.studies.findings import at_home_words, bridges, findings
from train.studies.learning import Learning

Line = dict[str, Any]


def pair(first: str, second: str, difference: float, p: float) -> Line:
    return {"first": first, "second": second, "metric": "macro_f1", "difference": difference, "p": p, "p_corrected": p}


def summary(**scores: float) -> list[Line]:
    return [{"recipe": name, "macro_f1": value, "remarks": []} for name, value in scores.items()]


def contestant(name: str, **more: Any) -> Contestant:
    """One seed on two examples of two shots."""
    examples = tuple(
        Example(
            id=f"e{n}", file="", sha256=f"{n}", label="ab"[n], soft_label=(), split="test", character="", episode="e",
            pts=n, time_base=Fraction(1, 25), shot=f"s{n}", track="t", box=Box(left=0, top=0, right=1, bottom=1),
            cascade="", phash="0" * 16, annotators=1,
        )
        for n in range(2)
    )  # fmt: skip
    trial: dict[str, Any] = {
        "seed": 0, "runs": ("r",), "probabilities": np.eye(2, dtype=np.float32), "epochs": 10, "images_seen": 20,
        "seconds": 1.0, "cpu_seconds": None,
    }  # fmt: skip
    exam = Exam(examples=examples, classes=("a", "b"), truth=np.arange(2))
    return Contestant.of(name, exam, [Trial(**(trial | more))])


def test_few_pairs_have_a_sentence_each() -> None:
    said = findings([pair("a", "b", -0.2, 0.01)], [], summary(a=0.3, b=0.5))
    assert said == ["b is better than a: macro-F1 higher by 0.200, p 0.010"]
    assert findings([pair("a", "b", 0.1, 0.2)], [], summary(a=0.5, b=0.4)) == [
        "the two do not differ by more than luck (p 0.200)"
    ]


def test_of_many_pairs_each_recipe_that_is_ahead_has_a_sentence_the_best_first() -> None:
    pairs = [
        pair("b", "a", -0.3, 0.01), pair("a", "c", 0.4, 0.02), pair("a", "d", 0.1, 0.3), pair("b", "c", 0.1, 0.0001),
        pair("b", "d", -0.2, 0.2), pair("c", "d", -0.3, 0.04),
    ]  # fmt: skip
    assert findings(pairs, [], summary(a=0.9, b=0.6, c=0.5, d=0.8)) == [
        "a is better than b, c (p at most 0.020 after correction for 6 pairs), not surely than d",
        "d is better than c (p at most 0.040 after correction for 6 pairs), not surely than a, b",
        "b is better than c (p below 0.001 after correction for 6 pairs), not surely than d",
    ]


def test_one_that_beats_all_others_is_said_to_do_so() -> None:
    pairs = [pair("best", name, 0.5, 0.03) for name in "abcde"]
    assert findings(pairs, [], summary(best=0.9, a=0.1, b=0.1, c=0.1, d=0.1, e=0.1)) == [
        "best is better than each of the 5 others (p at most 0.030 after correction for 5 pairs)"
    ]
    level = [pair("best", name, 0.0, 1.0) for name in "abcde"]
    assert findings(level, [], summary(best=0.1, a=0.1, b=0.1, c=0.1, d=0.1, e=0.1)) == [
        "no two of them differ by more than luck"
    ]


def test_who_is_not_better_than_looking_is_named_together_and_whether_it_had_learned() -> None:
    lines = summary(a=0.1, b=0.2, c=0.15, d=0.12, nearest_pixels=0.3)
    beside = [pair(name, "nearest_pixels", -0.1, 0.5) for name in "abcd"]
    lines[0]["remarks"] = ["under-trained"]
    assert findings([], beside, lines) == [
        "not better than nearest neighbour on pixels (macro-F1 0.300), which needs no training: b 0.200, c 0.150, d 0.120, "
        "a 0.100; 1 of these is under-trained"
    ]
    assert findings([], beside[:1], lines)[0].endswith("p 0.500; it is under-trained")


def test_what_was_wrong_with_the_trainings_is_said_once_for_all() -> None:
    weak = Learning(accuracy=0.3, falling=0.1, epochs=10, most_frequent=0.25)
    note = "no imagenet weights: training began with random: https://example.org/a.pth cannot be reached"
    contestants: list[Contestant] = [
        contestant(name, learning=weak, chance_instead="imagenet", notes=(note, "amp has no effect on a CPU"))
        for name in ("one", "two")
    ]
    said = cautions(contestants)
    assert (
        "under-trained, so that more epochs would probably change their figures: one (right on 30% of its training "
        "pictures, loss down by 10% in its last 2 of 10 epochs); two (right on 30% of its training pictures, loss down "
        "by 10% in its last 2 of 10 epochs)"
    ) in said
    assert "random weights instead of imagenet, which could not be had here (--weights FILE): one, two" in said
    assert said.count("amp has no effect on a CPU") == 1
    assert not any("example.org" in words for words in said)


def test_who_spent_more_than_the_budget_is_named() -> None:
    contestants = [contestant("dear", cpu_seconds=30.0), contestant("cheap", cpu_seconds=21.0), contestant("unknown")]
    said = cautions(contestants, 20.0, {"dear": 2.0, "cheap": 1.0})
    assert "over the budget: dear 28.0 s" in said
    assert any(words.startswith("equal budget: 20 s for the epochs of each training") for words in said)


def test_arms_that_gain_no_more_than_luck_share_a_sentence() -> None:
    pairs = [pair("all", "plain", 0.2, 0.01), pair("styled", "plain", 0.1, 0.5), pair("balanced", "plain", -0.1, 0.9)]
    assert bridges(pairs) == [
        "all: macro-F1 on the target 0.200 higher than plain, more than luck (p 0.010)",
        "no more than luck apart from plain in macro-F1 on the target: styled +0.100, balanced -0.100",
    ]


def test_what_was_not_learned_at_home_cannot_be_lost_on_the_way() -> None:
    wrong, right = contestant("plain", probabilities=np.eye(2, dtype=np.float32)[::-1]), contestant("nearest_pixels")
    assert at_home_words([right], wrong) == []
    assert at_home_words([wrong], right) == [
        "not even the source was learned: on its own test split the best arm, plain, has macro-F1 0.000, and nearest "
        "neighbour on pixels, which needs no training, 1.000; the arms say nothing of the way to the target"
    ]
