from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from train.expressions.canvas import SIDE
from train.expressions.characters import EARS, EYES, NOSES, Character
from train.expressions.faces import draw_face
from train.expressions.looks import ANY, EMOTIONS, MEASURED, Look, look_of, measures_of
from train.expressions.scenes import expression


def somebody(seed: int, **habits: object) -> Character:
    plain = {"hat": None, "hair": None, "glasses": 0.0, "whiskers": False, "cheeks": None} | habits
    return replace(Character.invented(np.random.default_rng(seed)), **plain)  # type: ignore[arg-type]


def changed(who: Character, one: Look, other: Look) -> NDArray[np.bool_]:
    """(SIDE,) rows of the picture in which two looks of a face that is held the same differ."""
    pictures = [draw_face(who, look, np.random.default_rng(1)).astype(int) for look in (one, other)]
    return np.asarray((pictures[0] != pictures[1]).any(axis=(1, 2)))


@pytest.mark.parametrize("seed", range(12))
def test_brows_move_above_and_mouths_below(seed: int) -> None:
    who = somebody(seed, brow_width=4.0, lid_line=False, eyes="oval")
    brows = np.flatnonzero(changed(who, Look(brow_height=-0.8), Look(brow_height=0.8)))
    mouth = np.flatnonzero(changed(who, Look(smile=-1), Look(smile=1)))
    assert len(brows)
    assert len(mouth)
    assert brows.max() < mouth.max()
    assert brows.min() < mouth.min()


@pytest.mark.parametrize("seed", range(6))
def test_corners_of_a_smile_lie_above_its_middle(seed: int) -> None:
    who = replace(
        somebody(seed, lips=None, cat_mouth=False, nose="none", muzzle=0.0, stroke=1.0, fur=(255, 255, 255)),
        mouth_ink=(255, 0, 0), mouth_height=0.5, taper=0.0,
    )  # fmt: skip
    for smile, above in ((1.0, True), (-1.0, False)):
        picture = draw_face(who, Look(smile=smile, mouth_width=0.4), np.random.default_rng(seed)).astype(int)
        y, x = np.nonzero((picture[..., 0] > 200) & (picture[..., 1] < 60) & (picture[..., 2] < 60))
        middle = np.abs(x - (x.min() + x.max()) / 2) < 0.15 * np.ptp(x)
        corners = np.abs(x - (x.min() + x.max()) / 2) > 0.4 * np.ptp(x)
        assert (y[corners].mean() < y[middle].mean()) == above


def test_a_number_is_one_picture_everywhere_and_another_number_another() -> None:
    first, again, second = (expression(number, 64) for number in (1_000_000, 1_000_000, 1_000_001))
    np.testing.assert_array_equal(first.picture, again.picture)
    assert first.emotion == again.emotion
    assert (first.picture != second.picture).mean() > 0.2
    assert first.picture.shape == (64, 64, 3)
    assert first.picture.dtype == np.uint8


def test_everybody_can_feel_everything() -> None:
    chance = np.random.default_rng(3)
    for seed, eyes in enumerate(sorted(set(EYES))):
        for ears, nose in zip((*EARS, "none"), NOSES, strict=True):
            who = replace(Character.invented(np.random.default_rng(seed)), eyes=eyes, ears=ears, nose=nose)
            for ranges in (*EMOTIONS.values(), ANY):
                picture = draw_face(who, look_of(ranges, chance), chance)
                assert picture.shape == (SIDE, SIDE, 4)
                assert 0.1 < (picture[..., 3] > 0).mean() < 0.9


def test_looks_keep_to_their_ranges_and_emotions_differ() -> None:
    chance = np.random.default_rng(4)
    means = {}
    for emotion, ranges in EMOTIONS.items():
        looks = [look_of(ranges, chance) for _ in range(200)]
        for name, parts in ranges.items():
            assert 0 < sum(share for share, *_ in parts) <= 1 + 1e-9
            usual = getattr(Look(), name)
            for look in looks:
                value = getattr(look, name)
                assert value == usual or any(least <= value <= most for _, least, most in parts)
        means[emotion] = np.mean([measures_of(look) for look in looks], axis=0)
    assert list(EMOTIONS) == sorted(EMOTIONS)
    distances = [np.abs(means[a] - means[b]).max() for a in means for b in means if a < b]
    assert min(distances) > 0.2, "no two emotions are drawn alike"


def test_measures_do_not_say_which_side_is_higher() -> None:
    left, right = measures_of(Look(lopsided=-0.5)), measures_of(Look(lopsided=0.5))
    np.testing.assert_array_equal(left, right)
    assert measures_of(Look()).shape == (len(MEASURED),)


def test_brows_that_are_not_drawn_are_not_asked_for() -> None:
    shown = np.array([expression(number, 32).visible for number in range(2_000_000, 2_000_080)])
    assert 0.4 < shown[:, 0].mean() < 0.95
    assert (shown[:, 2:] == 1).all()
    assert (shown[:, 1] >= shown[:, 0]).all(), "lids still slant with brows that are not there"
