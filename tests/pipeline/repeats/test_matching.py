"""Which shots show the same."""

import numpy as np
import pytest

from pipeline.core.errors import UsageError
from pipeline.repeats import Film, RepeatIndex, RepeatOptions, film_of, join
from pipeline.repeats.matching import repeats_of
from tests.pipeline.repeats.episodes import prints_of, titled
from tests.pipeline.shots.moving import Frames, noisy, scene


def pairs(first: list[Frames], second: list[Frames]) -> list[tuple[int, int]]:
    """Positions in the second and the first episode of the shots that show the same."""
    films: dict[str, Film] = {}
    index = RepeatIndex()
    shots_a, prints_a = prints_of("ea", first)
    shots_b, prints_b = prints_of("eb", second)
    films = {"ea": film_of(prints_a), "eb": film_of(prints_b)}
    index.add(prints_a, {})
    index.add(prints_b, {})  # an episode never matches itself
    names_a, names_b = [s.id for s in shots_a], [s.id for s in shots_b]
    found = repeats_of(films["eb"], "eb", index, films.__getitem__, RepeatOptions())
    return [(names_b.index(mine), names_a.index(other)) for mine, other in found]


def acted(place: Frames, seed: int) -> Frames:
    """Somebody in a still place, walking his own way."""
    film = np.repeat(place[:1], 60, axis=0)
    rng = np.random.default_rng(seed)
    for t in range(60):
        if t % 2 == 0:
            x, y = rng.integers(5, 110), rng.integers(5, 40)
        film[t, y : y + 45, x : x + 40] = rng.integers(0, 256, 3) if t == 0 else film[0, y, x]
        film[t, y : y + 45, x : x + 40] = (seed * 40 % 256, 200, 30)
    return film


def test_the_same_shot_is_found_through_noise_at_another_place() -> None:
    same = scene(1, 60)
    assert pairs([scene(2, 50), same, scene(3, 40)], [noisy(same, 5, 3.0), scene(4, 50)]) == [(0, 1)]


def test_other_shots_are_not_found() -> None:
    assert pairs([scene(n, 50) for n in range(1, 6)], [scene(n, 50) for n in range(6, 11)]) == []


def test_a_shot_under_a_title_is_found() -> None:
    same = scene(1, 60)
    assert pairs([same, scene(2, 50)], [scene(3, 40), titled(same)]) == [(1, 0)]


def test_a_few_frames_cut_off_do_not_matter() -> None:
    same = scene(1, 70)
    assert pairs([scene(2, 50), same], [same[5:], scene(4, 50)]) == [(0, 1)]
    assert pairs([same], [same[:40]]) == [(0, 0)]


def test_the_same_place_with_other_acting_is_another_shot() -> None:
    place = scene(1, 1)
    assert pairs([acted(place, 1)], [acted(place, 2)]) == []
    assert pairs([acted(place, 1)], [noisy(acted(place, 1), 3)]) == [(0, 0)]


def test_black_is_never_a_repeat() -> None:
    black = np.zeros((40, 90, 160, 3), dtype=np.uint8)
    assert pairs([scene(1, 40), black], [black, scene(2, 40)]) == []


def test_joining_pairs_does_not_depend_on_their_order() -> None:
    links = [("b", "a"), ("d", "c"), ("c", "b"), ("f", "e")]
    groups = join({}, links)
    assert groups == dict.fromkeys("abcd", "a") | dict.fromkeys("ef", "e")
    assert join({}, links[::-1]) == groups
    assert join(join({}, links[:2]), links[2:]) == groups


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match="repeats need a distance of 0 to 32 bits"):
        RepeatOptions(distance=99)
    with pytest.raises(UsageError, match="shares above 0 up to 1"):
        RepeatOptions(overlap=0)
