"""Which pictures are searched, and where: what full search finds, with less of it."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from cascades.looked_for import USUAL_MIN_SCORE, Region
from pipeline.core.errors import UsageError
from pipeline.core.geometry import grow, overlap
from pipeline.core.images import RGB
from pipeline.core.places import Box
from pipeline.frames import WatchedFrame
from pipeline.searches import FaceSearch, SearchOptions

Drawn = list[tuple[Box, float]]
"""the faces of a picture and their scores"""
MIN_FACE = 20
USUAL = SearchOptions()
SURE, UNSURE = 5 * USUAL_MIN_SCORE, 1.2 * USUAL_MIN_SCORE


class DrawnFaces:
    """Finds what is drawn where it is asked for, and notes what it was asked; a picture's first number is its own."""

    def __init__(self, drawn: Sequence[Drawn]) -> None:
        self.drawn = drawn
        self.asked: list[tuple[int, Sequence[Region] | None]] = []

    def find(self, image_HW3: RGB, regions: Sequence[Region] | None = None) -> list[tuple[Box, str, str, float]]:
        number = int(image_HW3[0, 0, 0])
        self.asked.append((number, regions))
        return [
            (box, "cat", "f" * 64, score)
            for box, score in self.drawn[number]
            if regions is None or any(is_in(box, region) for region in regions)
        ]

    def whole(self) -> list[int]:
        """Numbers of the pictures that were searched everywhere, in the order of searching."""
        return [number for number, regions in self.asked if regions is None]


def is_in(box: Box, region: Region) -> bool:
    """As a real search: faces that lie in the region, or touch it where that is wanted, of the sizes asked for."""
    if region.touching and not overlap(grow(box, 0.2), region.box):
        return False
    inside = region.box.left <= box.left and box.right <= region.box.right
    inside &= region.box.top <= box.top and box.bottom <= region.box.bottom
    longer = max(box.width, box.height)
    return (inside or region.touching) and region.min_face_px <= longer <= (region.max_face_px or longer)


def searched(
    drawn: Sequence[Drawn], moving: bool = True, options: SearchOptions = USUAL
) -> tuple[list[set[Box]], DrawnFaces]:
    """What is found on each picture; on all of them everything moves, or nothing."""
    finder, random = DrawnFaces(drawn), np.random.default_rng(5)
    search, found = FaceSearch(finder, options, MIN_FACE), list[set[Box]]()
    small = random.integers(0, 255, (45, 80, 3), dtype=np.uint8)
    for number in range(len(drawn)):
        if moving:
            small = random.integers(0, 255, (45, 80, 3), dtype=np.uint8)
        frame = WatchedFrame(
            index=number, pts=number, duration=1, time_base=Fraction(1, 4), small=small, slot=number,
            image=np.full((360, 640, 3), number, dtype=np.uint8),
        )  # fmt: skip
        now = search.search(frame)
        if now.before:
            found[-1] |= {face.box for face in now.before}
        found.append({face.box for face in now.faces})
    return found, finder


def square(x: int, y: int, side: int) -> Box:
    return Box(left=x, top=y, right=x + side, bottom=y + side)


def boxes(drawn: Sequence[Drawn]) -> list[set[Box]]:
    return [{box for box, _ in of} for of in drawn]


def test_faces_that_move_a_little_are_found_though_every_second_picture_is_only_skimmed() -> None:
    drawn: list[Drawn] = [
        [(square(100 + 8 * n, 100, 40), SURE), (square(400 - 5 * n, 200, 30), UNSURE)] for n in range(8)
    ]
    found, finder = searched(drawn)
    assert found == boxes(drawn)
    assert finder.whole() == [0, 2, 4, 6]


def test_pictures_on_which_nothing_moves_are_searched_once_a_group() -> None:
    drawn: list[Drawn] = [[(square(100, 100, 40), SURE)]] * 16
    found, finder = searched(drawn, moving=False)
    assert found == boxes(drawn)
    assert finder.asked == [(0, None), (8, None)]


def test_a_large_face_on_a_skimmed_picture_alone_is_found() -> None:
    drawn: list[Drawn] = [[], [(square(200, 50, 4 * MIN_FACE), UNSURE)], [], []]
    found, finder = searched(drawn)
    assert found == boxes(drawn)
    assert finder.whole() == [0, 2]


def test_a_small_find_nearby_does_not_hide_a_large_face() -> None:
    """The large one is looked at once more, with the sizes around its own: it may be the smallest that was looked for."""
    large = square(180, 80, 5 * MIN_FACE)
    drawn: list[Drawn] = [[(square(200, 100, MIN_FACE), UNSURE)], [(large, SURE)], []]
    found, finder = searched(drawn)
    assert found == boxes(drawn)
    again = [regions for number, regions in finder.asked if number == 1][-1]
    assert again is not None
    assert any(is_in(large, region) and 2 * MIN_FACE < region.min_face_px < 4 * MIN_FACE for region in again)


def test_a_face_that_turns_up_is_found_on_the_skimmed_picture_before() -> None:
    drawn: list[Drawn] = [[], [(square(300, 100, 30), UNSURE)], [(square(310, 100, 30), UNSURE)], []]
    found, finder = searched(drawn)
    assert found == boxes(drawn)
    assert finder.whole() == [0, 2]


def test_a_face_that_turns_up_beside_a_known_one_is_new() -> None:
    """Only one of the two was there before; the other is no further from it than a face may move."""
    stays, new = (square(200, 100, 60), SURE), (square(265, 100, 60), SURE)
    drawn: list[Drawn] = [[stays], [stays, new], [stays, new], [stays, new]]
    found, _ = searched(drawn)
    assert found == boxes(drawn)


@pytest.mark.parametrize(("score", "seen"), [(SURE, True), (UNSURE, False)])
def test_a_fast_face_is_looked_for_everywhere_where_it_is_sure(score: float, seen: bool) -> None:
    drawn: list[Drawn] = [[], [(square(400, 100, 40), SURE)], [(square(50, 100, 40), score)], []]
    found, finder = searched(drawn)
    assert (found[1] == boxes(drawn)[1]) is seen
    assert finder.whole() == ([0, 2, 1] if seen else [0, 2])
    assert found[2] == boxes(drawn)[2]


def test_a_face_that_two_cascades_find_is_not_taken_for_two() -> None:
    one, other = square(200, 100, 40), square(203, 101, 40)
    drawn: list[Drawn] = [[], [(one, SURE)], [(one, SURE), (other, SURE)], []]
    _, finder = searched(drawn)
    assert finder.whole() == [0, 2]


def test_searching_every_picture_whole_does_so() -> None:
    _, finder = searched([[]] * 5, moving=False, options=SearchOptions(full_every=1))
    assert finder.whole() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("options", [{"full_every": 0}, {"reach": -0.1}, {"large": 0.5}])
def test_options_that_make_no_sense_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="large 1 or more"):
        SearchOptions(**options)  # type: ignore[arg-type]
