import numpy as np
import pytest

from cascades.features import (
    bin_values,
    enumerate_haar,
    has_contrast,
    inverse_norms,
    mode_of,
    tabulate,
    values_of,
)  # fmt: skip
from pipeline.core.errors import UsageError
from tests.cascades.drawing import face_windows


def by_nested_loops(width: int, height: int, core: bool) -> list[tuple[tuple[int, ...], ...]]:
    """OpenCV's generateFeatures, written out."""
    found = []
    for x in range(width):
        for y in range(height):
            for dx in range(1, width + 1):
                for dy in range(1, height + 1):
                    if x + dx * 2 <= width and y + dy <= height:
                        found.append(((x, y, dx * 2, dy, -1), (x + dx, y, dx, dy, 2)))
                    if x + dx <= width and y + dy * 2 <= height:
                        found.append(((x, y, dx, dy * 2, -1), (x, y + dy, dx, dy, 2)))
                    if x + dx * 3 <= width and y + dy <= height:
                        found.append(((x, y, dx * 3, dy, -1), (x + dx, y, dx, dy, 2)))
                    if x + dx <= width and y + dy * 3 <= height:
                        found.append(((x, y, dx, dy * 3, -1), (x, y + dy, dx, dy, 2)))
                    if core and x + dx * 4 <= width and y + dy <= height:
                        found.append(((x, y, dx * 4, dy, -1), (x + dx, y, dx * 2, dy, 2)))
                    if core and x + dx <= width and y + dy * 4 <= height:
                        found.append(((x, y, dx, dy * 4, -1), (x, y + dy, dx, dy * 2, 2)))
                    if x + dx * 2 <= width and y + dy * 2 <= height:
                        found.append(((x, y, dx * 2, dy * 2, -1), (x, y, dx, dy, 2), (x + dx, y + dy, dx, dy, 2)))
                    if core and x + dx * 3 <= width and y + dy * 3 <= height:
                        found.append(((x, y, dx * 3, dy * 3, -1), (x + dx, y + dy, dx, dy, 9)))
    return found


@pytest.mark.parametrize(("mode", "count"), [("basic", 162_336), ("core", 210_400)])
def test_there_are_as_many_features_as_in_opencv(mode: str, count: int) -> None:
    assert len(enumerate_haar(24, 24, mode_of(mode))) == count


@pytest.mark.parametrize(("width", "height"), [(8, 8), (9, 7), (6, 11)])
@pytest.mark.parametrize("mode", ["basic", "core"])
def test_they_come_in_opencv_s_order_at_any_window_size(width: int, height: int, mode: str) -> None:
    table = enumerate_haar(width, height, mode_of(mode))
    ours = [
        tuple((r.x, r.y, r.width, r.height, int(r.weight)) for r in table.feature(i).rects) for i in range(len(table))
    ]
    assert ours == by_nested_loops(width, height, core=mode == "core")


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


def test_bins_keep_the_order_of_the_values() -> None:
    windows = face_windows(50)
    table = enumerate_haar(24, 24, "basic").select(np.arange(0, 162_336, 5003))
    samples = tabulate(windows)
    values, bins = values_of(table, samples), bin_values(table, samples).bins
    for row, numbers in zip(values, bins, strict=True):
        order = np.argsort(row, kind="stable")
        assert (np.diff(numbers[order].astype(int)) >= 0).all()
        assert (numbers.min(), numbers.max()) == (0, 255)


def test_windows_that_opencv_never_looks_at_have_no_contrast() -> None:
    random = np.random.default_rng(3)
    flat = np.full((24, 24), 90, dtype=np.uint8)
    faint = np.clip(random.normal(90, 9, (24, 24)), 0, 255).astype(np.uint8)
    strong = np.clip(random.normal(90, 14, (24, 24)), 0, 255).astype(np.uint8)
    rim = flat.copy()
    rim[0], rim[-1] = 0, 255  # only the outermost pixels differ, which do not count
    assert has_contrast(np.stack([flat, faint, strong, rim])).tolist() == [False, False, True, False]
    assert inverse_norms(flat[None]).tolist() == [0.0]


def test_modes_that_are_not_built_are_refused() -> None:
    with pytest.raises(UsageError, match=r"--mode all: only basic and core are built so far"):
        mode_of("all")
