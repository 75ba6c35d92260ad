"""Held drawings on moving pictures whose truth is exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.shots import HoldFinder, ShotOptions
from tests.pipeline.shots.moving import Frames, noisy, scene


def starts_of(frames: Frames) -> list[int]:
    finder = HoldFinder(ShotOptions())
    return [n for n, small in enumerate(frames) if finder.push(small)]


@pytest.mark.parametrize("step", [1, 2, 3, 6])
def test_drawings_on_ones_twos_threes_and_longer_begin_where_they_begin(step: int) -> None:
    assert starts_of(noisy(scene(1, 48, step=step), 0)) == list(range(0, 48, step))


def test_a_long_hold_is_one_drawing_whatever_the_noise() -> None:
    assert starts_of(noisy(scene(2, 200, step=200), 0, 4.0)) == [0]


def test_slow_movement_adds_up() -> None:
    film = scene(3, 60, step=60)
    for t in range(60):
        film[t, 20:40, 60 : 62 + t // 6] = 255 - film[t, 20:40, 60 : 62 + t // 6]
    assert len(starts_of(film)) >= 6


def test_a_blinking_eye_is_a_new_drawing() -> None:
    film = scene(4, 12, step=12)
    film[5:8, 40:45, 80:85] = 255 - film[5:8, 40:45, 80:85]
    assert starts_of(film) == [0, 5, 8]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(min_value=1, max_value=9), min_size=1, max_size=12))
def test_holds_of_any_lengths_keep_them(lengths: list[int]) -> None:
    drawings = scene(5, 8 * len(lengths), step=1)[::8]
    film = np.repeat(drawings, lengths, axis=0)
    assert starts_of(noisy(film, 3)) == [0, *np.cumsum(lengths)[:-1].tolist()]
