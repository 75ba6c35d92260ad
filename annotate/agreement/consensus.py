"""What the annotators of a crop say together: one class, how sure that is, and the share of every class.

Two methods. `majority` counts heads. `dawid-skene` weighs each answer by how its annotator errs (see dawid_skene), so
three careless annotators need not outvote a careful one.

* A skip says nothing, by either method.
* UNSURE is an answer: by majority it is a vote, and a crop where it wins has no class; by Dawid & Skene it is no class,
  and tells what this annotator's being unsure has told elsewhere; a crop with nothing else has no class.
* NOT_A_FACE is a class that no dataset has: a crop where it wins is left out.
* An answer through a sheet speaks for a member only where nobody answered the member itself. Members with the same
  answers through the same sheets are one item to Dawid & Skene, however many they are.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from annotate.agreement.answers import characters, evidence
from annotate.agreement.dawid_skene import Estimate, Said, dawid_skene
from pipeline.core.answers import standing
from pipeline.core.records import UNSURE, Label

MAJORITY, DAWID_SKENE = METHODS = ("majority", "dawid-skene")
DIGITS = 6
"""of a probability: so far it is the same on any machine"""
TOO_FEW_AGREE = "too little agreement"
"""why a crop has none: its share is below the least wanted"""
LEAST_SHARE = 0.001
"""a class less probable than this is no part of a soft label"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """What the annotators of one crop say together."""

    label: str
    """the answer most of them gave, or the most probable class"""
    shares: dict[str, float]
    """class -> share of the answers, or probability; sums to 1"""
    character: str
    """named most often; empty when nobody named one"""
    annotators: int
    """how many answered"""
    agreement: float
    """share of all answers that are `label`, or its probability"""


def consensus(
    labels: Iterable[Label], exclude: tuple[str, ...], method: str = MAJORITY, min_agreement: float = 0.0
) -> tuple[dict[str, Consensus], Counter[str]]:
    """Crop id -> what its annotators say together, and how many crops have none, by reason.

    A tie is a conflict and gives none; so does an answer that is in `exclude`, or less agreement than wanted.
    """
    labels = list(labels)
    speaking = evidence(labels)
    given = {crop: speaking.get(crop, []) for crop in sorted({one.crop for one in standing(labels)})}
    said = {crop: [one for one in found if one.emotion] for crop, found in given.items()}
    ranked = _majority(said) if method == MAJORITY else _dawid_skene(said)
    named = characters(labels)
    agreed: dict[str, Consensus] = {}
    left_out: Counter[str] = Counter()
    for crop, answers in given.items():
        shares = ranked.get(crop, {})
        best = sorted(shares.items(), key=lambda one: (-one[1], one[0]))
        if not best:
            left_out["no emotion said"] += 1
        elif len(best) > 1 and best[0][1] == best[1][1]:
            left_out["conflict"] += 1
        elif best[0][0] in exclude:
            left_out[best[0][0]] += 1
        elif best[0][1] / sum(shares.values()) < min_agreement:
            left_out[TOO_FEW_AGREE] += 1
        else:
            kept = {name: share for name, share in shares.items() if name not in exclude}
            agreed[crop] = Consensus(
                label=best[0][0],
                shares={name: share / sum(kept.values()) for name, share in kept.items()},
                character=named.get(crop, ""),
                annotators=len(answers),
                agreement=best[0][1] / sum(shares.values()),
            )
    return agreed, left_out


def _majority(said: dict[str, list[Label]]) -> dict[str, Counter[str]]:
    """Crop -> answer -> votes."""
    return {crop: Counter(label.emotion for label in answers) for crop, answers in said.items()}


def _dawid_skene(said: dict[str, list[Label]]) -> dict[str, dict[str, float]]:
    """Crop -> class -> probability; UNSURE alone where nothing else was said."""
    items = {crop: item_of(crop, answers) for crop, answers in said.items() if answers}
    found = estimate_of(said)
    ranked: dict[str, dict[str, float]] = {}
    for crop, item in items.items():
        if found is None or all(label.emotion == UNSURE for label in said[crop]):
            ranked[crop] = {UNSURE: 1.0}
            continue
        probabilities_K = found.probabilities[found.items[item]]
        rounded = {name: round(float(p), DIGITS) for name, p in zip(found.classes, probabilities_K, strict=True)}
        ranked[crop] = {name: share for name, share in rounded.items() if share >= LEAST_SHARE}
    return ranked


def estimate_of(said: dict[str, list[Label]]) -> Estimate | None:
    """Dawid & Skene's estimate from the answers that speak about each crop; None without any."""
    answers = {
        (item_of(crop, given), one.annotator): Said(
            item=item_of(crop, given), annotator=one.annotator, answer=one.emotion
        )
        for crop, given in said.items()
        for one in given
    }
    return dawid_skene(list(answers.values()), (UNSURE,)) if answers else None


def item_of(crop: str, given: list[Label]) -> str:
    """What is judged: the crop, or all members that have the same answers through the same sheets, as one item."""
    if not all(one.via for one in given):
        return crop
    return json.dumps(sorted((one.annotator, one.via, one.emotion) for one in given))
