"""A small dataset whose pictures are shots of their own, and one comparison of it that tests only read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.manifest import Dataset
from pipeline.core.progress import Silent
from tests.train.faces import draw_dataset
from train.loop import train
from train.recipes import find_recipe
from train.studies.compare import CompareOptions, compare
from train.studies.trials import Entry, Laboratory

TINY = ["image_size=24", "batch_size=16", "augment=false", "epochs=2"]


def entry(name: str, *settings: str) -> Entry:
    """A recipe as it takes part, tiny."""
    recipe = find_recipe(name)
    return Entry(recipe=recipe, options=recipe.options.with_settings([*TINY, *settings]))


def laboratory(runs: Path) -> Laboratory:
    return Laboratory(runs=runs, trainer=train, progress=Silent())


@dataclass(frozen=True)
class Compared:
    """A comparison that is done."""

    dataset: Dataset
    options: CompareOptions
    runs: Path
    document: dict[str, Any]


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Do not change its folder."""
    sizes = {"train": 16, "val": 4, "test": 10}
    return draw_dataset(tmp_path_factory.mktemp("drawn") / "toy", per_class=sizes, images_per_shot=1)


@pytest.fixture(scope="session")
def compared(drawn: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """Two optimisers, two seeds."""
    runs = tmp_path_factory.mktemp("compared") / "runs"
    options = CompareOptions(entries=(entry("hill-adam"), entry("hill-sgd", "learning_rate=1e-9")), seeds=(0, 1))
    return Compared(drawn, options, runs, compare(drawn, options, laboratory(runs)))
