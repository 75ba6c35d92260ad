"""The fast search beside the exact one: the same windows, in fewer places."""

import numpy as np
import pytest

from cascades.fit import Fitted
from cascades.looked_for import DetectOptions
from cascades.scan.fast import FEWEST_STAGES, FastScanner, merged_spans, shortened
from cascades.scan.grouping import group_like_opencv
from cascades.scan.regions import Region
from cascades.scan.search import Hits, Scanner, ScanOptions
from pipeline.core.errors import UsageError
from tests.cascades.drawing import clutter, draw_face
from tests.cascades.random_models import random_cascade


def windows_of(hits: Hits) -> dict[tuple[int, ...], float]:
    return {tuple(box): total for box, total in zip(hits.boxes.tolist(), hits.totals.tolist(), strict=True)}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("stages", [2, 6])
def test_fast_finds_some_of_the_exact_windows_with_the_same_totals(seed: int, stages: int) -> None:
    random = np.random.default_rng([60, seed])
    models = [
        random_cascade(random, width=24, height=24, tilted="mixed", stages=stages),
        random_cascade(random, width=20, height=30, depth=2, stages=stages),
        random_cascade(random, kind="LBP", width=24, height=24, stages=stages),
    ]
    image, options = clutter(random, 170, 129), ScanOptions(scale_factor=1.15)
    fast, exact = FastScanner(models).scan(image, options), Scanner(models).scan(image, options)
    assert sum(len(hits.boxes) for hits in fast) > 0
    for some, whole in zip(fast, exact, strict=True):
        found, wanted = windows_of(some), windows_of(whole)
        assert len(found) == len(some.boxes)
        assert len(found.keys() - wanted.keys()) <= 0.02 * len(found)
        assert all(total == wanted[box] for box, total in found.items() if box in wanted)


def test_a_cascade_for_drawn_faces_misses_hardly_any_that_the_exact_search_finds(ann: Fitted) -> None:
    random = np.random.default_rng(65)
    model, missed, faces = ann.model, 0, 0
    for _ in range(12):
        image = clutter(random, 240, 180)
        for left, top, side in ((10, 20, 40), (90, 60, 60), (170, 100, 50)):
            draw_face(image, left, top, side, random)
        fast, exact = (s.scan(image, ScanOptions())[0].boxes for s in (FastScanner([model]), Scanner([model])))
        wanted, given = (group_like_opencv(boxes, 3).boxes for boxes in (exact, fast))
        faces += len(wanted)
        missed += sum(not np.any(np.abs(given - box).max(axis=1) <= 0.25 * box[2]) for box in wanted)
    assert faces >= 30
    assert missed <= 0.02 * faces


def test_a_picture_smaller_than_the_window_gives_nothing() -> None:
    model = random_cascade(np.random.default_rng(61), width=24, height=24)
    for shape in ((10, 10), (23, 100), (100, 23)):
        hits = FastScanner([model]).scan(np.zeros(shape, dtype=np.uint8), ScanOptions())[0]
        assert hits.boxes.shape == (0, 4)


def test_a_search_of_one_size_is_the_exact_one() -> None:
    random = np.random.default_rng(62)
    model, image = random_cascade(random, width=24, height=24), clutter(random, 120, 90)
    options = ScanOptions(smallest=(24, 24), largest=(24, 24))
    fast, exact = FastScanner([model]).scan(image, options)[0], Scanner([model]).scan(image, options)[0]
    assert windows_of(fast) == windows_of(exact) != {}
    assert fast.windows == exact.windows


def test_regions_are_searched_exactly() -> None:
    random = np.random.default_rng(63)
    model, image = random_cascade(random, width=24, height=24), clutter(random, 170, 129)
    regions, options = [[Region(left=20, top=10, right=120, bottom=100)]], ScanOptions()
    fast = FastScanner([model]).scan_regions(image, regions, options)[0]
    assert windows_of(fast) == windows_of(Scanner([model]).scan_regions(image, regions, options)[0]) != {}


def test_cascades_of_few_stages_keep_them_all() -> None:
    random = np.random.default_rng(64)
    short = random_cascade(random, stages=FEWEST_STAGES - 1)
    assert shortened(short) is short
    long = random_cascade(random, stages=FEWEST_STAGES)
    assert long.stages[: len(shortened(long).stages)] == shortened(long).stages != long.stages


def test_spans_around_neighbours_are_taken_together_and_stay_on_the_level() -> None:
    sizes = np.array([(2.0, 1, 60, 40), (2.2, 1, 50, 33), (2.42, 1, 43, 28)])
    triggers = np.array([(1, 0, 0), (1, 1, 0), (1, 49, 32)])
    spans = np.empty((6, 5), dtype=np.int64)
    count = merged_spans(triggers, sizes, 24, 24, spans)
    assert count == 4
    for level, left, right, top, bottom in spans[:count].tolist():
        assert level in (0, 2)
        assert 0 <= left < right <= sizes[level, 2]
        assert 0 <= top < bottom <= sizes[level, 3]


def test_a_mode_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="mode must be exact or fast"):
        DetectOptions(mode="quick")  # type: ignore[arg-type]
