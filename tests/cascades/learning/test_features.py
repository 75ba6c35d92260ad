import cv2
import numpy as np
import pytest

from cascades.learning.features import has_contrast, inverse_norms, mode_of, tabulate
from pipeline.core.errors import UsageError


def noise(count: int, width: int = 24, height: int = 24, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width), dtype=np.uint8)


@pytest.mark.parametrize(("width", "height"), [(24, 24), (9, 7), (8, 21)])
def test_integral_images_are_those_of_opencv(width: int, height: int) -> None:
    windows = noise(7, width, height)
    samples = tabulate(windows, tilted=True)
    for i, window in enumerate(windows):
        upright, _, tilted = cv2.integral3(window)
        assert (samples.sums[: upright.size, i] == upright.ravel()).all()
        assert (samples.sums[upright.size :, i] == tilted.ravel()).all()
    assert len(tabulate(windows).sums) == len(samples.sums) // 2


def test_selected_samples_keep_their_columns() -> None:
    samples = tabulate(noise(9))
    chosen = samples.select(np.array([1, 4]))
    assert len(chosen) == 2
    assert (chosen.sums == samples.sums[:, [1, 4]]).all()
    assert (chosen.inverse_norms == samples.inverse_norms[[1, 4]]).all()


def test_windows_that_opencv_never_looks_at_have_no_contrast() -> None:
    random = np.random.default_rng(3)
    flat = np.full((24, 24), 90, dtype=np.uint8)
    faint = np.clip(random.normal(90, 9, (24, 24)), 0, 255).astype(np.uint8)
    strong = np.clip(random.normal(90, 14, (24, 24)), 0, 255).astype(np.uint8)
    rim = flat.copy()
    rim[0], rim[-1] = 0, 255  # only the outermost pixels differ, which do not count
    assert has_contrast(np.stack([flat, faint, strong, rim])).tolist() == [False, False, True, False]
    assert inverse_norms(flat[None]).tolist() == [0.0]


def test_a_mode_that_is_none_is_refused_with_those_that_are() -> None:
    assert mode_of("all") == "all"
    with pytest.raises(UsageError, match=r"--mode tilted: there are basic, core .* and all"):
        mode_of("tilted")
