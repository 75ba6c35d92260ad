import numpy as np
import pytest

from cascades.learning.features import tabulate
from cascades.learning.lbp import codes_of, enumerate_lbp


def by_nested_loops(width: int, height: int) -> list[tuple[int, int, int, int]]:
    return [
        (x, y, w, h)
        for x in range(width)
        for y in range(height)
        for w in range(1, width // 3 + 1)
        for h in range(1, height // 3 + 1)
        if x + 3 * w <= width and y + 3 * h <= height
    ]


def code_of(window: np.ndarray, x: int, y: int, w: int, h: int) -> int:
    block = window.astype(int)[y : y + 3 * h, x : x + 3 * w].reshape(3, h, 3, w).sum(axis=(1, 3))
    around = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    return sum((128 >> i) * int(block[place] >= block[1, 1]) for i, place in enumerate(around))


def test_there_are_as_many_features_as_in_opencv() -> None:
    assert len(enumerate_lbp(24, 24)) == 8464


@pytest.mark.parametrize(("width", "height"), [(8, 8), (9, 7), (6, 11)])
def test_they_come_in_opencv_s_order_at_any_window_size(width: int, height: int) -> None:
    table = enumerate_lbp(width, height)
    ours = [(f.x, f.y, f.width, f.height) for f in (table.feature(i) for i in range(len(table)))]
    assert ours == by_nested_loops(width, height)


def test_codes_compare_the_blocks_with_the_middle_one() -> None:
    random = np.random.default_rng(0)
    windows = random.integers(0, 256, (9, 24, 24), dtype=np.uint8)
    windows[8] = 77  # all blocks equal: every bit is set
    table = enumerate_lbp(24, 24).select(np.sort(random.choice(8464, 100, replace=False)))
    codes = codes_of(table, tabulate(windows))
    for f in range(len(table)):
        feature = table.feature(f)
        wanted = [code_of(window, feature.x, feature.y, feature.width, feature.height) for window in windows]
        assert codes[f].tolist() == wanted
    assert (codes[:, 8] == 255).all()
