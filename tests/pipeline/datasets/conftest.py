"""A workspace with labelled crops that are no near-duplicates of one another, and a version of it."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.core.images import RGB, encode_png
from pipeline.core.manifest import Dataset, read_dataset
from pipeline.core.workspace import Workspace
from pipeline.export import ExportOptions
from pipeline.flow.curation import export
from tests.records import crop, episode, label


def blocks(random: np.random.Generator, side: int = 48) -> RGB:
    """A picture like no other: 6x6 blocks of random colours."""
    coarse = random.integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((side // 6, side // 6, 1), dtype=np.uint8))


def fill(workspace: Workspace, count: int = 40) -> Workspace:
    """Crops of two episodes, two to a shot, labelled happy or sad by two annotators who differ on the first."""
    random, catalogue = np.random.default_rng(0), workspace.catalogue
    catalogue.put([episode("e1"), episode("e2")])
    for n in range(count):
        sha256 = workspace.objects.put(encode_png(blocks(random)), ".png")
        name = f"e{n % 2 + 1}.c{n:02d}.0.0.48.48"
        catalogue.put([crop(name, episode=f"e{n % 2 + 1}", shot=f"e{n % 2 + 1}.s{n // 4}", pts=n, sha256=sha256)])
        catalogue.put([label(name, "happy" if n % 4 < 2 else "sad", who) for who in ("ann", "bo")])
    catalogue.put([label(f"e1.c{0:02d}.0.0.48.48", "sad", "cy"), label(f"e1.c{0:02d}.0.0.48.48", "happy", "di")])
    return workspace


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    return fill(workspace)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """One version for all tests that only read it."""
    workspace = fill(Workspace(tmp_path_factory.mktemp("exported")))
    export(workspace, "faces", ExportOptions())
    return read_dataset(workspace.dataset_folder("faces"))


@pytest.fixture
def version(filled: Workspace) -> Path:
    """The folder of a version that a test may spoil."""
    export(filled, "faces", ExportOptions())
    return filled.dataset_folder("faces")
