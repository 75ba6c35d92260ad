"""The page: all sections in one HTML file that needs nothing else, no network and no script."""

import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline import __version__
from pipeline.core.files import write_text
from pipeline.core.progress import Progress, Silent
from pipeline.core.workspace import Workspace, now
from pipeline.report import wording
from pipeline.report.agreement import AgreementSection, agreement_section
from pipeline.report.datasets import DatasetSection, dataset_section
from pipeline.report.demo import DemoScores
from pipeline.report.episodes import EpisodeSection, episode_section
from pipeline.report.faces import CropSection, DuplicateSection, crop_section, duplicate_section
from pipeline.report.finders import CascadeSection, cascade_section
from pipeline.report.holdings import read_holdings
from pipeline.report.insides import NOTHING, InsideSection, inside_section
from pipeline.report.mistakes import MistakeSection, mistake_section
from pipeline.report.overview import Overview, overview_of
from pipeline.report.reliability import Reliability, reliability_of
from pipeline.report.thumbnails import Gallery
from pipeline.report.timelines import TimelineSection, timeline_section
from pipeline.report.training import TrainingSection, training_section

log = logging.getLogger(__name__)

TEMPLATES = Path(__file__).parent / "templates"
FILE_NAME = "index.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything that the template draws."""

    title: str
    """the workspace's name"""
    made: str
    """UTC"""
    version: str
    """of toonsift"""
    overview: Overview
    demo: DemoScores | None
    episodes: EpisodeSection
    crops: CropSection
    duplicates: DuplicateSection
    cascades: CascadeSection
    dataset: DatasetSection
    agreement: AgreementSection | None
    """None where nobody labelled"""
    training: TrainingSection
    reliability: Reliability | None
    """None without test predictions"""
    insides: InsideSection
    mistakes: MistakeSection | None
    """None without a finished run"""
    timelines: TimelineSection
    refused: int
    """pictures left out because the page is full"""
    missing: int
    """pictures whose files are gone or damaged"""


def build_report(
    workspace: Workspace,
    *,
    dataset: str | None = None,
    run: Path | None = None,
    demo: DemoScores | None = None,
    progress: Progress | None = None,
) -> Path:
    """Writes `reports/index.html` and returns its path.

    Args:
        workspace: what is shown.
        dataset: `NAME`, `NAME@2` or a folder; None for the latest version.
        run: folder of a training run; None for the one that finished last.
        demo: what a demo measured, when there was one.
        progress: told of every episode.

    Raises:
        NotFoundError: no such dataset.
        CheckpointError: `run` is no training run.
        DiskFullError: no room for the page.
    """
    page = gather(workspace, dataset, run, demo, progress or Silent())
    path = workspace.reports / FILE_NAME
    write_text(path, render(page))
    return path


def gather(
    workspace: Workspace, dataset: str | None, run: Path | None, demo: DemoScores | None, progress: Progress
) -> Page:
    """Reads all that the page shows; writes nothing. Raises as `build_report`."""
    gallery = Gallery()
    training = training_section(workspace, run)
    holdings = read_holdings(workspace)
    datasets = dataset_section(workspace, holdings, gallery, dataset)
    mistakes, reliability, insides = None, None, NOTHING
    if training.view:
        insides = inside_section(training.view.folder, gallery)
    if training.view and training.view.scores:
        reliability = reliability_of(training.view)
        mistakes = mistake_section(workspace, holdings, gallery, training.view, datasets.dataset)
    cascades = cascade_section(workspace, holdings, gallery)
    crops = crop_section(workspace, holdings, gallery)
    duplicates = duplicate_section(workspace, holdings, gallery)
    episodes = episode_section(workspace, holdings, gallery, progress)
    if gallery.refused:
        log.warning("the page is full: %d pictures were left out", gallery.refused)
    return Page(
        title=workspace.root.name,
        made=now(),
        version=__version__,
        overview=overview_of(holdings, datasets, training),
        demo=demo,
        episodes=episodes,
        crops=crops,
        duplicates=duplicates,
        cascades=cascades,
        dataset=datasets,
        agreement=agreement_section(workspace, holdings, gallery),
        training=training,
        reliability=reliability,
        insides=insides,
        mistakes=mistakes,
        timelines=timeline_section(workspace),
        refused=gallery.refused,
        missing=len(gallery.missing),
    )


def render(page: Page) -> str:
    """The HTML; every text from outside is escaped."""
    return environment().get_template("page.html.j2").render(page=page)


@cache
def environment() -> Environment:
    """The templates' environment: escaping always on, an unknown name is an error."""
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "count": wording.count,
        "percent": wording.percent,
        "duration": wording.duration,
        "counted": wording.counted,
        "utc": _utc,
    }
    return found


def _utc(text: str) -> str:
    """`2026-01-31 12:00 UTC` of an ISO 8601 time in UTC; anything else unchanged."""
    date, t, rest = text.partition("T")
    return f"{date} {rest[:5]} UTC" if t and rest.endswith("+00:00") else text
