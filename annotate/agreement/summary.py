"""All about the answers of a workspace in one object: what `annotate agreement` prints and the report shows."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotate.agreement.annotators import Annotator, Share, annotators
from annotate.agreement.answers import evidence, judgements, ratings, votes_of
from annotate.agreement.coefficients import (
    Kappa,
    Patterns,
    alpha_of,
    coincidences,
    kappas,
    pairs_alike,
    patterns_of,
    raw_agreement,
    rows_of,
)
from annotate.agreement.consensus import estimate_of
from annotate.agreement.dawid_skene import Estimate
from annotate.agreement.honeypots import FOLDER, find_honeypots, read_honeypots
from annotate.agreement.intervals import Interval, alpha_interval
from annotate.agreement.propagation import Propagation, propagation
from annotate.agreement.suggestions import NAME as SUGGESTIONS
from annotate.agreement.suggestions import Suggested, read_suggestions
from pipeline.core.records import Label
from pipeline.core.workspace import Workspace

DISPUTED_SHOWN = 50
"""in what is printed"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alpha:
    """Krippendorff's alpha."""

    value: float | None
    """None where it is not defined"""
    interval: Interval | None
    """95 %, items drawn again"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """An item whose annotators differ."""

    item: str
    """id of the crop, place or sheet"""
    votes: dict[str, int]
    """answer -> how many gave it, most first"""
    by: dict[str, str]
    """annotator -> answer"""
    alike: float
    """share of the pairs of answers that are the same"""

    @property
    def tie(self) -> bool:
        """Whether no answer has most votes: a conflict, which gives no label by majority."""
        first, second, *_ = [*self.votes.values()]
        return first == second


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far the annotators of a workspace agree."""

    items: int
    """with an answer, sheets as one"""
    answers: int
    """to them: classes and NOT_A_FACE, not UNSURE, no skips"""
    several: int
    """items with two answers or more: what all coefficients are about"""
    unanimous: int
    """of them with one answer from all"""
    raw: float | None
    """share of pairs of answers that are the same, mean over the items"""
    alpha: Alpha
    """over all answers"""
    per_answer: dict[str, Alpha]
    """each answer against the rest"""
    kappas: tuple[Kappa, ...]
    """every two annotators with items in common"""
    classes: tuple[str, ...]
    """rows and columns of `coincidences`, sorted"""
    coincidences: tuple[tuple[float, ...], ...]
    """how often two answers met on an item, see coefficients.coincidences"""
    annotators: tuple[Annotator, ...]
    """by name"""
    disputed: tuple[Dispute, ...]
    """least agreement first, of equals that with more answers"""
    propagation: Propagation
    """of answers about sheets"""


def agreement_of(
    labels: Iterable[Label], known: dict[str, str] | None = None, suggested: Suggested | None = None
) -> Agreement:
    """The agreement of all annotators, the oracle of a drawn series among them if it labelled.

    Args:
        labels: every one there is.
        known: crop -> the known answer of honeypots; None where there are none.
        suggested: what annotators were shown.
    """
    labels = list(labels)
    said = judgements(labels)
    rated = ratings(said)
    votes = votes_of(rated)
    patterns = patterns_of(votes.values())
    several = [counts for counts in votes.values() if counts.total() > 1]
    return Agreement(
        items=len(votes),
        answers=sum(counts.total() for counts in votes.values()),
        several=len(several),
        unanimous=sum(len(counts) == 1 for counts in several),
        raw=raw_agreement(several),
        alpha=_alpha(patterns),
        per_answer={name: _alpha(patterns.as_class(name)) for name in patterns.answers},
        kappas=tuple(kappas(rated)),
        classes=patterns.answers,
        coincidences=tuple(tuple(float(cell) for cell in row) for row in coincidences(patterns)),
        annotators=tuple(annotators(labels, said, rated, _estimate(labels), known, suggested or {})),
        disputed=tuple(_disputes(rated, votes)),
        propagation=propagation(labels),
    )


def read_agreement(workspace: Workspace, honeypots: Path | None = None) -> Agreement:
    """The agreement in a workspace, with its honeypots (or those of another file) and suggestions. It writes nothing.

    Raises:
        LabelError: the file of honeypots or of suggestions is unusable.
    """
    return agreement_of(workspace.catalogue.all(Label), *read_extras(workspace.root, honeypots))


def read_extras(root: Path, honeypots: Path | None = None) -> tuple[dict[str, str] | None, Suggested]:
    """The known answers and the suggestions of the workspace in `root`, as `agreement_of` takes them. Raises LabelError."""
    path = honeypots or find_honeypots(root)
    return read_honeypots(path) if path else None, read_suggestions(root / FOLDER / SUGGESTIONS)


def document(found: Agreement) -> dict[str, Any]:
    """What `annotate agreement --json` prints."""
    return {
        "alpha": _rounded(found.alpha.value), "alpha_interval": _ends(found.alpha.interval),
        "raw_agreement": _rounded(found.raw), "items": found.items, "answers": found.answers,
        "answered_twice_or_more": found.several, "unanimous": found.unanimous,
        "per_class": {
            name: {"alpha": _rounded(one.value), "interval": _ends(one.interval)}
            for name, one in found.per_answer.items()
        },
        "kappas": [
            {
                "annotators": [one.first, one.second], "items": one.items, "same": one.same,
                "kappa": _rounded(one.kappa), "classes": (names := sorted({a for pair in one.table for a in pair})),
                "confusion": rows_of(one.table, names),
            }
            for one in found.kappas
        ],
        "coincidences": {"classes": found.classes, "rows": [[round(c, 4) for c in row] for row in found.coincidences]},
        "annotators": [_annotator(one) for one in found.annotators],
        "conflicts": sum(one.tie for one in found.disputed),
        "disputed": [
            {"item": one.item, "votes": one.votes, "by": one.by, "tie": one.tie} for one in found.disputed[:DISPUTED_SHOWN]
        ],
        "disputed_items": len(found.disputed),
        "propagation": {
            "sheets": found.propagation.sheets, "members": found.propagation.members,
            "checked": found.propagation.checked, "wrong": found.propagation.wrong,
            "error": _rounded(found.propagation.error), "interval": _ends(found.propagation.interval),
            "differing": list(found.propagation.differing[:DISPUTED_SHOWN]),
        },
    }  # fmt: skip


def _annotator(one: Annotator) -> dict[str, Any]:
    passed = one.honeypots
    return {
        "name": one.name, "answers": one.answers, "unsure": one.unsure, "skips": one.skips,
        "skip_share": _rounded(one.skip_share), "median_seconds": one.median_seconds,
        "agreement": {
            "items": one.shared, "share": _rounded(one.agreement), "interval": _ends(one.agreement_interval)
        },
        "estimated_right": _rounded(one.estimated_right),
        "honeypots": passed and {
            "answered": passed.answered, "right": passed.right, "interval": _ends(passed.interval),
            "verdict": passed.verdict,
        },
        "anchoring": {"shown": _share(one.anchoring.shown), "others": _share(one.anchoring.others)},
        "repeats": _share(one.repeats),
    }  # fmt: skip


def _share(one: Share) -> dict[str, Any]:
    return {"of": one.of, "hits": one.hits, "share": _rounded(one.share), "interval": _ends(one.interval)}


def _alpha(patterns: Patterns) -> Alpha:
    return Alpha(value=alpha_of(patterns), interval=alpha_interval(patterns))


def _estimate(labels: Iterable[Label]) -> Estimate | None:
    return estimate_of({crop: [one for one in given if one.emotion] for crop, given in evidence(labels).items()})


def _disputes(rated: Mapping[str, Mapping[str, str]], votes: Mapping[str, Counter[str]]) -> list[Dispute]:
    found = [
        Dispute(
            item=item, by=dict(sorted(rated[item].items())), alike=pairs_alike(counts),
            votes=dict(sorted(counts.items(), key=lambda one: (-one[1], one[0]))),
        )
        for item, counts in votes.items()
        if len(counts) > 1
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one.alike, -sum(one.votes.values()), one.item))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [round(end, 4) for end in interval]
