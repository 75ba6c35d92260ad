"""Labels that stand -> what they say of crops and sheets.

An answer about a whole sheet (a track, a near-duplicate group) is kept once per member, but it is one judgement: it
weighs as one. About a member it says only what is assumed, so an answer about the crop itself, by anybody, outranks it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.core.answers import about_character, standing
from pipeline.core.records import UNSURE, Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What an annotator said of one item, once."""

    item: str
    """id of the crop (or place), or of the sheet that was answered as a whole"""
    annotator: str
    """who answered"""
    answer: str
    """the class, NOT_A_FACE or UNSURE; empty for a skip"""
    seconds: float
    """how long it took; 0 when not known"""
    sheet: bool
    """whether the item is a sheet"""


def judgements(labels: Iterable[Label]) -> list[Judgement]:
    """Every annotator's answer to the question of the emotion, skips among them, sheets once; by item and annotator."""
    latest: dict[tuple[str, str], Label] = {}
    for label in standing(labels):
        if not about_character(label):
            latest[label.via or label.crop, label.annotator] = label
    return [
        Judgement(item=item, annotator=annotator, answer=label.emotion, seconds=label.seconds, sheet=bool(label.via))
        for (item, annotator), label in sorted(latest.items())
    ]


def evidence(labels: Iterable[Label]) -> dict[str, list[Label]]:
    """Crop -> the labels that speak about its emotion, one of each annotator, skips among them; by crop.

    Answers through a sheet are left out where anybody answered the crop itself (a skip is no answer).
    """
    found: dict[str, list[Label]] = defaultdict(list)
    for label in standing(labels):
        if not about_character(label):
            found[label.crop].append(label)
    return {crop: _outranking(given) for crop, given in sorted(found.items())}


def characters(labels: Iterable[Label]) -> dict[str, str]:
    """Crop -> the character named by most annotators, the first in the alphabet of equals; crops with none are absent."""
    named: dict[tuple[str, str], str] = {}
    for label in standing(labels):
        if label.character:
            named[label.crop, label.annotator] = label.character
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for (crop, _), character in named.items():
        votes[crop][character] += 1
    return {crop: min(count, key=lambda name: (-count[name], name)) for crop, count in sorted(votes.items())}


def ratings(said: Iterable[Judgement]) -> dict[str, dict[str, str]]:
    """Item -> annotator -> class or NOT_A_FACE. Skips and UNSURE are no value, as a missing one in Krippendorff's sense."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for one in said:
        if one.answer and one.answer != UNSURE:
            found[one.item][one.annotator] = one.answer
    return dict(found)


def votes_of(rated: Mapping[str, Mapping[str, str]]) -> dict[str, Counter[str]]:
    """Item -> how often each answer was given."""
    return {item: Counter(answers.values()) for item, answers in rated.items()}


def _outranking(given: list[Label]) -> list[Label]:
    """One label of each annotator; the crop's own where anybody gave one."""
    own = {label.annotator: label for label in given if not label.via}
    if any(label.emotion for label in own.values()):
        return list(own.values())
    return list((own | {label.annotator: label for label in given if label.via}).values())
