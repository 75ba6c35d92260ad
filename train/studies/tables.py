"""From contestants to the tables: a line for each, a test for each pair."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np

from train.metrics import LEVEL, per_class_of
from train.studies.calibration import calibration_of
from train.studies.contestants import Contestant, Trial
from train.studies.learning import together
from train.studies.statistics import METRICS, holm, mean_over_seeds, paired_test

ALPHA = 1 - LEVEL
"""below it a difference is taken for more than luck"""
GROUPS = ("character", "episode")

Line = dict[str, Any]


def row_of(contestant: Contestant, number: int, trial: Trial) -> Line:
    """One training's figures."""
    values = {metric: contestant.values(metric)[number] for metric in METRICS}
    calibration = calibration_of(trial.probabilities, contestant.exam.truth)
    return {
        "recipe": contestant.name, "seed": trial.seed, **values, "ece": calibration.ece, "seconds": trial.seconds,
        "cpu_seconds": trial.cpu_seconds, "epochs": trial.epochs, "images_seen": trial.images_seen,
        "runs": list(trial.runs), "reason": "",
    }  # fmt: skip


def summary_of(contestant: Contestant) -> Line:
    """All that is told of a contestant, means over its seeds."""
    exam = contestant.exam
    line: Line = {"recipe": contestant.name, "seeds": len(contestant.predicted)}
    for metric in METRICS:
        found = mean_over_seeds(contestant.counts, metric)
        line |= {
            metric: found.mean,
            f"{metric}_spread": found.spread,
            f"{metric}_interval": found.seeds_interval,
            f"{metric}_shots_interval": found.shots_interval,
        }
    confusions = [counts.astype(np.int64) for counts in contestant.counts.sum(axis=1)]
    scores = np.stack([per_class_of(confusion) for confusion in confusions]).mean(axis=0)
    support = confusions[0].sum(axis=1)
    line["balanced_accuracy"] = float(scores[1][support > 0].mean())
    line["per_class"] = {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
        for name, p, r, f, n in zip(exam.classes, *scores, support, strict=True)
    }
    line["confusion"] = np.mean(confusions, axis=0).round(2).tolist()
    for key in GROUPS:
        line[f"per_{key}"] = {name: _group(contestant.part(rows)) for name, rows in exam.rows_by(key).items()}
    if contestant.trials:
        line |= _calibration(contestant) | _budget(contestant.trials) | _training(contestant.trials)
    return line


def pairs_of(contestants: Sequence[Contestant], against: Sequence[Contestant] = ()) -> list[Line]:
    """Every pair of contestants, or each of them against each of the others given; Holm's correction for each metric."""
    pairs = [(one, other) for one in contestants for other in against] or list(combinations(contestants, 2))
    lines: list[Line] = []
    for metric in METRICS:
        tests = [paired_test(first.counts, second.counts, metric) for first, second in pairs]
        for (first, second), test, corrected in zip(pairs, tests, holm([test.p for test in tests]), strict=True):
            lines.append(
                {"first": first.name, "second": second.name, "metric": metric, **asdict(test), "p_corrected": corrected}
            )
    return lines


def best_of(baselines: Sequence[Contestant]) -> Contestant:
    """The baseline with the highest macro-F1, the first of equals."""
    return max(baselines, key=lambda one: one.values("macro_f1")[0])


def _group(part: Contestant) -> Line:
    exam = part.exam
    return {
        "examples": len(exam.examples),
        "shots": len(set(exam.shots.tolist())),
        **{metric: float(np.mean(part.values(metric))) for metric in METRICS},
    }


def _calibration(contestant: Contestant) -> Line:
    """ECE as the mean of the single models'; the diagram of all models' predictions together."""
    truth_N = contestant.exam.truth
    single = [calibration_of(trial.probabilities, truth_N) for trial in contestant.trials]
    together = calibration_of(
        np.concatenate([trial.probabilities for trial in contestant.trials]),
        np.tile(truth_N, len(contestant.trials)),
    )
    return {
        "ece": float(np.mean([one.ece for one in single])),
        "overconfidence": float(np.mean([one.overconfidence for one in single])),
        "reliability": [asdict(one) for one in together.bins],
    }


def _budget(trials: Sequence[Trial]) -> Line:
    costs = [trial.cpu_seconds for trial in trials if trial.cpu_seconds is not None]
    return {
        "epochs": float(np.mean([trial.epochs for trial in trials])),
        "images_seen": float(np.mean([trial.images_seen for trial in trials])),
        "seconds": float(np.mean([trial.seconds for trial in trials])),
        "cpu_seconds": float(np.mean(costs)) if costs else None,
    }


def _training(trials: Sequence[Trial]) -> Line:
    """What the training itself tells of the figures: how far it came, and in a word or two what is wrong with it."""
    learning = together([trial.learning for trial in trials])
    remarks = [
        words
        for words, true in (
            ("under-trained", learning is not None and learning.unfinished),
            ("random weights", any(trial.chance_instead for trial in trials)),
            ("head alone", all(trial.head_alone for trial in trials)),
        )
        if true
    ]
    return {
        "train_accuracy": None if learning is None else learning.accuracy,
        "loss_falling": None if learning is None else learning.falling,
        "remarks": remarks,
    }
