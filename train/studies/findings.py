"""What follows from the tables, in plain sentences; macro-F1 decides."""

from collections.abc import Sequence

import numpy as np

from train.studies.baselines import NAMES
from train.studies.contestants import Contestant
from train.studies.tables import ALPHA, Line

SINGLY = 3
"""up to so many pairs each has a sentence of its own; of more, each recipe has one"""


def findings(pairs: Sequence[Line], beside_baseline: Sequence[Line], summary: Sequence[Line]) -> list[str]:
    """Which recipes are better than which, then who is not better than the best baseline.

    Args:
        pairs: of the recipes, as `pairs_of` gives them.
        beside_baseline: each recipe against the best baseline.
        summary: the lines of recipes and baselines, for their figures.
    """
    beside = [line for line in beside_baseline if line["metric"] == "macro_f1"]
    compared = [line for line in pairs if line["metric"] == "macro_f1"]
    if len(compared) <= SINGLY:
        single = [_pair_words(line, len(compared)) for line in compared]
    else:
        single = _ranked_words(compared, summary)
    said = [words for words in single if words]
    if compared and not any(_is_sure(line) for line in compared):
        said.append(
            "no two of them differ by more than luck"
            if compared[1:]
            else f"the two do not differ by more than luck (p {p_words(compared[0]['p'])})"
        )
    return [*said, *_baselines_words(beside, summary)]


def bridges(pairs: Sequence[Line]) -> list[str]:
    """What each arm of a domain shift gains over the plain one: a sentence for each that is sure, one for all others."""
    lines = [line for line in pairs if line["metric"] == "macro_f1"]
    said = [
        f"{line['first']}: macro-F1 on the target {abs(line['difference']):.3f} "
        f"{'higher' if line['difference'] > 0 else 'lower'} than {line['second']}, more than luck "
        f"(p {p_words(line['p_corrected'])})"
        for line in lines
        if _is_sure(line)
    ]
    if rest := [line for line in lines if not _is_sure(line)]:
        told = ", ".join(f"{line['first']} {line['difference']:+.3f}" for line in rest)
        said.append(f"no more than luck apart from {rest[0]['second']} in macro-F1 on the target: {told}")
    return said


def at_home_words(at_home: Sequence[Contestant], baseline: Contestant) -> list[str]:
    """What is not learned of the source cannot be lost on the way."""
    scores = {one.name: float(np.mean(one.values("macro_f1"))) for one in at_home}
    best, looked = max(scores, key=lambda name: scores[name]), baseline.values("macro_f1")[0]
    if scores[best] > looked:
        return []
    return [
        f"not even the source was learned: on its own test split the best arm, {best}, has macro-F1 {scores[best]:.3f}, and "
        f"{NAMES[baseline.name]}, which needs no training, {looked:.3f}; the arms say nothing of the way to the target"
    ]


def p_words(value: float) -> str:
    """`below 0.001`, `0.042`"""
    return "below 0.001" if value < 0.001 else f"{value:.3f}"


def _is_sure(line: Line) -> bool:
    return bool(line["p_corrected"] < ALPHA)


def _pair_words(line: Line, count: int) -> str:
    if not _is_sure(line):
        return ""
    ends = line["first"], line["second"]
    better, worse = ends if line["difference"] > 0 else ends[::-1]
    return (
        f"{better} is better than {worse}: macro-F1 higher by {abs(line['difference']):.3f}, "
        f"p {p_words(line['p_corrected'])}" + (f" after correction for {count} pairs" if count > 1 else "")
    )


def _ranked_words(compared: Sequence[Line], summary: Sequence[Line]) -> list[str]:
    """A sentence for each recipe that is surely better than another, the best first."""
    named = {name for line in compared for name in (line["first"], line["second"])}
    ranked = sorted((line for line in summary if line["recipe"] in named), key=lambda line: -line["macro_f1"])
    said = []
    for name in (line["recipe"] for line in ranked):
        own = [line for line in compared if name in (line["first"], line["second"])]
        ahead = [line for line in own if (line["difference"] > 0) == (line["first"] == name) and line["difference"]]
        sure = [line for line in ahead if _is_sure(line)]
        if not sure:
            continue
        worst = max(line["p_corrected"] for line in sure)
        words = f"{name} is better than {_others(sure, name, len(own))}"
        words += f" (p {p_words(worst) if worst < 0.001 else f'at most {worst:.3f}'}"
        words += f" after correction for {len(compared)} pairs)"
        unsure = [line for line in own if line not in sure and not _is_sure(line)]
        said.append(words + (f", not surely than {_names(unsure, name)}" if unsure and len(unsure) <= SINGLY else ""))
    return said


def _others(sure: Sequence[Line], name: str, tested: int) -> str:
    if len(sure) == tested and tested > SINGLY:
        return f"each of the {tested} others"
    return _names(sure, name) if len(sure) <= SINGLY else f"{len(sure)} of the {tested} others: {_names(sure, name)}"


def _names(lines: Sequence[Line], name: str) -> str:
    return ", ".join(line["second"] if line["first"] == name else line["first"] for line in lines)


def _baselines_words(beside: Sequence[Line], summary: Sequence[Line]) -> list[str]:
    """Who is not, or not surely, better than what needs no training."""
    remarks = {line["recipe"]: line.get("remarks", ()) for line in summary}
    figures = {line["recipe"]: line["macro_f1"] for line in summary}
    worse = [line for line in beside if line["difference"] <= 0]
    unsure = [line for line in beside if line["difference"] > 0 and not _is_sure(line)]
    said = []
    for lines, how in ((worse, "not better"), (unsure, "not surely better")):
        if len(lines) <= SINGLY:
            said += [_baseline_words(line, how, figures, remarks[line["first"]]) for line in lines]
            continue
        second = lines[0]["second"]
        ordered = sorted((line["first"] for line in lines), key=lambda name: -figures[name])
        told = ", ".join(f"{name} {figures[name]:.3f}" for name in ordered)
        weak = sum("under-trained" in remarks[name] for name in ordered)
        said.append(
            f"{how} than {NAMES.get(second, second)} (macro-F1 {figures[second]:.3f}), which needs no training: {told}"
            + (
                f"; {'all' if weak == len(ordered) else weak} of these {'is' if weak == 1 else 'are'} under-trained"
                if weak
                else ""
            )
        )
    return said


def _baseline_words(line: Line, how: str, figures: dict[str, float], remarks: Sequence[str]) -> str:
    found = (
        f"macro-F1 {figures[line['first']]:.3f} against {figures[line['second']]:.3f}, p {p_words(line['p_corrected'])}"
    )
    name = NAMES.get(line["second"], line["second"])
    words = f"{line['first']} is {how} than {name}, which needs no training: {found}"
    return words + ("; it is under-trained" if "under-trained" in remarks else "")
