import itertools

import numpy as np
import pytest

from pipeline.tracks import IMPOSSIBLE, TrackOptions, link, matched
from tests.records import detection

OPTIONS = TrackOptions()
EVERY_6 = list(range(0, 60, 6))


def test_a_moving_face_is_one_track() -> None:
    found = [detection(pts, 10 + pts) for pts in EVERY_6]
    [(track, faces)] = link(found, EVERY_6, OPTIONS)
    assert (track.start_pts, track.end_pts, track.detections) == (0, 55, 10)
    assert [f.best.pts for f in faces] == EVERY_6


def test_two_faces_that_pass_each_other_stay_two() -> None:
    found = [detection(p, 2 * p, 0) for p in EVERY_6] + [detection(p, 120 - 2 * p, 70) for p in EVERY_6]
    tracks = link(found, EVERY_6, OPTIONS)
    assert [t.detections for t, _ in tracks] == [10, 10]
    assert all(len({f.best.box.top for f in faces}) == 1 for _, faces in tracks)


def test_a_short_gap_is_bridged_and_a_long_one_is_not() -> None:
    short = [detection(p, 10) for p in EVERY_6 if p not in (18, 24)]
    assert len(link(short, EVERY_6, OPTIONS)) == 1
    long = [detection(p, 10) for p in EVERY_6 if p not in (18, 24, 30)]
    assert len(link(long, EVERY_6, OPTIONS)) == 2


def test_a_lone_detection_makes_no_track_unless_the_shot_was_seen_once() -> None:
    assert link([detection(6, 10)], EVERY_6, OPTIONS) == []
    assert len(link([detection(0, 10)], [0], OPTIONS)) == 1


def test_a_jump_or_a_change_of_size_begins_another_track() -> None:
    jump = [detection(p, 10 if p < 30 else 300) for p in EVERY_6]
    assert len(link(jump, EVERY_6, OPTIONS)) == 2
    size = [detection(p, 10, size=50 if p < 30 else 120) for p in EVERY_6]
    assert len(link(size, EVERY_6, OPTIONS)) == 2


def test_cascades_vote_for_the_character() -> None:
    found = [detection(p, 10, character="ann", score=2.0) for p in EVERY_6]
    found += [detection(p, 12, character="bob", score=3.0) for p in EVERY_6[:3]]
    [(track, faces)] = link(found, EVERY_6, OPTIONS)
    assert track.character == "ann"
    assert [len(f.all) for f in faces] == [2, 2, 2, 1, 1, 1, 1, 1, 1, 1]
    assert faces[0].best.character == "bob"


def test_the_order_of_detections_does_not_matter() -> None:
    found = [detection(p, 10 + p) for p in EVERY_6] + [detection(p, 200 - p, 90) for p in EVERY_6]
    assert link(found, EVERY_6, OPTIONS) == link(found[::-1], EVERY_6, OPTIONS)


def test_nothing_gives_nothing() -> None:
    assert link([], [], OPTIONS) == []


@pytest.mark.parametrize("share", [0.1, 0.3, 0.8])
@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (1, 2), (4, 4), (3, 6), (6, 2), (6, 6)])
def test_matching_is_the_best_of_all_that_there_are(shape: tuple[int, int], share: float) -> None:
    """Few possible pairs leave nothing to choose, many do: as many pairs as can be, then the least cost."""
    chance, competed = np.random.default_rng(1), 0
    for _ in range(30):
        cost = np.where(chance.random(shape) < share, chance.random(shape), IMPOSSIBLE)
        wide = cost if shape[0] <= shape[1] else cost.T
        ways = [
            [wide[r, c] for r, c in enumerate(way)] for way in itertools.permutations(range(max(shape)), min(shape))
        ]
        best = min((sum(one >= IMPOSSIBLE for one in way), sum(one for one in way if one < IMPOSSIBLE)) for way in ways)
        found = matched(cost)
        assert len(found) == min(shape) - best[0]
        assert sum(cost[r, c] for r, c in found.items()) == pytest.approx(best[1])
        assert len(set(found.values())) == len(found)
        competed += int(((cost < IMPOSSIBLE).sum(axis=0) > 1).any() or ((cost < IMPOSSIBLE).sum(axis=1) > 1).any())
    assert competed or share < 0.3
