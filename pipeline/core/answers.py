"""Which of the answers that were ever given count now."""

from collections.abc import Iterable

from pipeline.core.records import Label


def counting(labels: Iterable[Label]) -> list[Label]:
    """Of each annotator's answers about an item the latest that stands, sorted by item and annotator.

    Withdrawn answers never count; a later skip counts instead of an answer before it.
    """
    latest: dict[tuple[str, str], Label] = {}
    for label in sorted((one for one in labels if not one.withdrawn), key=lambda one: (one.created, one.id)):
        latest[label.crop, label.annotator] = label
    return [latest[key] for key in sorted(latest)]
