"""How well the demo did against the exact truth of the series it drew."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.report import wording
from pipeline.report.documents import as_list, as_number, as_object, as_text

NO_SHARE = ("second", "bits", "pixel", "_px", "per_", "loss", "distance", "mib", "ratio")
"""parts of names whose value is not a share of 1, though it may lie between 0 and 1"""
LONGEST_TEXT = 60
SCORES_SHOWN = 16
"""of a group; its own figures go before those of objects inside it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoStage:
    """One step of the demo."""

    name: str
    """as the demo calls it"""
    seconds: float
    """wall time"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoScore:
    """One figure of a group."""

    name: str
    """for people"""
    value: str
    """for people"""
    share: float | None
    """0 to 1 where the figure is a share of something, for a bar"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoGroup:
    """Figures that belong together: detection, shots, dedupe, ..."""

    name: str
    """for people"""
    scores: tuple[DemoScore, ...]
    """in the demo's order"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoScores:
    """What a demo measured."""

    stages: tuple[DemoStage, ...]
    """in the order they ran"""
    groups: tuple[DemoGroup, ...]
    """in the demo's order"""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "DemoScores":
        """Reads the demo's result as `toonsift demo --json` prints it.

        `stages` is a list of `{"name", "seconds"}` or an object of name -> seconds (or `{"seconds"}`). Every other
        object becomes a group of its figures (objects inside it are flattened), and loose figures become the group
        `run`. Lists, paths and long texts are passed over.
        """
        groups, loose = [], []
        for key, value in document.items():
            if key in ("stages", "report"):
                continue
            if isinstance(value, Mapping):
                scores = _scores(value)
                if scores:
                    groups.append(DemoGroup(name=wording.titled(key), scores=scores))
            elif (score := _score(key, value)) is not None:
                loose.append(score)
        if loose:
            groups.append(DemoGroup(name="run", scores=tuple(loose)))
        return cls(stages=_stages(document.get("stages")), groups=tuple(groups))

    @property
    def seconds(self) -> float:
        """Of all stages."""
        return sum(stage.seconds for stage in self.stages)


def _stages(value: object) -> tuple[DemoStage, ...]:
    pairs: list[tuple[str, object]] = list(as_object(value).items())
    for position, item in enumerate(as_list(value), 1):
        row = as_object(item)
        pairs.append((as_text(row.get("name") or row.get("stage")) or f"stage {position}", row))
    stages = []
    for name, found in pairs:
        seconds = as_number(found.get("seconds") if isinstance(found, dict) else found)
        if seconds is not None:
            stages.append(DemoStage(name=wording.titled(name), seconds=seconds))
    return tuple(stages)


def _scores(found: Mapping[str, Any], before: str = "") -> tuple[DemoScore, ...]:
    own: list[DemoScore] = []
    inner: list[DemoScore] = []
    for key, value in found.items():
        name = f"{before} {key}".strip()
        if isinstance(value, Mapping):
            inner += _scores(value, name)
        elif (score := _score(name, value)) is not None:
            own.append(score)
    return tuple((own + inner)[:SCORES_SHOWN])


def _score(name: str, value: object) -> DemoScore | None:
    title = wording.titled(name)
    if isinstance(value, bool):
        return DemoScore(name=title, value=wording.plain(value), share=None)
    number = as_number(value)
    if number is None:
        short = isinstance(value, str) and value and len(value) <= LONGEST_TEXT and "/" not in value
        return DemoScore(name=title, value=str(value), share=None) if short else None
    if isinstance(value, float) and 0 <= number <= 1 and not any(part in name.lower() for part in NO_SHARE):
        return DemoScore(name=title, value=wording.percent(number), share=number)
    if name.lower().endswith("seconds"):
        return DemoScore(
            name=title.removesuffix("seconds").strip() or "time", value=wording.duration(number), share=None
        )
    return DemoScore(name=title, value=wording.plain(value), share=None)
