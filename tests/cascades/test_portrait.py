from dataclasses import replace

import numpy as np
import pytest

from cascades.model import CascadeModel, HaarFeature, LbpFeature, Rect
from cascades.portrait import DARK, GAP, LABEL, LIGHT, MOST_STAGES, _tile, draw_features
from tests.cascades.random_models import random_cascade, tilted_mask

FACE = np.full((24, 24), 160, dtype=np.uint8)


def painted(feature: HaarFeature | LbpFeature, zoom: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of the tile that are yellowish and those that are blueish."""
    tile = _tile(feature, FACE, zoom).astype(int)
    return tile[..., 0] > tile[..., 2] + 20, tile[..., 2] > tile[..., 0] + 20


def test_a_tilted_feature_lies_where_opencv_sums() -> None:
    whole, part = Rect(12, 3, 6, 4, -1.0), Rect(12, 3, 3, 4, 2.0)
    light, dark = painted(HaarFeature((whole, part), tilted=True))
    assert (light | dark).sum() / 64 == pytest.approx(tilted_mask(whole, (24, 24)).sum(), rel=0.02)
    assert light.sum() / 64 == pytest.approx(tilted_mask(part, (24, 24)).sum(), rel=0.03)
    ys, xs = np.nonzero(light | dark)
    rows, columns = np.nonzero(tilted_mask(whole, (24, 24)))
    assert (ys.mean() + 0.5) / 8 == pytest.approx(rows.mean() + 0.5, abs=0.6)
    assert (xs.mean() + 0.5) / 8 == pytest.approx(columns.mean() + 0.5, abs=0.6)


def test_an_upright_feature_is_painted_once_in_the_colour_of_its_weight() -> None:
    light, dark = painted(HaarFeature((Rect(2, 4, 8, 6, -1.0), Rect(6, 4, 4, 6, 2.0))))
    assert light[4 * 8 : 10 * 8, 6 * 8 : 10 * 8].all()
    assert dark[4 * 8 : 10 * 8, 2 * 8 : 6 * 8].all()
    assert light.sum() == dark.sum() == 4 * 6 * 64


def test_an_lbp_feature_shows_its_middle_and_its_eight_neighbours() -> None:
    light, dark = painted(LbpFeature(3, 3, 4, 5))
    assert light.sum() == 4 * 5 * 64
    assert dark[3 * 8, 3 * 8 : 7 * 8].all()
    ys, xs = np.nonzero(dark)
    assert (ys.min(), ys.max() + 1, xs.min(), xs.max() + 1) == (24, 18 * 8, 24, 15 * 8)


@pytest.mark.parametrize("kind", ["HAAR", "LBP"])
def test_every_stage_has_a_row_and_many_are_cut_short(kind: str) -> None:
    model = random_cascade(np.random.default_rng(0), kind="LBP" if kind == "LBP" else "HAAR", tilted="mixed", stages=3)
    short = draw_features(model, FACE)
    tile = 24 * (112 // 24)
    assert short.shape == (3 * (tile + GAP) + GAP, LABEL + 6 * (tile + GAP) + GAP, 3)
    long: CascadeModel = replace(model, stages=model.stages * 30)
    assert draw_features(long, FACE).shape[0] == MOST_STAGES * (tile + GAP) + GAP + 24


def test_rates_of_the_card_are_said() -> None:
    model = random_cascade(np.random.default_rng(0), stages=2)
    rows = [{"hit_rate": 0.99, "false_alarm": 0.4}]
    plain, told = draw_features(model, None), draw_features(model, None, stages=rows)
    differs = np.argwhere((plain != told).any(axis=2))
    assert len(differs)
    assert differs[:, 1].max() < LABEL
    assert differs[:, 0].max() < plain.shape[0] // 2


def test_a_wide_window_and_a_missing_face_are_drawn_too() -> None:
    model = random_cascade(np.random.default_rng(0), width=200, height=10)
    assert draw_features(model, FACE).shape[1] == LABEL + 6 * (200 + GAP) + GAP
    assert LIGHT != DARK
