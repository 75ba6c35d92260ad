"""Cuts, dissolves and fades of moving pictures whose truth is exact."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import UsageError
from pipeline.shots import DETECTORS, Cut, CutFinder, HoldFinder, ShotOptions
from tests.pipeline.shots.moving import Frames, dissolved, faded, noisy, scene


def cuts_of(frames: Frames, **options: object) -> list[Cut]:
    chosen = ShotOptions(**options)  # type: ignore[arg-type]
    finder, holds = CutFinder(chosen), HoldFinder(chosen)
    found = [cut for small in frames for cut in finder.push(small, holds.push(small))]
    return found + finder.finish()


def told(cuts: list[Cut]) -> list[tuple[int, str]]:
    return [(int(cut), cut.kind) for cut in cuts]


def test_hard_cuts_are_found_at_their_very_frame() -> None:
    frames = np.concatenate([scene(seed, length) for seed, length in ((1, 40), (2, 55), (3, 30))])
    assert told(cuts_of(noisy(frames, 0))) == [(40, "cut"), (95, "cut")]


@pytest.mark.parametrize("frames", [6, 12, 16, 24, 40, 60])
def test_a_dissolve_is_one_cut_near_its_middle(frames: int) -> None:
    film = dissolved(scene(1, 100), scene(2, 100), frames)
    [cut] = cuts_of(noisy(film, 1))
    assert cut.kind == "dissolve"
    assert abs(cut - (100 - frames + (frames + 1) // 2)) <= 2


@pytest.mark.parametrize("colour", [0, 255])
@pytest.mark.parametrize("frames", [8, 12, 24])
def test_a_fade_through_black_or_white_is_one_cut_where_nothing_is_seen(frames: int, colour: int) -> None:
    film = faded(scene(4, 90), scene(5, 90), frames, colour)
    [cut] = cuts_of(noisy(film, 1, 1.0))
    assert cut.kind == "fade"
    assert abs(cut - 90) <= 2


@pytest.mark.parametrize("pan", [1, 2, 4, -3])
def test_a_pan_is_no_cut_and_no_dissolve(pan: int) -> None:
    assert cuts_of(noisy(scene(6, 120, pan=pan), 2)) == []


def test_a_dissolve_out_of_a_pan_is_found() -> None:
    [cut] = cuts_of(dissolved(scene(7, 80, pan=1), scene(8, 80), 16))
    assert cut.kind == "dissolve"
    assert 64 <= cut <= 80


def test_a_flash_is_no_cut() -> None:
    film = scene(9, 80)
    film[40:42] = 255
    assert cuts_of(film) == []
    assert cuts_of(film, confirm=False, detectors=("content",)) != []


def test_the_light_going_down_is_no_dissolve() -> None:
    film = scene(10, 90, step=90).astype(float)
    film[30:50] *= np.linspace(1, 0.4, 20)[:, None, None, None]
    film[50:] *= 0.4
    assert cuts_of(film.astype(np.uint8)) == []


def test_fading_in_at_the_start_and_out_at_the_end_are_no_cuts() -> None:
    black = np.zeros((20, 90, 160, 3), dtype=np.uint8)
    film = faded(faded(black, scene(11, 100), 12), black, 12)
    assert cuts_of(film) == []


def test_hard_cuts_into_and_out_of_black_are_one_cut() -> None:
    black = np.zeros((20, 90, 160, 3), dtype=np.uint8)
    film = np.concatenate([scene(12, 50), black, scene(13, 50)])
    assert told(cuts_of(film)) == [(70, "cut")]


def test_two_cuts_closer_than_the_shortest_shot_are_one() -> None:
    film = np.concatenate([scene(14, 40), scene(15, 6), scene(16, 40)])
    assert [int(cut) for cut in cuts_of(film)] == [40]
    assert [int(cut) for cut in cuts_of(film, min_shot_frames=3)] in ([40, 46], [40])


@pytest.mark.parametrize("name", [name for name in DETECTORS if name not in ("threshold", "blend")])
def test_each_detector_of_hard_cuts_does_alone(name: str) -> None:
    film = np.concatenate([scene(1, 40), scene(2, 40)])
    assert told(cuts_of(film, detectors=(name,))) == [(40, "cut")]


def test_pushing_held_frames_changes_nothing_but_the_numbers() -> None:
    film = dissolved(np.concatenate([scene(1, 40), scene(2, 60)]), scene(3, 60), 16)
    once, again = cuts_of(film), cuts_of(film)
    assert told(once) == told(again)


def test_what_is_told_does_not_depend_on_what_comes_later() -> None:
    film = np.concatenate([scene(seed, 60) for seed in range(1, 6)])
    finder, holds, early = CutFinder(ShotOptions()), HoldFinder(ShotOptions()), []
    for small in film[:260]:
        early += finder.push(small, holds.push(small))
    whole = cuts_of(film)
    assert early
    assert whole[: len(early)] == early


def test_nothing_and_one_frame_have_no_cut() -> None:
    assert CutFinder(ShotOptions()).finish() == []
    assert cuts_of(scene(1, 1)) == []


def test_a_picture_that_changes_its_size_is_survived() -> None:
    finder, holds, found = CutFinder(ShotOptions()), HoldFinder(ShotOptions()), []
    for small in [*scene(1, 40), *scene(1, 40)[:, :60, :100]]:
        found += finder.push(np.ascontiguousarray(small), holds.push(np.ascontiguousarray(small)))
    assert [int(cut) for cut in found + finder.finish()] in ([40], [])


def test_a_cut_is_its_frame_number_and_keeps_its_kind() -> None:
    cut = pickle.loads(pickle.dumps(Cut(7, "fade")))  # as it goes from a worker to the one who asked
    assert cut == 7
    assert cut.kind == "fade"


@settings(max_examples=12, deadline=None)
@given(lengths=st.lists(st.integers(min_value=14, max_value=50), min_size=1, max_size=4), seed=st.integers(0, 20))
def test_any_row_of_scenes_is_cut_where_they_meet(lengths: list[int], seed: int) -> None:
    film = np.concatenate([scene(100 * seed + n, length) for n, length in enumerate(lengths)])
    assert [int(cut) for cut in cuts_of(film)] == np.cumsum(lengths)[:-1].tolist()


def test_unknown_detectors_are_refused() -> None:
    with pytest.raises(UsageError, match="shot detectors must be of adaptive, content, histogram, threshold, blend"):
        ShotOptions(detectors=("magic",))
