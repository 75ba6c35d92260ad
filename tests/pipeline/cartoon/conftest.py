"""A small drawn series, made once."""

from pathlib import Path

import pytest

from pipeline.cartoon import CartoonOptions, Series, draw_series, read_truth
from tests.conftest import once_for_all_workers

SMALL = CartoonOptions(episodes=2, seconds=8, width=320, height=180, fps=12, seed=3)


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two episodes of 8 seconds, 12 frames per second."""
    return once_for_all_workers(tmp_path_factory, "small-series", lambda folder: void(draw_series(folder, SMALL)))


@pytest.fixture(scope="session")
def small(small_folder: Path) -> Series:
    """Its truth."""
    return read_truth(small_folder / "truth.json")


def void(value: object) -> None:
    """Drops a value."""
    del value
