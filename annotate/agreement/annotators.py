"""How far each annotator can be trusted: with others, with what is known, with himself, and with what he was shown."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from annotate.agreement.answers import Judgement
from annotate.agreement.dawid_skene import Estimate
from annotate.agreement.honeypots import Passing, passing
from annotate.agreement.intervals import Interval, mean_interval, wilson
from annotate.agreement.suggestions import Suggested
from pipeline.core.answers import standing
from pipeline.core.records import UNSURE, Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How often something was so."""

    of: int
    """tries"""
    hits: int
    """times it was so"""
    interval: Interval | None
    """of the share, 95 %"""

    @property
    def share(self) -> float | None:
        """None without tries."""
        return self.hits / self.of if self.of else None

    @staticmethod
    def count(found: Iterable[bool]) -> "Share":
        """Of independent tries."""
        tries = list(found)
        return Share(of=len(tries), hits=sum(tries), interval=wilson(sum(tries), len(tries)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchoring:
    """Whether suggestions lead: answers equal to the one shown, beside how often others, not shown it, said the same."""

    shown: Share
    """answers given with a known suggestion; hits: equal to it"""
    others: Share
    """answers of others about the same crops without that suggestion; hits: equal to it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotator:
    """One annotator's record."""

    name: str
    """as in the labels"""
    answers: int
    """items judged, sheets as one: classes and NOT_A_FACE"""
    unsure: int
    """items answered UNSURE"""
    skips: int
    """items skipped"""
    median_seconds: float | None
    """per item, where the time is known"""
    shared: int
    """answers about items that others answered too"""
    agreement: float | None
    """mean over the shared items of the share of the others who gave the same answer"""
    agreement_interval: Interval | None
    """95 %, items drawn again"""
    estimated_right: float | None
    """by Dawid & Skene: how probable it is that an answer is the true one; None where no item is shared"""
    honeypots: Passing | None
    """None where there are none"""
    anchoring: Anchoring
    """with suggestions"""
    repeats: Share
    """crops asked again as another task; hits: answered alike both times"""

    @property
    def skip_share(self) -> float:
        """Of all items seen."""
        seen = self.answers + self.unsure + self.skips
        return self.skips / seen if seen else 0.0


def annotators(
    labels: Sequence[Label],
    said: Sequence[Judgement],
    rated: Mapping[str, Mapping[str, str]],
    estimate: Estimate | None,
    known: dict[str, str] | None,
    suggested: Suggested,
) -> list[Annotator]:
    """Everybody's record, by name. `said` and `rated` are of these labels; `known` are the honeypots."""
    by_name: dict[str, list[Judgement]] = defaultdict(list)
    for one in said:
        by_name[one.annotator].append(one)
    leading, asked_again = _anchoring(labels, suggested), _repeats(labels)
    return [
        _record(name, by_name[name], rated, estimate, known, leading[name], asked_again.get(name, []))
        for name in sorted(by_name)
    ]


def _record(
    name: str,
    own: list[Judgement],
    rated: Mapping[str, Mapping[str, str]],
    estimate: Estimate | None,
    known: dict[str, str] | None,
    anchoring: Anchoring,
    asked_again: list[bool],
) -> Annotator:
    alike = [share for one in own if (share := _share_of_others(rated.get(one.item, {}), name)) is not None]
    seconds = [one.seconds for one in own if one.seconds > 0]
    answers = {one.item: one.answer for one in own if one.answer and one.answer != UNSURE}
    return Annotator(
        name=name, answers=len(answers),
        unsure=sum(one.answer == UNSURE for one in own), skips=sum(not one.answer for one in own),
        median_seconds=median(seconds) if seconds else None,
        shared=len(alike), agreement=sum(alike) / len(alike) if alike else None,
        agreement_interval=mean_interval(alike),
        estimated_right=estimate.right(name) if estimate and alike and name in estimate.tables else None,
        honeypots=None if known is None else passing(answers, known),
        anchoring=anchoring, repeats=Share.count(asked_again),
    )  # fmt: skip


def _share_of_others(answers: Mapping[str, str], name: str) -> float | None:
    """Share of the others who said the same about an item; None where the annotator or everybody else gave no answer."""
    others = [answer for other, answer in answers.items() if other != name]
    return sum(answer == answers[name] for answer in others) / len(others) if others and name in answers else None


def _anchoring(labels: Iterable[Label], suggested: Suggested) -> dict[str, Anchoring]:
    """By annotator. One answer per annotator and item counts, the item a sheet where it was answered as one."""
    given = [one for one in standing(labels) if one.emotion]
    on_crop: dict[str, list[Label]] = defaultdict(list)
    for one in given:
        on_crop[one.crop].append(one)
    shown: dict[str, dict[str, bool]] = defaultdict(dict)
    others: dict[str, list[bool]] = defaultdict(list)
    for one in given:
        suggestion = suggested.get((one.prediction, one.crop)) if one.prediction else None
        item = one.via or one.crop
        if suggestion is None or item in shown[one.annotator]:
            continue
        shown[one.annotator][item] = one.emotion == suggestion
        others[one.annotator] += [
            other.emotion == suggestion
            for other in on_crop[one.crop]
            if other.annotator != one.annotator and not other.prediction
        ]
    names = {one.annotator for one in labels}
    return {
        name: Anchoring(shown=Share.count(shown[name].values()), others=Share.count(others[name])) for name in names
    }


def _repeats(labels: Iterable[Label]) -> dict[str, list[bool]]:
    """By annotator, for every crop asked again: whether the answer was the same.

    Asked again means another annotation of the server, not a later correction of the same one, nor a file read twice.
    """
    latest: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for one in sorted(labels, key=lambda one: (one.created, one.id)):
        if one.annotation and one.emotion and not one.via and not one.withdrawn:
            latest[one.annotator, one.crop][one.source + "\n" + one.annotation] = one.emotion
    found: dict[str, list[bool]] = defaultdict(list)
    for (annotator, _), answers in sorted(latest.items()):
        if len(answers) > 1:
            found[annotator].append(len(Counter(answers.values())) == 1)
    return found
