"""One drawn dataset and one finished run for all tests that only read them."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from pipeline.core.manifest import Dataset
from tests.train.faces import draw_dataset
from train.loop import train
from train.recipes import find_recipe
from train.runs import Summary, TrainingRun, plan

torch.set_num_threads(1)  # nets this small gain nothing from more

QUICK = ["image_size=32", "optimizer=adam", "batch_size=16", "augment=false"]
"""learns the drawn faces within seconds on a CPU"""


@dataclass(frozen=True)
class Finished:
    """A run that was trained to the end."""

    dataset: Dataset
    run: TrainingRun
    runs: Path
    summary: Summary
    files: set[str]
    """in its folder when it ended; later calls of the command add a card and a page"""

    @property
    def folder(self) -> Path:
        return self.runs / self.run.id


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A few drawn faces; do not change its folder."""
    return draw_dataset(tmp_path_factory.mktemp("toy") / "toy")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run on enough drawn faces to be learned; do not change its folder."""
    folder = tmp_path_factory.mktemp("finished")
    dataset = draw_dataset(folder / "toy", per_class={"train": 48, "val": 8, "test": 24})
    recipe = find_recipe("hill")
    run = plan(dataset, recipe, recipe.options.with_settings([*QUICK, "epochs=16"]))
    summary = train(dataset, run, folder / "runs")
    place = folder / "runs" / run.id
    files = {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}
    return Finished(dataset, run, folder / "runs", summary, files)
