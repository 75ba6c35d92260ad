"""What the verbs need of folders that annotate does not know. `pipeline.cli` hands it in before any verb runs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from annotate.queueing.order import Classifier
    from pipeline.core.progress import Progress
    from pipeline.core.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What other folders do for annotate."""

    group_duplicates: "Callable[[Workspace, Progress], None]"
    """brings the near-duplicate groups up to date"""
    load_classifier: "Callable[[Workspace, str], Classifier]"
    """the model of a training run, by id or folder"""


_given: list[Rooms] = []


def give(rooms: Rooms) -> None:
    """Hands the rooms in; the last ones count."""
    _given[:] = [rooms]


def given() -> Rooms:
    """What was handed in. Raises LookupError where nothing was."""
    if not _given:
        raise LookupError("no rooms were handed in: call annotate.rooms.give first")
    return _given[0]
