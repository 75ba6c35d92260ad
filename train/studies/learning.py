"""Whether a training was over when it ended: a net that was still learning says nothing of its recipe."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from train.runs import METRICS

FALLING = 0.05
"""share of its height that the loss must still lose, from the fifth before the last fifth of the epochs to the last"""
LEARNED = 0.9
"""a net that is right on so many of its training pictures has learned them, whatever the loss still does"""
HALF = 0.5
"""a net that has made less than this share of the way from the most frequent class to all has learned little"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """How far a training came on its own training pictures."""

    accuracy: float
    """share of them that it was right on while it trained, augmented where they are; mean of the last fifth of its epochs"""
    falling: float
    """share of its height that the loss lost from the fifth of the epochs before the last to the last; negative: it rose"""
    epochs: int
    """how many there were"""
    most_frequent: float
    """share of the largest class: what is right without having learned"""

    @property
    def unfinished(self) -> bool:
        """Whether longer training would probably change the figures."""
        far = (self.accuracy - self.most_frequent) / max(1e-9, 1 - self.most_frequent)
        return self.accuracy < LEARNED and (self.falling >= FALLING or far < HALF)


def learning_of(folder: Path, train_counts: Sequence[int]) -> Learning | None:
    """What a run's metrics.jsonl tells (an ensemble's: its base net's); None where it has none that can be read, which no
    figure depends on."""
    folder = next(iter(sorted(folder.glob("members/*.base-s*"))), folder)
    try:
        lines = [json.loads(line) for line in (folder / METRICS).read_text(encoding="utf-8").splitlines()]
        values_E2 = np.array([[line["train_loss"], line["train_accuracy"]] for line in lines], dtype=np.float64)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not len(values_E2) or not np.isfinite(values_E2).all() or not sum(train_counts):
        return None
    fifth = max(1, len(values_E2) // 5)
    last, before = values_E2[-fifth:], values_E2[-2 * fifth : -fifth]
    loss = float(before[:, 0].mean()) if len(before) else 0.0
    return Learning(
        accuracy=float(last[:, 1].mean()),
        falling=1 - float(last[:, 0].mean()) / loss if loss > 0 else 0.0,
        epochs=len(values_E2),
        most_frequent=max(train_counts) / sum(train_counts),
    )


def together(found: Sequence[Learning | None]) -> Learning | None:
    """The mean over seeds; None where any is missing."""
    if not found or any(one is None for one in found):
        return None
    known = [one for one in found if one is not None]
    return Learning(
        accuracy=float(np.mean([one.accuracy for one in known])),
        falling=float(np.mean([one.falling for one in known])),
        epochs=round(float(np.mean([one.epochs for one in known]))),
        most_frequent=known[0].most_frequent,
    )
