"""Box for box: OpenCV 5, OpenCV 4 and our exact search find the same raw windows on whole images."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cascades.apply import WindowJudge
from cascades.fit import Fitted
from cascades.model import CascadeModel
from cascades.scan.search import Scanner, ScanOptions
from tests.cascades.drawing import clutter, draw_face, face_windows
from tests.cascades.opencv_matrix.harness import OpenCv, written
from tests.cascades.random_models import cascades, random_windows, seeds

thorough = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


@st.composite
def searches(draw: st.DrawFn) -> tuple[CascadeModel, np.ndarray, ScanOptions]:
    """A cascade, an image not always large enough, and bounds that leave some size to search.

    Where they leave none OpenCV searches the size nearest to the smallest one all the same; ours then finds nothing.
    """
    model = draw(cascades(sides=(6, 28), stages=(1, 3)))
    random = np.random.default_rng(draw(seeds))
    width, height = (side + draw(st.integers(-1, 60)) for side in (model.width, model.height))
    image = clutter(random, width, height) if draw(st.booleans()) else random_windows(random, width, height, 4)[1]
    factor = draw(st.sampled_from([1.1, 1.01, 1.05, 1.25, 1.5, 2.0, 3.0]))
    grown = factor ** draw(st.integers(0, 2))
    least = (round(model.width * grown), round(model.height * grown)) if draw(st.booleans()) else (0, 0)
    if least[0] > width or least[1] > height:
        least = (0, 0)
    most = (width, height) if draw(st.booleans()) else (0, 0)
    return model, image, ScanOptions(scale_factor=factor, smallest=least, largest=most)


def check(model: CascadeModel, image: np.ndarray, options: ScanOptions, opencvs: list[OpenCv]) -> int:
    """All agree; returns how many windows pass."""
    ours = sorted(map(tuple, Scanner([model]).scan(image, options)[0].boxes.tolist()))
    for opencv in opencvs:
        boxes = opencv.boxes(written(model), image, options.scale_factor, options.smallest, options.largest)
        assert sorted(map(tuple, boxes.tolist())) == ours, opencv.version
    return len(ours)


@settings(thorough, max_examples=30)
@given(searches())
def test_any_cascade_finds_the_same_windows_on_any_image(
    fifth: OpenCv, fourth: OpenCv, case: tuple[CascadeModel, np.ndarray, ScanOptions]
) -> None:
    check(*case, [fifth, fourth])


@pytest.mark.slow
@settings(thorough, max_examples=1000)
@given(searches())
def test_any_cascade_finds_the_same_windows_on_any_image_at_length(
    fifth: OpenCv, fourth: OpenCv, case: tuple[CascadeModel, np.ndarray, ScanOptions]
) -> None:
    check(*case, [fifth, fourth])


def test_a_fitted_cascade_finds_the_same_windows_whoever_runs_it(ann: Fitted, fifth: OpenCv, fourth: OpenCv) -> None:
    random = np.random.default_rng(3)
    scene = clutter(random, 240, 160)
    for left in (10, 90, 170):
        draw_face(scene, left, 30, 50, random)
    assert check(ann.model, scene, ScanOptions(), [fifth, fourth]) > 0
    windows = np.concatenate([face_windows(50), random_windows(random, 24, 24, 50)])
    if (ann.model.width, ann.model.height) == (24, 24):
        ours = WindowJudge(ann.model).windows(windows).stages_passed == len(ann.model.stages)
        for opencv in (fifth, fourth):
            assert opencv.passed(written(ann.model), windows).tolist() == ours.tolist()
