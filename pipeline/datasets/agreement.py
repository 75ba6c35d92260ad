"""How far the annotators of a dataset agree: Krippendorff's alpha for nominal data, and plain counts."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from pipeline.core.answers import counting
from pipeline.core.records import Label


def agreement(labels: Iterable[Label], crops: Collection[str]) -> dict[str, Any]:
    """What the card says about the answers on these crops; of one annotator's answers about a crop the latest that stands counts.

    Returns the number of annotators and answers, how many crops have two answers or more, how many of those are
    unanimous, and alpha (None where no crop has two answers, or all answers are the same).
    """
    answers = [label for label in counting(labels) if label.crop in crops and label.emotion]
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for label in answers:
        votes[label.crop][label.emotion] += 1
    several = [counts for counts in votes.values() if counts.total() > 1]
    alpha = nominal_alpha(several)
    return {
        "annotators": len({label.annotator for label in answers}),
        "answers": len(answers),
        "answered_twice_or_more": len(several),
        "unanimous": sum(len(counts) == 1 for counts in several),
        "alpha": None if alpha is None else round(alpha, 4),
    }


def nominal_alpha(votes: Iterable[Counter[str]]) -> float | None:
    """Krippendorff's alpha (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability) of answers per item.

    1 is full agreement, 0 what chance gives. None where nothing can be compared, or only one class was ever given.
    """
    pairable = [counts for counts in votes if counts.total() > 1]
    totals: Counter[str] = sum(pairable, Counter())
    n = totals.total()
    expected = n * n - sum(count * count for count in totals.values())
    if not expected:
        return None
    observed = sum(
        (counts.total() ** 2 - sum(count * count for count in counts.values())) / (counts.total() - 1)
        for counts in pairable
    )
    return 1 - (n - 1) * observed / expected
