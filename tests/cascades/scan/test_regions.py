"""Parts of pictures searched alone, beside the whole search."""

import numpy as np
import pytest

from cascades.scan.regions import Region
from cascades.scan.search import Scanner, ScanOptions, hits_within
from tests.cascades.drawing import clutter
from tests.cascades.random_models import random_cascade

REGIONS = (
    Region(left=30, top=20, right=110, bottom=90),
    Region(left=90.5, top=-10, right=200, bottom=70.2, smallest=(30, 30), largest=(60, 60)),
    Region(left=0, top=80, right=60, bottom=129, inner=(0.2, 0.1, 0.8, 0.9)),
)


@pytest.mark.parametrize("seed", range(4))
def test_a_region_gives_the_windows_that_the_whole_search_finds_in_it(seed: int) -> None:
    random = np.random.default_rng([40, seed])
    models = [
        random_cascade(random, width=24, height=24, tilted="mixed"),
        random_cascade(random, width=20, height=30, depth=2),
        random_cascade(random, kind="LBP", width=24, height=24),
    ]
    image, options = clutter(random, 170, 129), ScanOptions(scale_factor=1.15)
    scanner = Scanner(models)
    parts = scanner.scan_regions(image, [REGIONS] * 3, options)
    for model, whole, part in zip(models, scanner.scan(image, options), parts, strict=True):
        wanted = hits_within(whole, REGIONS, (model.width, model.height))
        found, all_of_them = ({tuple(b) for b in h.boxes.tolist()} for h in (part, whole))
        assert len(found - all_of_them) <= 0.02 * len(found)
        assert len(found) == len(part.boxes)
        assert len(found ^ {tuple(b) for b in wanted.boxes.tolist()}) <= 0.02 * len(found)
        assert 20 < len(found) < len(whole.boxes)


def test_regions_without_a_window_find_nothing() -> None:
    random = np.random.default_rng(41)
    scanner, image = Scanner([random_cascade(random, width=24, height=24)]), clutter(random, 100, 80)
    for region in (
        Region(left=10, top=10, right=33, bottom=60),
        Region(left=200, top=10, right=300, bottom=60),
        Region(left=0, top=0, right=100, bottom=80, smallest=(90, 90)),
    ):
        assert len(scanner.scan_regions(image, [[region]])[0].boxes) == 0
    assert len(scanner.scan_regions(image, [[]])[0].boxes) == 0


def test_regions_are_given_for_each_cascade() -> None:
    random = np.random.default_rng(42)
    scanner, image = Scanner([random_cascade(random, width=24, height=24)]), clutter(random, 100, 80)
    for regions in ([], [REGIONS, REGIONS]):
        with pytest.raises(ValueError, match="zip"):
            scanner.scan_regions(image, regions)
