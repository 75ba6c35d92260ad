"""What a model got wrong, with where to look it up, and which classes it confuses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.manifest import Example
from pipeline.core.places import Timestamp
from train.explain.confident import LabelErrors
from train.explain.held_out import Unseen


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """An example that was taken for another class."""

    crop: str
    """id of the example"""
    file: str
    """its image, relative to the dataset's folder"""
    truth: str
    """its label"""
    predicted: str
    """what the model said"""
    probability: float
    """that the model gave to it"""
    truth_probability: float
    """that it gave to the label"""
    character: str
    """whose face it is; empty when unknown"""
    episode: str
    """id; empty for a picture of no episode"""
    timecode: str
    """of the frame; empty for a picture of no episode"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusedPair:
    """Two classes that are taken for one another."""

    classes: tuple[str, str]
    """in the order of the model's classes"""
    first_as_second: int
    """examples of the first taken for the second"""
    second_as_first: int
    """and the other way"""
    share: float
    """of all examples of the two"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """An example whose label is likely wrong."""

    crop: str
    """id of the example"""
    label: str
    """as given"""
    better: str
    """what the model confidently says"""
    priority: float
    """0 to 1: half of how much likelier the other class is, plus a half"""
    reason: str
    """for people"""


def mistakes_of(unseen: Unseen, classes: Sequence[str]) -> list[Mistake]:
    """All mistakes, those first that the model was surest of."""
    predicted_N = unseen.probabilities.argmax(axis=1)
    wrong = [int(row) for row in np.flatnonzero(predicted_N != unseen.labels)]
    found = [_mistake(unseen, row, int(predicted_N[row]), classes) for row in wrong]
    return sorted(found, key=lambda one: (-one.probability, one.crop))


def _mistake(unseen: Unseen, row: int, predicted: int, classes: Sequence[str]) -> Mistake:
    example, truth = unseen.examples[row], int(unseen.labels[row])
    return Mistake(
        crop=example.id,
        file=example.file,
        truth=classes[truth],
        predicted=classes[predicted],
        probability=round(float(unseen.probabilities[row, predicted]), 4),
        truth_probability=round(float(unseen.probabilities[row, truth]), 4),
        character=example.character,
        episode=example.episode,
        timecode=timecode_of(example),
    )


def timecode_of(example: Example) -> str:
    """When the example is shown; empty for a picture of no episode."""
    return Timestamp(pts=example.pts, time_base=example.time_base).timecode if example.episode else ""


def confused_pairs(unseen: Unseen, classes: Sequence[str]) -> list[ConfusedPair]:
    """Pairs of classes with a mistake between them, most mistakes first."""
    predicted_N = unseen.probabilities.argmax(axis=1)
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, (unseen.labels, predicted_N), 1)
    sizes = counts.sum(axis=1)
    found = [
        ConfusedPair(
            classes=(classes[a], classes[b]),
            first_as_second=int(counts[a, b]),
            second_as_first=int(counts[b, a]),
            share=round(float((counts[a, b] + counts[b, a]) / max(1, sizes[a] + sizes[b])), 4),
        )
        for a in range(len(classes))
        for b in range(a + 1, len(classes))
        if counts[a, b] + counts[b, a]
    ]
    return sorted(found, key=lambda pair: (-pair.first_as_second - pair.second_as_first, pair.classes))


def suspects_of(unseen: Unseen, errors: LabelErrors, classes: Sequence[str]) -> list[Suspect]:
    """Examples whose label is likely wrong, the likeliest first."""
    found = []
    for row in errors.suspects:
        label, better = classes[int(unseen.labels[row])], classes[int(errors.better[row])]
        sure, doubt = (float(unseen.probabilities[row, classes.index(name)]) for name in (better, label))
        found.append(
            Suspect(
                crop=unseen.examples[row].id,
                label=label,
                better=better,
                priority=round((1 - float(errors.margins[row])) / 2, 4),
                reason=f"labelled {label} ({doubt:.0%}), a model that never saw it says {better} ({sure:.0%})",
            )
        )
    return found
