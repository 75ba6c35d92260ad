"""What a reader of the figures has to know: luck that cannot be ruled out, unequal budgets, nets that had not learned."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from train.studies.contestants import Contestant
from train.studies.learning import Learning, together

FEW_SHOTS = 6
"""fewer shots that differ can never give a p below 0.05: 2 / 2**5 is 0.0625"""
OVER = 1.2
"""a training that takes so many times the budget is named"""
NAMED = 4
"""so many are named with their figures"""
WEIGHTS_NOTE = re.compile(r"no \S+ weights: training began with ")
"""how the runs' own note of missing weights begins; here one line says it for all"""


def cautions(
    contestants: Sequence[Contestant], budget_seconds: float | None = None, besides: Mapping[str, float] | None = None
) -> list[str]:
    """In plain sentences.

    Args:
        contestants: one or more.
        budget_seconds: what the epochs of each training might cost; None where nothing was said.
        besides: name -> seconds that its trainings take outside the budget.
    """
    said = []
    shots = len(set(contestants[0].exam.shots.tolist()))
    if shots < FEW_SHOTS:
        said.append(
            f"the test examples come from {shots} shot(s): too few for the luck of the test set ever to be ruled out"
        )
    if single := [one.name for one in contestants if len(one.trials) == 1]:
        said.append(f"one seed says nothing about the luck of training: {', '.join(single)}")
    said += _budget_words(contestants, budget_seconds, besides or {})
    said += [words for words in (_unfinished_words(contestants), _weights_words(contestants)) if words]
    if still := [one.name for one in contestants if all(trial.head_alone for trial in one.trials)]:
        said.append(f"the head alone was trained, all epochs being short retraining: {', '.join(still)}")
    return said + _own_notes(contestants, said)


def _own_notes(contestants: Sequence[Contestant], said: Sequence[str]) -> list[str]:
    """What the runs say of themselves, each thing once."""
    found: list[str] = []
    for one in contestants:
        for note in dict.fromkeys(note for trial in one.trials for note in trial.notes):
            if not WEIGHTS_NOTE.match(note) and all(note not in words for words in [*said, *found]):
                found.append(note)
    return found


def _unfinished_words(contestants: Sequence[Contestant]) -> str:
    learned = {one.name: together([trial.learning for trial in one.trials]) for one in contestants}
    found = [(name, learning) for name, learning in learned.items() if learning is not None and learning.unfinished]
    if not found:
        return ""
    return "under-trained, so that more epochs would probably change their figures: " + "; ".join(
        f"{name} ({_learned_words(learning)})" for name, learning in found
    )


def _learned_words(learning: Learning) -> str:
    words = f"right on {learning.accuracy:.0%} of its training pictures"
    if learning.falling > 0.005:
        fifth = max(1, learning.epochs // 5)
        words += f", loss down by {learning.falling:.0%} in its last {fifth} of {learning.epochs} epochs"
    return words


def _weights_words(contestants: Sequence[Contestant]) -> str:
    missing: dict[str, list[str]] = {}
    for one in contestants:
        for wanted in sorted({trial.chance_instead for trial in one.trials} - {""}):
            missing.setdefault(wanted, []).append(one.name)
    return "; ".join(
        f"random weights instead of {wanted}, which could not be had here (--weights FILE): {', '.join(names)}"
        for wanted, names in missing.items()
    )


def _budget_words(contestants: Sequence[Contestant], seconds: float | None, besides: Mapping[str, float]) -> list[str]:
    if seconds is not None:
        return _seconds_words(contestants, seconds, besides)
    for what, name in (("epochs", "epochs"), ("training pictures seen", "images_seen")):
        values = {one.name: _mean_of(one, name) for one in contestants}
        if len(set(values.values())) > 1:
            return [f"not at equal budget, {what}: " + ", ".join(f"{name} {v:,.0f}" for name, v in values.items())]
    epochs, seen = (_mean_of(contestants[0], name) for name in ("epochs", "images_seen"))
    return [f"equal budget: {epochs:,.0f} epochs, {seen:,.0f} training pictures seen in each training"]


def _seconds_words(contestants: Sequence[Contestant], seconds: float, besides: Mapping[str, float]) -> list[str]:
    said = [
        f"equal budget: {seconds:g} s for the epochs of each training; each recipe makes as many as fit by what one was "
        "measured to cost, and its schedule and short retraining follow"
    ]
    costs = {one.name: [t.cpu_seconds for t in one.trials if t.cpu_seconds is not None] for one in contestants}
    spent = {name: float(np.mean(values)) - besides.get(name, 0.0) for name, values in costs.items() if values}
    if dear := {name: mean for name, mean in spent.items() if mean > OVER * seconds}:
        said.append("over the budget: " + ", ".join(f"{name} {mean:.1f} s" for name, mean in dear.items()))
    return said


def _mean_of(contestant: Contestant, name: str) -> float:
    return float(np.mean([getattr(trial, name) for trial in contestant.trials]))
