"""Which of the answers that were ever given count now.

Withdrawn ones never. Of one annotator's answers to one question about one item the latest; the emotion and, where it was
asked alone, the character are two questions, and the item itself and a sheet that it is on are two ways to be asked.
"""

from collections.abc import Iterable

from pipeline.core.records import Label


def standing(labels: Iterable[Label]) -> list[Label]:
    """The labels that count, oldest first: none withdrawn, the latest of each annotator, item, way and question.

    Where an annotator answered in both ways both are kept; `annotate.agreement.answers.evidence` says which one matters.
    """
    latest: dict[tuple[str, str, str, bool], Label] = {}
    for label in sorted(labels, key=lambda one: (one.created, one.id)):
        if not label.withdrawn:
            latest[label.crop, label.annotator, label.via, about_character(label)] = label
    return sorted(latest.values(), key=lambda one: (one.created, one.id))


def counting(labels: Iterable[Label]) -> list[Label]:
    """Of each annotator's answers about an item the latest that stands, whichever the question; by item and annotator.

    A later skip counts instead of an answer before it.
    """
    latest = {(label.crop, label.annotator): label for label in standing(labels)}
    return [latest[key] for key in sorted(latest)]


def about_character(label: Label) -> bool:
    """Whether only the character was asked."""
    return bool(label.character) and not label.emotion
