"""The page of one training run, `report.html` in its folder: curves, scores, reliability, insides, mistakes."""

from dataclasses import dataclass
from pathlib import Path

from pipeline import __version__
from pipeline.core.errors import CheckpointError, InputError
from pipeline.core.files import write_text
from pipeline.core.manifest import Dataset, read_dataset
from pipeline.core.workspace import Workspace, now
from pipeline.report.datasets import folder_of_digest
from pipeline.report.holdings import read_holdings
from pipeline.report.insides import InsideSection, inside_section
from pipeline.report.mistakes import MistakeSection, mistake_section
from pipeline.report.page import environment
from pipeline.report.reliability import Reliability, reliability_of
from pipeline.report.thumbnails import Gallery
from pipeline.report.training import TrainingSection, training_section

FILE_NAME = "report.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDataset:
    """The dataset version that the run was trained on."""

    dataset: Dataset | None
    """None when it is not in the workspace"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """Everything that the template draws."""

    title: str
    """the run's id"""
    made: str
    """UTC"""
    version: str
    """of toonsift"""
    dataset: ShownDataset
    training: TrainingSection
    reliability: Reliability | None
    """None without test predictions"""
    insides: InsideSection
    mistakes: MistakeSection | None
    """None when the run is not finished"""


def build_run_page(workspace: Workspace, run: Path) -> Path:
    """Writes the run's `report.html` and returns its path.

    Raises:
        CheckpointError: `run` is no training run, or its files cannot be read.
        DiskFullError: no room for the page.
    """
    gallery, section = Gallery(), training_section(workspace, run)
    view = section.view
    if view is None:
        raise CheckpointError(section.trouble or f"{run} is no training run")
    holdings = read_holdings(workspace)
    folder = folder_of_digest(workspace, holdings, view.dataset_digest)
    try:
        dataset = read_dataset(folder) if folder else None
    except InputError:
        dataset = None  # the section of mistakes goes without pictures then
    page = RunPage(
        title=view.id,
        made=now(),
        version=__version__,
        dataset=ShownDataset(dataset=dataset),
        training=section,
        reliability=reliability_of(view) if view.scores else None,
        insides=inside_section(run, gallery),
        mistakes=mistake_section(workspace, holdings, gallery, view, dataset) if view.scores else None,
    )
    path = run / FILE_NAME
    write_text(path, environment().get_template("run.html.j2").render(page=page))
    return path
