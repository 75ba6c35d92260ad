"""Near-duplicates that people labelled differently: at most one of the labels is right."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from annotate.agreement.consensus import consensus
from pipeline.core.records import NO_CLASS, DuplicateGroup, Label


def label_conflicts(groups: Iterable[DuplicateGroup], labels: Iterable[Label]) -> list[dict[str, Any]]:
    """Groups whose members' labels differ: `group`, `kept`, and `labels`, class -> crops."""
    agreed, _ = consensus(labels, NO_CLASS)
    found = []
    for group in groups:
        said: dict[str, list[str]] = defaultdict(list)
        for member in group.members:
            if member in agreed:
                said[agreed[member].label].append(member)
        if len(said) > 1:
            found.append({"group": group.id, "kept": group.kept, "labels": dict(sorted(said.items()))})
    return found
