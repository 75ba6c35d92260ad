"""Boosting on torch: the gains and the splits of the kernels, within rounding."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cascades.fit import FitOptions, fit_cascade  # noqa: E402
from cascades.learning.builder import CascadeBuilder  # noqa: E402
from cascades.learning.features import tabulate  # noqa: E402
from cascades.learning.haar import bin_values, enumerate_haar  # noqa: E402
from cascades.learning.lbp import enumerate_lbp  # noqa: E402
from cascades.learning.search import HaarSearch, LbpSearch  # noqa: E402
from cascades.learning.splits import split_gains  # noqa: E402
from cascades.on_torch.search import TorchSearch  # noqa: E402
from cascades.on_torch.splits import split_gains as on_device  # noqa: E402
from cascades.sampling.samples import Samples  # noqa: E402
from tests.cascades.conftest import SMALL  # noqa: E402
from tests.cascades.drawing import face_windows  # noqa: E402
from tests.cascades.random_models import random_windows  # noqa: E402

DEVICES = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("categories", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.01])
def test_gains_and_cuts_are_those_of_the_kernels(device: str, categories: bool, smoothing: float) -> None:
    random = np.random.default_rng(4)
    codes = random.integers(0, 40, (60, 500)).astype(np.uint8)
    codes[0], codes[1, :250] = 7, 3  # a feature that parts nothing, and one that parts well
    weights = random.random(500)
    gains, cuts = split_gains(codes, weights, 250, categories, smoothing=smoothing if categories else 0.0)
    put = torch.from_numpy
    ours, where = on_device(
        put(codes).to(device), put(weights).to(device), 250, categories, smoothing=smoothing if categories else 0.0
    )
    told = gains >= 0
    assert told.sum() > (0 if categories else 50)
    assert ours.cpu().numpy()[told] == pytest.approx(gains[told], rel=1e-9)
    assert int(ours.argmax()) == int(gains.argmax())
    assert int(where[int(gains.argmax())]) == int(cuts[gains.argmax()])
    assert float(ours[0]) == -1.0


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("tilted", [False, True])
def test_haar_values_fall_into_the_same_bins_and_the_split_is_the_same(device: str, tilted: bool) -> None:
    random = np.random.default_rng(5)
    table = enumerate_haar(24, 24, "all" if tilted else "basic")
    pool = np.sort(random.choice(len(table), 3000, replace=False))
    windows = np.concatenate([face_windows(120), random_windows(random, 24, 24, 200)])
    samples = tabulate(windows, table.has_tilted)
    torch_search = TorchSearch(table, samples, 120, pool, device)
    assert (torch_search.codes.cpu().numpy() == bin_values(table.select(pool), samples)).all()
    weights = random.random(320)
    kernels = HaarSearch(table, samples, 120, pool, None)
    kernels.whole = True  # the pool alone
    for columns in (np.arange(320), np.sort(random.choice(320, 200, replace=False))):
        ours, theirs = torch_search.split(columns, weights), kernels.split(columns, weights)
        assert ours is not None
        assert theirs is not None
        assert (ours.feature, ours.threshold) == (theirs.feature, theirs.threshold)
        assert (ours.left == theirs.left).all()


@pytest.mark.parametrize("device", DEVICES)
def test_lbp_splits_are_the_same(device: str) -> None:
    random = np.random.default_rng(6)
    table = enumerate_lbp(24, 24)
    pool = np.arange(0, len(table), 5)
    samples = tabulate(np.concatenate([face_windows(120), random_windows(random, 24, 24, 200)]))
    weights = random.random(320)
    ours = TorchSearch(table, samples, 120, pool, device).split(np.arange(320), weights)
    theirs = LbpSearch(table, samples, 120, pool).split(np.arange(320), weights)
    assert ours is not None
    assert theirs is not None
    assert (ours.feature, ours.subset) == (theirs.feature, theirs.subset)
    assert (ours.left == theirs.left).all()


def test_a_fit_on_torch_makes_a_cascade_of_the_same_quality(ann_samples: Samples) -> None:
    options: FitOptions = replace(SMALL, stages=3, positives=200, negatives_per_stage=300, device="cpu")
    few = replace(ann_samples, positives=ann_samples.positives[:200])
    on_cpu = fit_cascade(few, options)
    builder = CascadeBuilder(few, replace(options, device="torch:cpu").learning)
    assert builder.options.device == "torch:cpu"
    on_torch = fit_cascade(few, replace(options, device="torch:cpu", features_per_stage=3000))
    assert len(on_torch.stages) == len(on_cpu.stages) == 3
    assert on_torch.stages[-1].held_out_hit_rate == pytest.approx(on_cpu.stages[-1].held_out_hit_rate, abs=0.15)
