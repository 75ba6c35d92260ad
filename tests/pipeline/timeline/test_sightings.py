from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.places import Box
from pipeline.core.records import Detection
from pipeline.timeline.sightings import extents, sightings_of
from tests.pipeline.timeline.made import ID, hold, shot, sighting


def detection(pts: int, track: str, score: float, left: int) -> Detection:
    box = Box(left=left, top=0, right=left + 10, bottom=10)
    return Detection(
        id=f"{ID}.d{pts}.{left}", episode=ID, shot="", pts=pts, box=box, character="tom", cascade="c", score=score,
        track=track,
    )  # fmt: skip


def test_of_several_detections_on_a_frame_the_best_one_counts_and_loose_ones_do_not() -> None:
    found = sightings_of(
        [detection(5, "a", 1.0, 3), detection(0, "a", 2.0, 1), detection(5, "a", 4.0, 7), detection(5, "", 9.0, 9)]
    )
    assert {track: [(one.pts, one.box.left) for one in seen] for track, seen in found.items()} == {
        "a": [(0, 1), (5, 7)]
    }


def test_a_change_lies_where_the_drawing_changes_else_in_the_middle() -> None:
    whole = shot(0, 4000)
    holds = [hold(0, 1100, whole), hold(1100, 2100, whole), hold(2100, 4000, whole)]
    found = extents([sighting(1000), sighting(1250), sighting(1500)], whole, holds, 250)
    assert found == ((875, 1100), (1100, 1375), (1375, 1625))


def test_a_face_at_the_edge_of_a_shot_reaches_to_it_and_never_over() -> None:
    whole = shot(1000, 2000)
    assert extents([sighting(1100), sighting(1900)], whole, [], 250) == ((1000, 1500), (1500, 2000))
    assert extents([sighting(1000)], whole, [], 250)[0][0] == 1000
    assert extents([sighting(1999)], whole, [], 250)[0][1] == 2000


@given(st.lists(st.integers(0, 999), min_size=1, max_size=12, unique=True), st.lists(st.integers(1, 999), max_size=9))
def test_extents_have_no_gaps_hold_their_sighting_and_stay_in_the_shot(times: list[int], changes: list[int]) -> None:
    whole, seen = shot(0, 1000), [sighting(pts) for pts in sorted(times)]
    holds = [hold(start, start + 1, whole) for start in {0, *changes}]
    found = extents(seen, whole, holds, 100)
    assert all(begin <= one.pts < end for one, (begin, end) in zip(seen, found, strict=True))
    assert all(a[1] == b[0] for a, b in zip(found, found[1:], strict=False))
    assert found[0][0] >= 0
    assert found[-1][1] <= 1000
