"""How far the annotators of a dataset agree, in short: what its manifest and card say."""

from collections.abc import Collection, Iterable
from typing import Any

from annotate.agreement.answers import judgements, ratings, votes_of
from annotate.agreement.coefficients import nominal_alpha
from pipeline.core.records import Label


def agreement(labels: Iterable[Label], crops: Collection[str]) -> dict[str, Any]:
    """What the card says about the answers on these crops; `toonsift annotate agreement` tells more.

    Returns the number of annotators and answers, how many crops (or sheets of them, answered as one) have two answers or
    more, how many of those are unanimous, and alpha (None where nothing has two answers, or all answers are the same).
    Skips and UNSURE are no answers.
    """
    rated = ratings(judgements(label for label in labels if label.crop in crops))
    votes = votes_of(rated)
    several = [counts for counts in votes.values() if counts.total() > 1]
    alpha = nominal_alpha(several)
    return {
        "annotators": len({annotator for answers in rated.values() for annotator in answers}),
        "answers": sum(counts.total() for counts in votes.values()),
        "answered_twice_or_more": len(several),
        "unanimous": sum(len(counts) == 1 for counts in several),
        "alpha": None if alpha is None else round(alpha, 4),
    }
