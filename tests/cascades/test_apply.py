import cv2
import numpy as np
import pytest

from cascades.apply import WindowJudge
from cascades.model import CascadeModel, HaarFeature, Rect
from cascades.xml import write_xml
from pipeline.core.errors import CascadeError
from tests.cascades.drawing import clutter, face_windows, random_model


def opencv_says(model: CascadeModel, windows: np.ndarray) -> list[bool]:
    storage = cv2.FileStorage(write_xml(model).decode(), cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
    classifier = cv2.CascadeClassifier()
    assert classifier.read(storage.getFirstTopLevelNode())
    return [len(classifier.detectMultiScale(window, 1.1, 0)) == 1 for window in windows]


@pytest.mark.parametrize("size", [(24, 24), (20, 16), (17, 30)])
def test_it_decides_every_window_as_opencv_does(size: tuple[int, int]) -> None:
    random = np.random.default_rng(4)
    width, height = size
    windows = [clutter(random, width, height) for _ in range(250)]
    windows += [
        np.clip(random.normal(120, s, (height, width)), 0, 255).astype(np.uint8) for s in np.linspace(8, 12, 50)
    ]
    for stages in (1, 2, 3):
        model = random_model(random, width, height, stages)
        judge = WindowJudge(model)
        ours = judge.windows(np.stack(windows)).stages_passed == judge.complete
        assert ours.tolist() == opencv_says(model, np.stack(windows))
        assert 0 < ours.sum() < len(windows)


def test_windows_cut_from_an_image_are_judged_the_same() -> None:
    random = np.random.default_rng(5)
    image = clutter(random, 90, 70)
    judge = WindowJudge(random_model(random))
    xs, ys = random.integers(0, 90 - 24, 200), random.integers(0, 70 - 24, 200)
    there = judge.places(image, xs, ys)
    alone = judge.windows(np.stack([image[y : y + 24, x : x + 24] for x, y in zip(xs, ys, strict=True)]))
    assert (there.stages_passed == alone.stages_passed).all()
    assert np.allclose(there.margins, alone.margins)
    assert np.allclose(there.totals, alone.totals)


def test_the_total_adds_up_the_margins_of_all_stages() -> None:
    random = np.random.default_rng(6)
    windows, model = face_windows(30), random_model(random, stages=3)
    added = np.zeros(30)
    passed = WindowJudge(model).windows(windows)
    for end in range(1, 4):
        part = WindowJudge(
            CascadeModel(kind="HAAR", width=24, height=24, stages=model.stages[:end], features=model.features)
        )
        added += np.where(passed.stages_passed >= end - 1, part.windows(windows).margins, 0)
    assert np.allclose(added, passed.totals)


def test_a_cascade_without_stages_passes_all_with_contrast() -> None:
    judge = WindowJudge(CascadeModel(kind="HAAR", width=24, height=24, stages=(), features=()))
    windows = np.concatenate([face_windows(3), np.full((1, 24, 24), 7, dtype=np.uint8)])
    assert judge.windows(windows).stages_passed.tolist() == [0, 0, 0, -1]


def test_tilted_features_are_left_to_opencv() -> None:
    model = random_model(np.random.default_rng(7))
    tilted = HaarFeature((Rect(8, 2, 4, 4, -1.0), Rect(8, 2, 2, 4, 2.0)), tilted=True)
    with pytest.raises(CascadeError, match="only upright Haar cascades of stumps"):
        WindowJudge(CascadeModel(kind="HAAR", width=24, height=24, stages=model.stages, features=(tilted,) * 8))


def test_windows_of_another_size_are_refused() -> None:
    judge = WindowJudge(random_model(np.random.default_rng(8)))
    with pytest.raises(ValueError, match="windows of 20x20 for a cascade of 24x24"):
        judge.windows(np.zeros((1, 20, 20), dtype=np.uint8))
