"""The head of the page: how much there is of everything, and what failed."""

from dataclasses import dataclass

from pipeline.core.records import Crop, Detection, DuplicateGroup, Episode, Hold, Label, Shot, Track
from pipeline.report import wording
from pipeline.report.datasets import DatasetSection
from pipeline.report.holdings import Holdings
from pipeline.report.training import TrainingSection


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number with its name."""

    name: str
    """what is counted"""
    value: str
    """how many"""
    note: str
    """a few words that put it in proportion; may be empty"""
    link: str
    """id of the section that shows more"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """A stage that failed on an item."""

    stage: str
    """`mine`, ..."""
    item: str
    """name or id"""
    reason: str
    """what was found"""
    finished: str
    """UTC"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The head of the page."""

    figures: tuple[Figure, ...]
    """in the order of the work"""
    mishaps: tuple[Mishap, ...]
    """latest first"""
    failed: int
    """how many mishaps there are in all"""


def overview_of(holdings: Holdings, dataset: DatasetSection, training: TrainingSection) -> Overview:
    """The figures of a workspace."""
    n = holdings.counts
    seconds = sum(float((e.end_pts - e.start_pts) * e.time_base) for e in holdings.episodes if e.end_pts > e.start_pts)
    frames = sum(e.frames for e in holdings.episodes)
    drawings = n[Hold]
    figures = [
        _figure("episodes", n[Episode], f"{wording.duration(seconds)}, {wording.counted(frames, 'frame')}", "episodes"),
        _figure("shots", n[Shot], f"{wording.duration(seconds / n[Shot])} each" if n[Shot] else "", "episodes"),
        _figure("drawings held", drawings, f"{frames / drawings:.1f} frames each" if drawings else "", "episodes"),
        _figure("faces found", n[Detection], "detections on sampled frames", "episodes"),
        _figure("tracks", n[Track], f"{n[Detection] / n[Track]:.1f} faces each" if n[Track] else "", "episodes"),
        _figure("crops", n[Crop], _of_characters(holdings), "crops"),
        _figure("near-duplicates", holdings.marked, f"in {wording.counted(n[DuplicateGroup], 'group')}", "duplicates"),
        _figure("labels", n[Label], f"on {wording.counted(len(holdings.emotions), 'crop')}", "dataset"),
    ]
    if dataset.view:
        view = dataset.view
        note = f"{view.id}, {wording.counted(len(view.classes), 'class', 'classes')}"
        figures.append(Figure(name="examples", value=wording.count(view.examples), note=note, link="dataset"))
    if training.view and training.view.scores:
        scores = training.view.scores
        figures.append(
            Figure(name="accuracy", value=wording.percent(scores.accuracy), note=scores.interval_words, link="training")
        )
    mishaps = tuple(
        Mishap(
            stage=r.stage,
            item=wording.shortened(holdings.episode_name(r.item), 120),
            reason=wording.shortened(r.reason, 400),
            finished=r.finished,
        )
        for r in holdings.failures
    )
    return Overview(figures=tuple(figures), mishaps=mishaps, failed=holdings.failed)


def _figure(name: str, number: int, note: str, link: str) -> Figure:
    return Figure(name=name, value=wording.count(number), note=note if number else "none yet", link=link)


def _of_characters(holdings: Holdings) -> str:
    found = sum(1 for number in holdings.crops_by_character.values() if number)
    return f"of {wording.counted(found, 'character')}"
