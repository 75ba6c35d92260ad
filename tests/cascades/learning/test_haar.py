import cv2
import numpy as np
import pytest

from cascades.learning.features import mode_of, tabulate
from cascades.learning.haar import BINS, bin_values, count_haar, enumerate_haar, values_of, variances_of
from tests.cascades.drawing import face_windows

Rects = tuple[tuple[int, ...], ...]


def by_nested_loops(width: int, height: int, mode: str) -> list[tuple[bool, Rects]]:
    """OpenCV's order, written out as conditions and rectangles."""
    found: list[tuple[bool, Rects]] = []
    for x in range(width):
        for y in range(height):
            for w in range(1, width + 1):
                for h in range(1, height + 1):
                    if x + 2 * w <= width and y + h <= height:
                        found.append((False, ((x, y, 2 * w, h, -1), (x + w, y, w, h, 2))))
                    if x + w <= width and y + 2 * h <= height:
                        found.append((False, ((x, y, w, 2 * h, -1), (x, y + h, w, h, 2))))
                    if x + 3 * w <= width and y + h <= height:
                        found.append((False, ((x, y, 3 * w, h, -1), (x + w, y, w, h, 2))))
                    if x + w <= width and y + 3 * h <= height:
                        found.append((False, ((x, y, w, 3 * h, -1), (x, y + h, w, h, 2))))
                    if mode != "basic" and x + 4 * w <= width and y + h <= height:
                        found.append((False, ((x, y, 4 * w, h, -1), (x + w, y, 2 * w, h, 2))))
                    if mode != "basic" and x + w <= width and y + 4 * h <= height:
                        found.append((False, ((x, y, w, 4 * h, -1), (x, y + h, w, 2 * h, 2))))
                    if x + 2 * w <= width and y + 2 * h <= height:
                        diagonal = ((x, y, w, h, 2), (x + w, y + h, w, h, 2))
                        found.append((False, ((x, y, 2 * w, 2 * h, -1), *diagonal)))
                    if mode != "basic" and x + 3 * w <= width and y + 3 * h <= height:
                        found.append((False, ((x, y, 3 * w, 3 * h, -1), (x + w, y + h, w, h, 9))))
                    if mode == "all":
                        found += [(True, rects) for rects in tilted_at(x, y, w, h, width, height)]
    return found


def tilted_at(x: int, y: int, w: int, h: int, width: int, height: int) -> list[Rects]:
    shapes = [
        (2, 1, (x, y, w, h, 2)),
        (1, 2, (x, y, w, h, 2)),
        (3, 1, (x + w, y + w, w, h, 3)),
        (1, 3, (x - h, y + h, w, h, 3)),
        (4, 1, (x + w, y + w, 2 * w, h, 2)),
        (1, 4, (x - h, y + h, w, 2 * h, 2)),
    ]
    found = []
    for along, across, part in shapes:
        if x + along * w <= width and y + along * w + across * h <= height and x - across * h >= 0:
            found.append(((x, y, along * w, across * h, -1), part))
    return found


@pytest.mark.parametrize(("mode", "count"), [("basic", 162_336), ("core", 210_400), ("all", 261_600)])
def test_there_are_as_many_features_as_in_opencv(mode: str, count: int) -> None:
    assert len(enumerate_haar(24, 24, mode_of(mode))) == count == count_haar(24, 24, mode_of(mode))


def test_of_a_large_window_only_so_many_features_are_kept() -> None:
    table = enumerate_haar(20, 16, "all", most=5000)
    assert 4500 < len(table) < 5500
    whole = enumerate_haar(20, 16, "all")
    assert len(whole) == count_haar(20, 16, "all") > 50_000
    assert np.isin(table.keys, whole.keys).all()
    assert (np.diff(table.keys) > 0).all()
    assert (enumerate_haar(20, 16, "all", most=5000).rows == table.rows).all()
    near = table.neighbours(np.arange(0, len(table), 50))
    assert (near < len(table)).all()


@pytest.mark.parametrize(("width", "height"), [(8, 8), (9, 7), (6, 11)])
@pytest.mark.parametrize("mode", ["basic", "core", "all"])
def test_they_come_in_opencv_s_order_at_any_window_size(width: int, height: int, mode: str) -> None:
    table = enumerate_haar(width, height, mode_of(mode))
    features = [table.feature(i) for i in range(len(table))]
    ours = [(f.tilted, tuple((r.x, r.y, r.width, r.height, int(r.weight)) for r in f.rects)) for f in features]
    assert ours == by_nested_loops(width, height, mode)
    assert (np.diff(table.keys) > 0).all()


def test_values_are_weighted_sums_over_the_norm() -> None:
    windows = face_windows(20)
    table = enumerate_haar(24, 24, "core").select(np.arange(0, 210_400, 1501))
    values = values_of(table, tabulate(windows))
    for f in range(len(table)):
        for n, window in enumerate(windows):
            total = sum(
                r.weight * int(window[r.y : r.y + r.height, r.x : r.x + r.width].sum(dtype=np.int64))
                for r in table.feature(f).rects
            )
            inner = window[1:23, 1:23].astype(np.float64)
            norm = np.float32(1 / np.sqrt(inner.size * (inner**2).sum() - inner.sum() ** 2))
            assert values[f, n] == np.float32(total) * norm


def test_tilted_values_do_not_depend_on_what_lies_around_the_window() -> None:
    random = np.random.default_rng(1)
    scene = random.integers(0, 256, (60, 60), dtype=np.uint8)
    samples = tabulate(scene[None, 20:44, 18:42], tilted=True)
    _, _, sums = cv2.integral3(scene)
    whole = enumerate_haar(24, 24, "all")
    table = whole.select(np.sort(random.choice(len(whole), 4000, replace=False)))
    values, checked = values_of(table, samples)[:, 0], 0
    for i in range(len(table)):
        feature = table.feature(i)
        if not feature.tilted:
            continue
        value = np.float32(0)
        for r in feature.rects:
            x, y, w, h = r.x + 18, r.y + 20, r.width, r.height
            total = sums[y, x] - sums[y + h, x - h] - sums[y + w, x + w] + sums[y + w + h, x + w - h]
            value += np.float32(r.weight) * np.float32(total)
        assert values[i] == value * samples.inverse_norms[0]
        checked += 1
    assert checked > 500


def test_bins_keep_the_order_of_the_values() -> None:
    windows = face_windows(50)
    table = enumerate_haar(24, 24, "basic").select(np.arange(0, 162_336, 5003))
    samples = tabulate(windows)
    values, bins = values_of(table, samples), bin_values(table, samples)
    for row, numbers in zip(values, bins, strict=True):
        order = np.argsort(row, kind="stable")
        assert (np.diff(numbers[order].astype(int)) >= 0).all()
        assert (numbers.min(), numbers.max()) == (0, BINS - 1)


def test_variances_are_right_to_what_a_ranking_needs() -> None:
    samples = tabulate(face_windows(70), tilted=True)
    table = enumerate_haar(24, 24, "all").select(np.arange(0, 261_600, 997))
    variances = variances_of(*table.corners(), samples)
    assert variances == pytest.approx(values_of(table, samples).astype(np.float64).var(axis=1), rel=1e-3)


def test_neighbours_are_of_the_same_shape_and_inside_the_window() -> None:
    table = enumerate_haar(10, 12, "all")
    for index in (0, 17, len(table) // 2, len(table) - 1):
        near = table.neighbours(np.array([index]))
        assert len(near)
        assert (table.rows[near, 0] == table.rows[index, 0]).all()
        away = np.abs(table.rows[near].astype(int) - table.rows[index])
        assert (away.sum(axis=1) <= 2).all()
        assert (away.sum(axis=1) > 0).all()
