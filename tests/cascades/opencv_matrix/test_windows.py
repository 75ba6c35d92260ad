"""Window for window: OpenCV 5, OpenCV 4, our evaluator and the plain one of the tests decide the same."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cascades.apply import WindowJudge
from cascades.model import CascadeModel
from cascades.xml import read_xml, write_old_xml, write_xml
from tests.cascades.opencv_matrix.harness import OpenCv, written
from tests.cascades.random_models import cascades, decisions, random_cascade, random_windows, seeds

thorough = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


def check(model: CascadeModel, windows: np.ndarray, opencvs: list[OpenCv], old: bool = False) -> np.ndarray:
    """All agree; returns the stages passed."""
    ours = WindowJudge(model).windows(windows).stages_passed
    assert ours.tolist() == decisions(model, windows).tolist()
    for opencv in opencvs:
        theirs = opencv.passed(written(model, old), windows)
        assert theirs.tolist() == (ours == len(model.stages)).tolist(), opencv.version
    return ours


@settings(thorough, max_examples=40)
@given(cascades(), seeds)
def test_any_cascade_decides_alike_everywhere(fifth: OpenCv, fourth: OpenCv, model: CascadeModel, seed: int) -> None:
    windows = random_windows(np.random.default_rng(seed), model.width, model.height, 60)
    check(model, windows, [fifth, fourth])


@settings(thorough, max_examples=20)
@given(cascades(kinds=("HAAR",)), seeds)
def test_the_old_format_decides_as_the_new_one(fifth: OpenCv, fourth: OpenCv, model: CascadeModel, seed: int) -> None:
    windows = random_windows(np.random.default_rng(seed), model.width, model.height, 60)
    ours = check(model, windows, [fifth, fourth], old=True)
    again = read_xml(write_old_xml(model))
    assert WindowJudge(again).windows(windows).stages_passed.tolist() == ours.tolist()
    assert read_xml(write_old_xml(again)) == again


@pytest.mark.slow
@settings(thorough, max_examples=2000)
@given(cascades(stages=(1, 8)), seeds, st.booleans())
def test_any_cascade_decides_alike_everywhere_at_length(
    fifth: OpenCv, fourth: OpenCv, model: CascadeModel, seed: int, old: bool
) -> None:
    windows = random_windows(np.random.default_rng(seed), model.width, model.height, 120)
    check(model, windows, [fifth, fourth], old=old and model.kind == "HAAR")


@pytest.mark.parametrize("size", [(3, 3), (256, 3), (3, 256), (256, 256)])
def test_the_smallest_and_the_largest_windows(size: tuple[int, int], fifth: OpenCv, fourth: OpenCv) -> None:
    random = np.random.default_rng(1)
    model = random_cascade(random, width=size[0], height=size[1], trees=3)
    windows = random_windows(random, *size, 30)
    windows[0] = random.choice([0, 255], windows[0].shape)  # the largest sum of squares, and the largest contrast
    windows[1], windows[2] = 255, np.arange(size[0]) % 2 * 255
    windows[3:5] = windows[1:3]
    windows[3, : size[1] // 2] = 0
    check(model, windows, [fifth, fourth])


def test_the_calibration_lets_a_good_share_pass_every_stage() -> None:
    """Or else the matrix would compare rejections only."""
    random, shares = np.random.default_rng(2), []
    for _ in range(10):
        model = random_cascade(random, kind="HAAR", tilted="mixed", depth=2, stages=3)
        shares.append((decisions(model, random_windows(random, 24, 24, 100)) == 3).mean())
    assert 0.1 < np.mean(shares) < 0.5
    assert min(shares) > 0.01


def test_what_opencv_reads_of_a_stump_written_backwards(opencv: OpenCv) -> None:
    """OpenCV reads no children where every tree is a stump; nor do we then, though the file says otherwise."""
    random = np.random.default_rng(3)
    model = random_cascade(random, stages=2)
    backwards = write_xml(model).replace(b"<internalNodes>0 -1 ", b"<internalNodes>-1 0 ")
    windows = random_windows(random, 24, 24, 200)
    ours = WindowJudge(read_xml(backwards)).windows(windows).stages_passed == 2
    assert opencv.passed(backwards, windows).tolist() == ours.tolist()
    assert read_xml(backwards) == model
