from collections import Counter
from random import Random

import pytest

from pipeline.cartoon.acting import STEEPEST, Performance
from pipeline.cartoon.backdrops import PLACES
from pipeline.cartoon.cast import ACTORS, EMOTIONS
from pipeline.cartoon.casting import DECK, LARGEST, Moods
from pipeline.cartoon.letters import STROKES, WORDS
from pipeline.cartoon.plan import ShotPlan
from pipeline.cartoon.script import write_script

ASPECT = 16 / 9


def scripts(seed: int, count: int, seconds: int = 60, fps: int = 24) -> list[list[ShotPlan]]:
    done: list[list[ShotPlan]] = []
    for number in range(1, count + 1):
        done.append(write_script(seed, f"s01e{number:02d}", seconds * fps, fps, ASPECT, done))
    return done


@pytest.fixture(scope="module")
def played() -> list[tuple[ShotPlan, Performance]]:
    plans = [shot for episode in scripts(0, 4) for shot in episode]
    return [(shot, layer) for shot in plans for layer in shot.layers if isinstance(layer, Performance)]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("seconds", [6, 12, 60])
def test_an_episode_fills_its_time_and_has_a_fade_a_dissolve_and_a_reused_shot(seed: int, seconds: int) -> None:
    for script in scripts(seed, 2, seconds):
        assert sum(shot.frames for shot in script) == seconds * 24
        assert [shot.opening for shot in script[:3]] == [True, True, False]
        assert {"cut", "fade", "dissolve"} == {shot.transition for shot in script}
        assert all(shot.transition == "cut" for shot in script[:3])
        assert any(shot.reuses and not shot.opening for shot in script)


def test_another_seed_is_another_series() -> None:
    assert scripts(1, 1) != scripts(2, 1)
    assert scripts(1, 1) == scripts(1, 1)


def test_everybody_feels_everything_about_as_often_as_the_deck_says(played: list[tuple[ShotPlan, Performance]]) -> None:
    felt = Counter(
        (ACTORS[p.actor].character, feeling.emotion) for _, p in played if p.view == "front" for feeling in p.feelings
    )
    assert len(felt) == 4 * len(EMOTIONS)
    for emotion in EMOTIONS:
        share = sum(count for (_, felt_one), count in felt.items() if felt_one == emotion) / felt.total()
        assert share == pytest.approx(DECK.count(emotion) / len(DECK), abs=0.06)


def test_the_deck_is_dealt_whole_before_anything_comes_again() -> None:
    moods = Moods(Random(1))
    dealt = [moods.deal("otto") for _ in range(2 * len(DECK))]
    assert Counter(dealt[: len(DECK)]) == Counter(dealt[len(DECK) :]) == Counter(DECK)
    assert dealt[: len(DECK)] != dealt[len(DECK) :]


def test_faces_are_small_and_large_but_within_bounds(played: list[tuple[ShotPlan, Performance]]) -> None:
    sizes = [p.size * key[3] for shot, p in played if p.view == "front" for key in shot.camera.keys]
    assert 0.11 <= min(sizes) < 0.16
    assert 0.6 < max(sizes) <= LARGEST + 0.01


def test_heads_are_turned_both_ways_but_never_too_far(played: list[tuple[ShotPlan, Performance]]) -> None:
    angles = [p.pose(frame).angle for shot, p in played for frame in range(0, shot.frames, 6)]
    assert max(angles) == STEEPEST
    assert min(angles) == -STEEPEST
    assert 0.15 < sum(p.mirrored for _, p in played) / len(played) < 0.45


def test_there_are_several_faces_in_a_shot_and_heads_without_one(played: list[tuple[ShotPlan, Performance]]) -> None:
    faces = Counter(shot.id for shot, p in played if p.view == "front")
    assert max(faces.values()) >= 4
    assert {p.view for _, p in played} == {"front", "blank", "behind"}


def test_shots_play_in_all_places_and_words_have_all_their_letters() -> None:
    assert {shot.place for episode in scripts(0, 4) for shot in episode} == set(PLACES)
    assert set("".join(WORDS)) <= set(STROKES)


def test_a_series_that_repeats_itself_has_endings_and_recaps_to_the_pixel() -> None:
    done: list[list[ShotPlan]] = []
    for number in range(1, 4):
        done.append(write_script(3, f"s01e{number:02d}", 40 * 24, 24, ASPECT, done, repeats=True))
    plans = {shot.id: shot for episode in done for shot in episode}
    for number, episode in enumerate(done):
        assert sum(shot.frames for shot in episode) == 40 * 24
        assert len({shot.id for shot in episode}) == len(episode)
        again = [shot for shot in episode if shot.repeats]
        assert len(again) == (6 if number else 0)
        for shot in again:
            first = plans[shot.repeats]
            assert [shot.state(frame) for frame in range(shot.frames)] == [
                first.state(frame) for frame in range(shot.frames)
            ]
            assert (shot.place_seed, shot.light) == (first.place_seed, first.light)


def test_a_plain_series_is_as_it_was() -> None:
    assert not any(shot.repeats for episode in scripts(0, 2) for shot in episode)
