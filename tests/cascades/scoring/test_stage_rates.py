from pathlib import Path

import numpy as np
import pytest

from cascades.fit import Fitted
from cascades.model import CascadeModel
from cascades.scoring.stage_rates import stage_rates
from cascades.truth.reading import read_truth
from pipeline.core.errors import TruthError
from tests.cascades.drawing import random_model, write_scenes


def test_a_fitted_cascade_keeps_held_out_faces_and_drops_background(ann: Fitted, tmp_path: Path) -> None:
    truth = read_truth(write_scenes(tmp_path, 12, seed=77))
    rates = stage_rates(ann.model, truth, "ann", background=30_000)
    assert (rates.faces, len(rates.stages)) == (12 * 5, len(ann.model.stages))
    assert rates.background > 15_000
    assert rates.stages[-1].hit_rate_so_far > 0.7
    assert rates.stages[-1].false_alarm_so_far < 0.1
    for name in ("hit_rate_so_far", "false_alarm_so_far"):
        assert (np.diff([getattr(stage, name) for stage in rates.stages]) <= 0).all()
    assert rates == stage_rates(ann.model, truth, "ann", background=30_000)


def test_shares_of_a_stage_multiply_to_the_share_so_far(tmp_path: Path) -> None:
    truth = read_truth(write_scenes(tmp_path, 4, seed=3))
    model = random_model(np.random.default_rng(0), stages=4)
    rates = stage_rates(model, truth, None, background=5000)
    product = rates.contrast_background
    for stage in rates.stages:
        product *= stage.false_alarm if stage.false_alarm is not None else 0.0
        assert stage.false_alarm_so_far == pytest.approx(product)


def test_windows_that_touch_a_box_are_no_background(tmp_path: Path) -> None:
    """A picture whose one box covers it all has no background; another character's face is none either."""
    path = write_scenes(tmp_path, 2, seed=3)
    text = path.read_text()
    truth = read_truth(path)
    rates = stage_rates(CascadeModel(kind="HAAR", width=24, height=24, stages=(), features=()), truth, "ann")
    everywhere = text.replace('"bbox": [', '"bbox": [-500, -500, 2000, 2000], "was": [')
    path.write_text(everywhere)
    covered = stage_rates(
        CascadeModel(kind="HAAR", width=24, height=24, stages=(), features=()), read_truth(path), "ann"
    )
    assert rates.background > 1000
    assert covered.background == 0
    assert covered.contrast_background == 0.0


def test_pictures_that_are_gone_are_an_error(tmp_path: Path) -> None:
    truth = read_truth(write_scenes(tmp_path, 1, seed=3))
    (tmp_path / "000.png").unlink()
    with pytest.raises(TruthError, match="not one of its pictures can be read"):
        stage_rates(random_model(np.random.default_rng(0)), truth, None)
