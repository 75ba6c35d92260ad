from itertools import combinations

import numpy as np
import pytest

from pipeline.cartoon.cast import ACTORS, CAST, CHARACTERS, EMOTIONS
from pipeline.cartoon.heads import HANDS, cel
from pipeline.cartoon.marks import MARKS

NAMES = [actor.name for actor in CAST]


def test_the_cast_has_three_named_characters_and_bystanders() -> None:
    assert {actor.character for actor in CAST} == set(CHARACTERS)
    assert len(CHARACTERS) == 4
    assert sum(actor.character == "other" for actor in CAST) == 2


@pytest.mark.parametrize("name", NAMES)
def test_every_actor_shows_every_emotion_in_more_than_one_way(name: str) -> None:
    looks = ACTORS[name].looks
    assert tuple(sorted(looks)) == EMOTIONS
    for ways in looks.values():
        assert len(set(ways)) == len(ways) >= 2
        assert {mark for look in ways for mark in look.marks} <= set(MARKS)


@pytest.mark.parametrize("name", NAMES)
def test_emotions_differ_inside_the_face_box_and_nowhere_else(name: str) -> None:
    cels = [cel(ACTORS[name], emotion, 0, 0, "front", 64) for emotion in EMOTIONS]
    x, y = cels[0].center
    rows, columns = np.mgrid[0 : cels[0].picture.shape[0], 0 : cels[0].picture.shape[1]]
    inside = (abs(columns + 0.5 - x) <= 0.5 * cels[0].unit) & (
        abs(rows + 0.5 - y) <= cels[0].half_height * cels[0].unit
    )
    for one, other in combinations(cels, 2):
        change = np.abs(one.picture.astype(int) - other.picture).sum(axis=2)
        assert change[inside].sum() > 0.97 * change.sum()
        assert (change[inside] > 90).mean() > 0.01


@pytest.mark.parametrize("name", NAMES)
def test_a_head_without_a_face_keeps_the_outline_and_loses_the_features(name: str) -> None:
    front = cel(ACTORS[name], "angry", 0, 0, "front", 64)
    for view in ("blank", "behind"):
        head = cel(ACTORS[name], "neutral", 0, 0, view, 64)
        assert np.mean(head.picture[..., 3] == front.picture[..., 3]) > 0.97
        assert (head.picture[..., :3] <= head.picture[..., 3:]).all()
        eyes = head.picture[
            int(head.center[1] - 8) : int(head.center[1]), int(head.center[0] - 16) : int(head.center[0] + 8), :3
        ]
        assert eyes.mean(axis=2).std() < 12


def test_no_two_hands_draw_the_same_line() -> None:
    drawings = [cel(ACTORS["mara"], "happy", 0, hand.name, "front", 64).picture for hand in HANDS]
    for one, other in combinations(drawings, 2):
        assert np.abs(one.astype(int) - other).mean() > 0.3
