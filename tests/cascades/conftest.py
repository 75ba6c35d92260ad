import pytest

from cascades.fit import FitOptions, Fitted, fit_cascade
from cascades.sampling.samples import Samples, gather_samples
from cascades.truth.reading import read_truth
from tests.cascades.drawing import write_backgrounds, write_scenes

SMALL = FitOptions(held_out_fraction=0.15, stages=4, positives=400, negatives_per_stage=600, features_per_stage=2000)


@pytest.fixture(scope="session")
def ann_samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """40 drawn faces on cluttered pictures, and clutter."""
    folder = tmp_path_factory.mktemp("ann")
    truth = read_truth(write_scenes(folder, 40))
    return gather_samples(truth, [write_backgrounds(folder / "neg", 60)], "ann", SMALL.sampling)


@pytest.fixture(scope="session")
def ann(ann_samples: Samples) -> Fitted:
    """A cascade for them."""
    return fit_cascade(ann_samples, SMALL)
