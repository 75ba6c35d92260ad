"""Sheets answered as a whole: how often the answer is wrong for a member, and which members to ask about singly."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from annotate.agreement.intervals import Interval, wilson
from pipeline.core.answers import standing
from pipeline.core.records import Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Propagation:
    """How answers about sheets fare on members that were answered singly, too."""

    sheets: int
    """answered as a whole"""
    members: int
    """crops that have an answer through a sheet"""
    checked: int
    """of them answered singly as well"""
    wrong: int
    """of those with another answer"""
    interval: Interval | None
    """of the share that is wrong, 95 %, as if the members were independent: check few of one sheet"""
    differing: tuple[str, ...]
    """ids of the wrong ones"""

    @property
    def error(self) -> float | None:
        """Share of the checked members for which the sheet's answer is wrong; None before any was checked."""
        return self.wrong / self.checked if self.checked else None


def propagation(labels: Iterable[Label]) -> Propagation:
    """Compares, for each member, what most said of it through its sheets and what most said of it singly.

    Ties on either side are not compared, nor are skips; UNSURE and NOT_A_FACE are answers like others.
    """
    given = [one for one in standing(labels) if one.emotion]
    through, singly = _votes(one for one in given if one.via), _votes(one for one in given if not one.via)
    checked = {
        crop: _most(through[crop]) == _most(singly[crop])
        for crop in sorted(through.keys() & singly.keys())
        if _most(through[crop]) and _most(singly[crop])
    }
    differing = tuple(crop for crop, same in checked.items() if not same)
    return Propagation(
        sheets=len({one.via for one in given if one.via}), members=len(through), checked=len(checked),
        wrong=len(differing), interval=wilson(len(differing), len(checked)), differing=differing,
    )  # fmt: skip


def members_to_verify(labels: Iterable[Label], count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Up to `count` members to be answered singly, as (crop, sheet): at random, one of every sheet before a second of any.

    Sheets of one member need no check; a sheet of which some member was answered singly comes after the others.
    """
    given = [one for one in standing(labels) if one.emotion]
    done = {one.crop for one in given if not one.via}
    sheets: dict[str, set[str]] = defaultdict(set)
    for one in given:
        if one.via:
            sheets[one.via].add(one.crop)
    draw = random.Random(seed)
    queue: list[tuple[int, float, str, str]] = []
    for sheet, members in sorted(sheets.items()):
        waiting = sorted(members - done)
        draw.shuffle(waiting)
        if len(members) > 1:
            queue += [(len(members & done) + rank, draw.random(), crop, sheet) for rank, crop in enumerate(waiting)]
    chosen: dict[str, str] = {}
    for _, _, crop, sheet in sorted(queue):
        if len(chosen) < count:
            chosen.setdefault(crop, sheet)
    return list(chosen.items())


def _votes(labels: Iterable[Label]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for one in labels:
        found[one.crop][one.emotion] += 1
    return found


def _most(votes: Counter[str]) -> str:
    """The answer most gave; empty where there is a tie."""
    ranked = votes.most_common(2)
    return "" if len(ranked) > 1 and ranked[0][1] == ranked[1][1] else ranked[0][0]
