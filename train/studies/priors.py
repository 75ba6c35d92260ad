"""Predictions beside the class priors: a net that has learned nothing of the target answers with its training's shares."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from train.studies.contestants import Contestant

LEANING = 0.2
"""a class that is named so much more often than it is there is worth a sentence"""
ALIKE = 0.05
"""outputs that lie no further than this from their mean, on average, are all the same"""


def shares_of(arms: Sequence[Contestant], prior_counts: Sequence[int]) -> dict[str, Any]:
    """Share of each class in the source's training, in the target's truth, and in what each arm predicts there.

    For each arm also `distance`, the total variation between predicted and true shares (0 alike, 1 nothing in common),
    and `variety`, the mean total variation between the output for one picture and the mean output: near 0 the net says
    the same whatever it sees.
    """
    exam = arms[0].exam
    classes = len(exam.classes)
    truth_C = np.bincount(exam.truth, minlength=classes) / len(exam.truth)
    prior_C = np.asarray(prior_counts, dtype=np.float64)
    found = []
    for arm in arms:
        predicted_C = np.bincount(arm.predicted.ravel(), minlength=classes) / arm.predicted.size
        far = [
            np.abs(trial.probabilities - trial.probabilities.mean(axis=0)).sum(axis=1).mean() / 2
            for trial in arm.trials
        ]
        found.append(
            {
                "name": arm.name,
                "predicted": predicted_C.round(6).tolist(),
                "distance": float(np.abs(predicted_C - truth_C).sum() / 2),
                "variety": float(np.mean(far)),
            }
        )
    return {
        "classes": list(exam.classes),
        "prior": (prior_C / prior_C.sum()).round(6).tolist(),
        "truth": truth_C.round(6).tolist(),
        "arms": found,
    }


def leaning_words(arm: dict[str, Any], shares: dict[str, Any]) -> str:
    """The class that an arm leans to, when it does; empty otherwise."""
    excess = [predicted - true for predicted, true in zip(arm["predicted"], shares["truth"], strict=True)]
    most = int(np.argmax(excess))
    said = []
    if excess[most] > LEANING:
        largest = shares["prior"][most] > max(*shares["prior"][:most], *shares["prior"][most + 1 :])
        said.append(
            f"{arm['name']} calls {arm['predicted'][most]:.0%} of the target {shares['classes'][most]}, which "
            f"{shares['truth'][most]:.0%} of it is" + (": the largest class of its training" if largest else "")
        )
    if arm["variety"] < ALIKE:
        said.append(f"{arm['name']} says nearly the same of every picture")
    return "; ".join(said)
