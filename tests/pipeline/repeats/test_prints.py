"""What a shot looks like, packed and unpacked."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import WorkspaceError
from pipeline.repeats import film_of
from pipeline.repeats.prints import CELLS, hashes_of, telling
from tests.pipeline.repeats.episodes import prints_of
from tests.pipeline.shots.moving import noisy, scene


def test_a_print_gives_back_each_drawing_at_its_time() -> None:
    shots, prints = prints_of("e1", [scene(1, 24), scene(2, 12)])
    film = film_of(prints)
    assert film.shots == tuple(shot.id for shot in shots)
    assert film.spans.tolist() == [[0, 1000], [1000, 1500]]
    assert film.times.tolist() == [round(1000 * t / 24) for t in range(0, 36, 2)]
    assert film.shot.tolist() == [0] * 12 + [1] * 6
    assert film.cells.shape == (18, CELLS)
    assert film.cells.max() <= 63


def test_a_shot_that_begins_with_a_drawing_held_from_before_has_it() -> None:
    still = scene(3, 20, step=20)
    _, prints = prints_of("e1", [still[:10], still[10:]])
    assert film_of(prints[1:]).times.tolist() == [prints[1].start_milliseconds]


def test_an_episode_that_starts_late_or_before_zero_has_the_same_drawings() -> None:
    _, early = prints_of("e1", [scene(1, 24)])
    for first in (-50, 1000):
        _, late = prints_of("e1", [scene(1, 24)], first)
        assert (late[0].drawings, late[0].anchors) == (early[0].drawings, early[0].anchors)


def test_black_and_one_colour_say_nothing() -> None:
    _, prints = prints_of("e1", [np.zeros((12, 90, 160, 3), dtype=np.uint8)])
    assert prints[0].anchors == ""
    assert not telling(film_of(prints).cells).any()


def test_noise_moves_few_bits_of_a_hash_and_another_scene_many() -> None:
    film = scene(4, 2)
    one, noised, other = (
        hashes_of(film_of(prints_of("e", [f])[1]).cells)[0] for f in (film, noisy(film, 1), scene(5, 2))
    )
    assert (one ^ noised).bit_count() <= 3
    assert (one ^ other).bit_count() > 12


def test_a_minute_takes_few_kilobytes() -> None:
    _, prints = prints_of("e1", [noisy(scene(n, 72), n) for n in range(4)])
    assert sum(len(p.drawings) + len(p.anchors) for p in prints) < 5 * 6 * 1024


@pytest.mark.parametrize("drawings", ["", "!!", "zzzz", "c$|ee+W^R;0000"])
def test_a_damaged_print_is_told(drawings: str) -> None:
    _, prints = prints_of("e1", [scene(1, 12)])
    with pytest.raises(WorkspaceError, match=r"the print of shot e1\.s0 is damaged .* mine its episode again"):
        film_of([replace(prints[0], drawings=drawings)])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(0, 50))
def test_any_shots_come_back_in_order(lengths: list[int], seed: int) -> None:
    _, prints = prints_of("e1", [scene(seed + n, length, step=1) for n, length in enumerate(lengths)])
    film = film_of(reversed(prints))  # type: ignore[arg-type]
    assert len(film.shots) == len(lengths)
    assert (np.diff(film.times) > 0).all()
    assert (film.spans[:, 0] <= film.times[np.searchsorted(film.shot, np.arange(len(lengths)))]).all()
