"""Who is the happiest? What `predict` found in episodes, as it lies in the workspace's `timelines/`."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.core.errors import InputError
from pipeline.core.workspace import Workspace
from pipeline.report.documents import Document, as_list, as_number, as_object, as_text, as_whole, read_document

log = logging.getLogger(__name__)

DOCUMENT = "timeline.json"
TIMELINES_SHOWN, CHARACTERS_SHOWN, EMOTIONS_SHOWN = 12, 12, 12
HUES = ("k0", "k4", "k2", "k1", "k5", "k3", "k6", "k7")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareView:
    """One emotion of one character."""

    emotion: str
    share: float
    """of the screen time, 0 to 1"""
    low: float
    """95 % interval over shots"""
    high: float
    hue: str
    """colour class"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CharacterView:
    """One character."""

    name: str
    seconds: float
    """on screen"""
    unsure: float
    """share of it with no emotion likely enough, 0 to 1"""
    shots: int
    shares: tuple[ShareView, ...]
    first: float
    """how often it comes first when shots are drawn anew, 0 to 1"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineView:
    """One episode and one model."""

    episode: str
    """its name"""
    run: str
    """id of the run"""
    asked: str
    """the emotion asked for"""
    answer: str
    """who shows it most; empty when nobody is seen"""
    sure: float
    """how often that is the answer when shots are drawn anew, 0 to 1"""
    characters: tuple[CharacterView, ...]
    """by share of the asked emotion"""
    characters_total: int
    calibrated: str
    """what the probabilities were calibrated on, for people"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineSection:
    """All of the workspace."""

    views: tuple[TimelineView, ...]
    """the latest first"""
    total: int
    troubles: tuple[str, ...]
    """files that cannot be read"""


def timeline_section(workspace: Workspace) -> TimelineSection:
    """The latest timelines in the workspace."""
    paths = list((workspace.root / "timelines").glob(f"*/{DOCUMENT}"))
    paths.sort(key=lambda path: (-path.stat().st_mtime_ns, path.parent.name))
    views, troubles = [], []
    for path in paths[:TIMELINES_SHOWN]:
        try:
            views.append(view_of(read_document(path)))
        except InputError as error:
            log.warning("%s", error)
            troubles.append(str(error))
    return TimelineSection(views=tuple(views), total=len(paths), troubles=tuple(troubles))


def view_of(found: Document) -> TimelineView:
    """What a timeline's document says; missing parts are empty."""
    shares, provenance = as_object(found.get("shares")), as_object(found.get("provenance"))
    emotions = [as_text(name) for name in as_list(found.get("emotions"))]
    characters = [as_object(one) for one in as_list(shares.get("characters"))]
    split = as_text(provenance.get("calibrated_on"))
    temperature = as_number(provenance.get("temperature")) or 1.0
    return TimelineView(
        episode=as_text(as_object(found.get("episode")).get("name")),
        run=as_text(found.get("run")),
        asked=as_text(shares.get("asked")),
        answer=as_text(shares.get("answer")),
        sure=_share(shares.get("sure")),
        characters=tuple(_character(one, emotions) for one in characters[:CHARACTERS_SHOWN]),
        characters_total=len(characters),
        calibrated=(
            f"probabilities calibrated on {as_whole(provenance.get('calibration_examples')):,} {split} examples, "
            f"temperature {temperature:.2f}"
            if split
            else "probabilities are the model's own, not calibrated"
        ),
    )


def _character(found: Document, emotions: Sequence[str]) -> CharacterView:
    seconds = as_number(found.get("seconds")) or 0.0
    unsure = as_number(found.get("unsure_seconds")) or 0.0
    shares = [as_object(one) for one in as_list(found.get("shares"))][:EMOTIONS_SHOWN]
    return CharacterView(
        name=as_text(found.get("character")) or "somebody",
        seconds=seconds,
        unsure=min(1.0, unsure / seconds) if seconds > 0 else 0.0,
        shots=as_whole(found.get("shots")),
        shares=tuple(
            ShareView(
                emotion=(name := as_text(one.get("emotion"))),
                share=_share(one.get("share")),
                low=_share(one.get("low")),
                high=_share(one.get("high")),
                hue=HUES[(emotions.index(name) if name in emotions else 0) % len(HUES)],
            )
            for one in shares
        ),
        first=_share(found.get("first")),
    )


def _share(value: object) -> float:
    return min(1.0, max(0.0, as_number(value) or 0.0))
