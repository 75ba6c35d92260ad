"""The scan beside cv2.CascadeClassifier: the same raw windows, box for box."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascades.apply import WindowJudge
from cascades.model import CascadeModel, FeatureType
from cascades.scan.search import Scanner, ScanOptions
from cascades.xml import write_xml
from tests.cascades.drawing import clutter, random_model
from tests.cascades.random_models import Tilted, cascades, random_cascade, seeds

Boxes = list[list[int]]
ALL = ScanOptions()


def opencv_finds(model: CascadeModel, image: np.ndarray, options: ScanOptions = ALL) -> Boxes:
    storage = cv2.FileStorage(write_xml(model).decode(), cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
    classifier = cv2.CascadeClassifier()
    assert classifier.read(storage.getFirstTopLevelNode())
    found = classifier.detectMultiScale(
        image, options.scale_factor, 0, minSize=options.smallest, maxSize=options.largest
    )
    return sorted(np.asarray(found, dtype=int).reshape(-1, 4).tolist())


def ours_finds(model: CascadeModel, image: np.ndarray, options: ScanOptions = ALL) -> Boxes:
    return sorted(Scanner([model]).scan(image, options)[0].boxes.tolist())


@pytest.mark.parametrize(
    ("kind", "tilted"), [("HAAR", "none"), ("HAAR", "mixed"), ("HAAR", "all"), ("LBP", "none")], ids=str
)
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_every_sort_of_cascade_finds_opencv_s_windows(kind: FeatureType, tilted: Tilted, depth: int) -> None:
    random = np.random.default_rng([20, depth])
    model = random_cascade(random, kind=kind, tilted=tilted, depth=depth, stages=3)
    # large enough for both steps: two pixels below twice the window's size, one from there on
    image = clutter(random, 131, 97)
    theirs = opencv_finds(model, image)
    assert ours_finds(model, image) == theirs != []
    assert len({box[2] for box in theirs} - set(range(48))) > 0
    assert sorted(Scanner([model], together=False).scan(image)[0].boxes.tolist()) == theirs


@settings(max_examples=40, deadline=None)
@given(
    cascades(), seeds, st.integers(1, 110), st.integers(1, 90), st.sampled_from([1.05, 1.1, 1.3, 2.0, 7.5]),
    st.integers(0, 50), st.integers(0, 80),
)  # fmt: skip
def test_no_random_cascade_and_image_differ(
    model: CascadeModel, seed: int, width: int, height: int, factor: float, smallest: int, largest: int
) -> None:
    image = clutter(np.random.default_rng(seed), width, height)
    options = ScanOptions(
        scale_factor=factor, smallest=(smallest, smallest // 2), largest=(largest, largest), closest=True
    )
    assert ours_finds(model, image, options) == opencv_finds(model, image, options)


@pytest.mark.parametrize(("width", "height"), [(24, 24), (25, 24), (24, 27), (61, 29), (200, 31), (33, 120), (89, 65)])
def test_rows_and_columns_at_the_edge_are_visited_as_opencv_does(width: int, height: int) -> None:
    random = np.random.default_rng(21)
    for _ in range(6):
        model, image = random_model(random, stages=1), clutter(random, width, height)
        assert ours_finds(model, image) == opencv_finds(model, image)


def test_images_without_any_window_give_nothing() -> None:
    model = random_model(np.random.default_rng(22))
    for shape in ((1, 1), (23, 100), (100, 23)):
        assert ours_finds(model, np.zeros(shape, dtype=np.uint8)) == []
    image = clutter(np.random.default_rng(23), 60, 60)
    assert ours_finds(model, image, ScanOptions(smallest=(61, 61))) == []
    assert ours_finds(model, image, ScanOptions(smallest=(30, 30), largest=(29, 29))) == []
    assert Scanner([]).scan(image) == []
    assert Scanner([model]).scan_batch([]) == []


def test_several_cascades_of_different_windows_do_not_disturb_each_other() -> None:
    random = np.random.default_rng(24)
    models = [
        random_cascade(random, width=24, height=24),
        random_cascade(random, width=20, height=30, tilted="all"),
        random_cascade(random, kind="LBP", width=24, height=24),
        random_cascade(random, width=24, height=24, depth=3),
    ]
    image = clutter(random, 150, 110)
    options = [ScanOptions(smallest=(size, size)) for size in (0, 30, 0, 52)]
    together = Scanner(models).scan(image, options)
    for model, option, hits in zip(models, options, together, strict=True):
        assert sorted(hits.boxes.tolist()) == opencv_finds(model, image, option)
    with pytest.raises(ValueError, match="2 options for 4 cascades"):
        Scanner(models).scan(image, options[:2])


def test_any_number_of_threads_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(25)
    scanner = Scanner([random_model(random), random_cascade(random, kind="LBP")])
    images, given = [clutter(random, 170, 120) for _ in range(3)], []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("TOONSIFT_THREADS", threads)
        results = scanner.scan_batch(images, ScanOptions())
        given.append([(h.boxes.tolist(), h.totals.tolist(), h.lasts.tolist()) for of in results for h in of])
    assert given[0] == given[1] == given[2]
    assert len(given[0][0][0]) > 10


def test_sums_are_those_of_the_judge() -> None:
    random = np.random.default_rng(26)
    model, image = random_cascade(random, tilted="mixed", stages=3), clutter(random, 90, 70)
    hits = Scanner([model]).scan(image, ScanOptions(largest=(24, 24)))[0]
    verdicts = WindowJudge(model).places(image, hits.boxes[:, 0], hits.boxes[:, 1])
    assert (hits.totals == verdicts.totals).all()
    assert (hits.stages == 3).all()
    assert (verdicts.stages_passed == 3).all()
    assert len(hits.stages) > 3


def test_levels_of_one_size_are_all_searched() -> None:
    """With a small factor several scales shrink the picture to the same size; OpenCV looks at each."""
    random = np.random.default_rng(27)
    model, options = random_cascade(random, kind="LBP", width=6, height=6, stages=1), ScanOptions(scale_factor=1.01)
    for image in (np.full((6, 6), 128, dtype=np.uint8), clutter(random, 9, 8)):
        assert ours_finds(model, image, options) == opencv_finds(model, image, options)
