import cv2
import numpy as np
import pytest
from hypothesis import given, settings

from cascades import apply
from cascades.apply import WindowJudge
from cascades.model import THRESHOLD_SLACK, CascadeModel, FeatureType
from cascades.xml import write_xml
from tests.cascades.drawing import clutter, face_windows, random_model
from tests.cascades.random_models import Tilted, cascades, random_cascade, random_windows, seeds, stage_sums


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


@pytest.mark.parametrize(
    ("kind", "tilted"), [("HAAR", "none"), ("HAAR", "mixed"), ("HAAR", "all"), ("LBP", "none")], ids=str
)
@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("size", [(24, 24), (19, 27)], ids=str)
def test_every_sort_of_cascade_is_decided_as_opencv_does(
    kind: FeatureType, tilted: Tilted, depth: int, size: tuple[int, int]
) -> None:
    random = np.random.default_rng([9, depth, size[0]])
    model = random_cascade(
        random, kind=kind, tilted=tilted, depth=depth, width=size[0], height=size[1], stages=int(random.integers(1, 4))
    )
    windows = random_windows(random, *size, 150)
    judge = WindowJudge(model)
    ours = judge.windows(windows).stages_passed == judge.complete
    assert ours.tolist() == opencv_says(model, windows)
    assert 0 < ours.sum() < len(windows)


@settings(max_examples=25, deadline=None)
@given(cascades(), seeds)
def test_no_random_cascade_is_decided_otherwise_than_by_opencv(model: CascadeModel, seed: int) -> None:
    windows = random_windows(np.random.default_rng(seed), model.width, model.height, 30)
    judge = WindowJudge(model)
    assert (judge.windows(windows).stages_passed == judge.complete).tolist() == opencv_says(model, windows)


@pytest.mark.parametrize(("kind", "tilted"), [("HAAR", "mixed"), ("LBP", "none")])
def test_margins_are_those_of_a_plain_evaluation(kind: FeatureType, tilted: Tilted) -> None:
    random = np.random.default_rng(10)
    model = random_cascade(random, kind=kind, tilted=tilted, depth=3, stages=3)
    windows = random_windows(random, 24, 24, 100)
    verdicts, sums = WindowJudge(model).windows(windows), stage_sums(model, windows)
    looked_at = verdicts.stages_passed >= 0
    last = np.minimum(verdicts.stages_passed, 2)[looked_at]
    thresholds = np.array([stage.threshold for stage in model.stages], dtype=np.float32) - THRESHOLD_SLACK
    margins = sums[looked_at] - thresholds
    rows = np.arange(len(last))
    assert (verdicts.margins[looked_at] == margins[rows, last]).all()
    assert np.allclose(verdicts.totals[looked_at], margins.cumsum(axis=1)[rows, last])


def test_lbp_looks_at_windows_without_contrast() -> None:
    judge = WindowJudge(random_cascade(np.random.default_rng(11), kind="LBP"))
    assert (judge.windows(np.full((3, 24, 24), 7, dtype=np.uint8)).stages_passed >= 0).all()
    nothing = CascadeModel(kind="LBP", width=24, height=24, stages=(), features=())
    assert WindowJudge(nothing).windows(np.zeros((2, 24, 24), dtype=np.uint8)).stages_passed.tolist() == [0, 0]


def test_more_windows_than_are_held_at_a_time_are_judged_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(12)
    judge, windows = WindowJudge(random_cascade(random, tilted="mixed")), random_windows(random, 24, 24, 50)
    whole = judge.windows(windows)
    monkeypatch.setattr(apply, "WINDOWS_AT_ONCE", 7)
    parts = judge.windows(windows)
    assert (whole.stages_passed == parts.stages_passed).all()
    assert (whole.totals == parts.totals).all()
    assert len(judge.windows(windows[:0]).totals) == 0


def test_windows_of_another_size_are_refused() -> None:
    judge = WindowJudge(random_model(np.random.default_rng(8)))
    with pytest.raises(ValueError, match="windows of 20x20 for a cascade of 24x24"):
        judge.windows(np.zeros((1, 20, 20), dtype=np.uint8))
