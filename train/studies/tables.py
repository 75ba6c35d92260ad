"""From contestants to the tables: a line for each, a test for each pair, and what follows in plain words."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np

from train.metrics import LEVEL, per_class_of
from train.studies.baselines import NAMES
from train.studies.calibration import calibration_of
from train.studies.contestants import Contestant, Trial
from train.studies.statistics import METRICS, holm, mean_over_seeds, paired_test

ALPHA = 1 - LEVEL
"""below it a difference is taken for more than luck"""
GROUPS = ("character", "episode")
FEW_SHOTS = 6
"""fewer shots that differ can never give a p below ALPHA: 2 / 2**5 is 0.0625"""

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
        line |= _calibration(contestant) | _budget(contestant.trials)
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


def findings(pairs: Sequence[Line], beside_baseline: Sequence[Line], summary: Sequence[Line]) -> list[str]:
    """What follows from the tables, in plain sentences; macro-F1 decides."""
    said = [_baseline_words(line, summary) for line in beside_baseline if line["metric"] == "macro_f1"]
    said = [words for words in said if words]
    compared = [line for line in pairs if line["metric"] == "macro_f1"]
    for line in compared:
        if line["p_corrected"] < ALPHA:
            better, worse = (
                (line["first"], line["second"]) if line["difference"] > 0 else (line["second"], line["first"])
            )
            said.append(
                f"{better} is better than {worse}: macro-F1 higher by {abs(line['difference']):.3f}, "
                f"p {p_words(line['p_corrected'])}"
                + (f" after correction for {len(compared)} pairs" if compared[1:] else "")
            )
    if compared and not any(line["p_corrected"] < ALPHA for line in compared):
        said.append(
            "no two of them differ by more than luck"
            if compared[1:]
            else f"the two do not differ by more than luck (p {p_words(compared[0]['p'])})"
        )
    return said


def cautions(contestants: Sequence[Contestant]) -> list[str]:
    """What a reader of the figures has to know: few shots, one seed, unequal budgets, the runs' own notes."""
    said = []
    shots = len(set(contestants[0].exam.shots.tolist()))
    if shots < FEW_SHOTS:
        said.append(
            f"the test examples come from {shots} shot(s): too few for the luck of the test set ever to be ruled out"
        )
    if single := [one.name for one in contestants if len(one.trials) == 1]:
        said.append(f"one seed says nothing about the luck of training: {', '.join(single)}")
    said.append(_budget_words(contestants))
    for one in contestants:
        for note in dict.fromkeys(note for trial in one.trials for note in trial.notes):
            if all(note not in words for words in said):
                said.append(note)
    return said


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


def _budget_words(contestants: Sequence[Contestant]) -> str:
    for what, name in (("epochs", "epochs"), ("training pictures seen", "images_seen")):
        values = {one.name: _mean_of(one, name) for one in contestants}
        if len(set(values.values())) > 1:
            return f"not at equal budget, {what}: " + ", ".join(f"{name} {v:,.0f}" for name, v in values.items())
    epochs, seen = (_mean_of(contestants[0], name) for name in ("epochs", "images_seen"))
    return f"equal budget: {epochs:,.0f} epochs, {seen:,.0f} training pictures seen in each training"


def _mean_of(contestant: Contestant, name: str) -> float:
    return float(np.mean([getattr(trial, name) for trial in contestant.trials]))


def _baseline_words(line: Line, summary: Sequence[Line]) -> str:
    if line["difference"] > 0 and line["p_corrected"] < ALPHA:
        return ""
    figures = {one["recipe"]: one["macro_f1"] for one in summary}
    found = (
        f"macro-F1 {figures[line['first']]:.3f} against {figures[line['second']]:.3f}, p {p_words(line['p_corrected'])}"
    )
    name = NAMES.get(line["second"], line["second"])
    if line["difference"] <= 0:
        return f"{line['first']} is not better than {name}, which needs no training: {found}"
    return f"{line['first']} is not surely better than {name}, which needs no training: {found}"


def p_words(value: float) -> str:
    """`below 0.001`, `0.042`"""
    return "below 0.001" if value < 0.001 else f"{value:.3f}"
