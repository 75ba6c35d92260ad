import pickle
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from cascades.apply import WindowJudge
from cascades.detect import WEAKEST, Detector, RawWindows, group_windows, suppress
from cascades.fit import Fitted
from cascades.learning.negatives import shrink
from cascades.looked_for import DetectOptions, LoadedCascade, Region
from cascades.model import CascadeModel, FeatureType
from cascades.scoring.evaluate import evaluate_detector
from cascades.truth.reading import read_truth
from cascades.xml import write_xml
from pipeline.core.errors import CascadeError, UsageError
from pipeline.core.places import Box
from tests.cascades.drawing import as_rgb, clutter, draw_face, random_model, write_scenes
from tests.cascades.random_models import random_cascade, random_windows


def loaded(model: CascadeModel, character: str = "ann") -> LoadedCascade:
    return LoadedCascade(character=character, digest="d" * 64, content=write_xml(model))


def every_window(model: CascadeModel, image: np.ndarray, scale_factor: float) -> set[tuple[int, int, int, int]]:
    """What detectMultiScale must find ungrouped, by our own evaluator; a window more than it where it skips ahead."""
    judge, found, scale = WindowJudge(model), set[tuple[int, int, int, int]](), 1.0
    while round(model.height * scale) <= image.shape[0] and round(model.width * scale) <= image.shape[1]:
        level = shrink(image, round(image.shape[1] / scale), round(image.shape[0] / scale))
        step = 1 if scale >= 2 else 2
        ys, xs = np.meshgrid(
            np.arange(0, level.shape[0] - model.height + 1, step), np.arange(0, level.shape[1] - model.width + 1, step),
            indexing="ij",
        )  # fmt: skip
        passes = judge.places(level, xs.ravel(), ys.ravel()).stages_passed == judge.complete
        width, height = round(model.width * scale), round(model.height * scale)
        found |= {
            (
                round(x * scale),
                round(y * scale),
                min(round(x * scale) + width, image.shape[1]),
                min(round(y * scale) + height, image.shape[0]),
            )
            for x, y in zip(xs.ravel()[passes].tolist(), ys.ravel()[passes].tolist(), strict=True)
        }
        scale *= scale_factor
    return found


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_only_windows_that_pass_are_found_and_nearly_all_of_them(stages: int) -> None:
    random = np.random.default_rng(10)
    model = random_model(random, stages=stages)
    image = clutter(random, 150, 110)
    raw = Detector([loaded(model)], DetectOptions(scale_factor=1.2)).raw(image)[0]
    theirs = {tuple(box) for box in raw.boxes.astype(int).tolist()}
    ours = every_window(model, image, 1.2)
    assert theirs <= ours
    # after a window that the first stage rejects OpenCV skips the next one
    assert len(theirs) > 0.5 * len(ours) > 5
    assert (raw.strengths > 0).all()


def test_a_single_stage_reports_no_window_without_contrast() -> None:
    model = random_model(np.random.default_rng(11), stages=1)
    flat = np.full((60, 60), 128, dtype=np.uint8)
    assert len(Detector([loaded(model)]).raw(flat)[0].boxes) == 0


def test_overlapping_windows_are_one_face_and_their_strengths_add_up() -> None:
    boxes = np.array([[10, 10, 30, 30], [12, 10, 32, 30], [80, 80, 100, 100]], dtype=float)
    groups = group_windows(RawWindows(boxes, np.array([0.6, 0.2, 0.5])), 0.5)
    assert groups.members.tolist() == [2, 1]
    assert groups.scores.tolist() == pytest.approx([0.8, 0.5])
    assert groups.boxes[0].tolist() == pytest.approx([10.5, 10, 30.5, 30])


def test_of_two_faces_that_share_much_the_better_one_stays() -> None:
    boxes = np.array([[0, 0, 40, 40], [10, 10, 20, 20], [35, 0, 75, 40], [0, 20, 40, 60]], dtype=float)
    assert suppress(boxes, np.array([1.0, 9.0, 2.0, 3.0]), 0.4).tolist() == [1, 3, 2]
    assert suppress(boxes[:0], np.zeros(0), 0.4).tolist() == []


def test_it_finds_drawn_faces_on_pictures_nobody_fitted_to(ann: Fitted, tmp_path: Path) -> None:
    truth = read_truth(write_scenes(tmp_path, 20, seed=77))
    scores = evaluate_detector(Detector([loaded(ann.model)]), truth, "ann", 0.5)
    assert scores.average_precision > 0.9
    assert scores.best.precision > 0.85
    assert scores.best.recall > 0.85


def test_faces_come_as_boxes_inside_the_image_best_first(ann: Fitted) -> None:
    random = np.random.default_rng(12)
    image = clutter(random, 220, 120)
    draw_face(image, 20, 30, 60, random)
    draw_face(image, 130, 30, 60, random)
    found = Detector([loaded(ann.model), loaded(ann.model, "twin")]).find(as_rgb(image))
    assert {character for _, character, _, _ in found} == {"ann", "twin"}
    of_ann = [(box, score) for box, character, _, score in found if character == "ann"]
    assert [s for _, s in of_ann] == sorted((s for _, s in of_ann), reverse=True)
    assert all(b.left >= 0 and b.top >= 0 and b.right <= 220 and b.bottom <= 120 for b, _ in of_ann)
    assert sorted(round((b.left + b.right) / 2, -1) for b, _ in of_ann[:2]) == [50, 160]


def test_a_face_that_two_cascades_of_one_character_find_comes_once_and_by_the_surer_one(ann: Fitted) -> None:
    random = np.random.default_rng(12)
    image = clutter(random, 220, 120)
    draw_face(image, 20, 30, 60, random)
    draw_face(image, 130, 30, 60, random)
    short = replace(ann.model, stages=ann.model.stages[:-1])
    alone = [Detector([loaded(model)]).find(as_rgb(image)) for model in (ann.model, short)]
    both = Detector([loaded(ann.model), loaded(short)]).find(as_rgb(image))
    assert sorted(round((b.left + b.right) / 2, -1) for b, *_ in both[:2]) == [50, 160]
    assert max(score for *_, score in both) == max(score for found in alone for *_, score in found)
    boxes = np.array([[b.left, b.top, b.right, b.bottom] for b, *_ in both], dtype=np.float64)
    scores = np.array([score for *_, score in both])
    assert len(suppress(boxes, scores, DetectOptions().nms_overlap)) == len(both) < sum(map(len, alone))
    nameless = Detector([loaded(ann.model, ""), loaded(short, "")]).find(as_rgb(image))
    assert len(nameless) == sum(map(len, alone)), "of cascades without a name nobody knows that they mean the same"


def test_it_finds_the_same_after_pickling_and_on_any_number_of_threads(ann: Fitted) -> None:
    random = np.random.default_rng(13)
    image = clutter(random, 220, 160)
    draw_face(image, 60, 50, 70, random)
    detector = Detector([loaded(ann.model)], DetectOptions(min_neighbors=1, min_score=0.0))
    found = detector.find(as_rgb(image))
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        assert pickle.loads(pickle.dumps(detector)).find(as_rgb(image)) == found
    finally:
        cv2.setNumThreads(threads)


def test_faces_beyond_the_sizes_asked_for_are_not_looked_for(ann: Fitted) -> None:
    random = np.random.default_rng(14)
    image = clutter(random, 220, 160)
    draw_face(image, 60, 50, 60, random)
    sides = [
        box.width
        for box, *_ in Detector([loaded(ann.model)], DetectOptions(min_face_px=30, max_face_px=48)).find(as_rgb(image))
    ]
    assert all(28 <= side <= 50 for side in sides)
    assert Detector([loaded(ann.model)], DetectOptions(min_face_px=120)).find(as_rgb(image)) == []


def test_the_face_within_the_window_is_what_is_returned(ann: Fitted) -> None:
    random = np.random.default_rng(15)
    image = clutter(random, 220, 160)
    draw_face(image, 60, 50, 60, random)
    half = CascadeModel(
        kind="HAAR", width=24, height=24, stages=ann.model.stages, features=ann.model.features, face=(0, 0.25, 1, 0.75)
    )
    whole, narrow = (Detector([loaded(m)]).find(as_rgb(image))[0][0] for m in (ann.model, half))
    assert (whole.left, whole.right) == (narrow.left, narrow.right)
    assert narrow.height == pytest.approx(whole.height / 2, abs=1)


def test_an_image_smaller_than_the_window_has_no_face(ann: Fitted) -> None:
    assert Detector([loaded(ann.model)]).find(np.zeros((10, 10, 3), dtype=np.uint8)) == []


def test_a_broken_cascade_is_told() -> None:
    with pytest.raises(CascadeError, match="ann: not well-formed XML"):
        Detector([LoadedCascade(character="ann", digest="d", content=b"<x")])


def test_no_cascade_classifier_is_needed(ann: Fitted, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(16)
    image = clutter(random, 220, 160)
    draw_face(image, 60, 50, 60, random)
    found = Detector([loaded(ann.model)]).find(as_rgb(image))
    monkeypatch.delattr(cv2, "CascadeClassifier")
    assert Detector([loaded(ann.model)]).find(as_rgb(image)) == found != []


@pytest.mark.parametrize("kind", ["HAAR", "LBP"])
def test_a_window_s_strength_is_its_margin_as_a_share_of_the_most(kind: FeatureType) -> None:
    random = np.random.default_rng(17)
    model = random_cascade(random, kind=kind, stages=2)
    image = random_windows(random, 24, 24, 60).reshape(6, 10, 24, 24).transpose(0, 2, 1, 3).reshape(144, 240)
    raw = Detector([loaded(model)], DetectOptions(max_face_px=24)).raw(image)[0]
    lefts, tops = raw.boxes[:, 0].astype(np.int64), raw.boxes[:, 1].astype(np.int64)
    verdicts = WindowJudge(model).places(image, lefts, tops)
    most = [sum(max(t.leaves) for t in s.trees) - s.threshold for s in model.stages]
    shares = verdicts.totals / sum(most) if kind == "HAAR" else (verdicts.margins - 1e-5) / most[-1]
    # windows lie four times as far apart at this size as from twice the size on
    assert raw.strengths == pytest.approx(4 * np.maximum(shares, WEAKEST), abs=1e-5)
    assert len(raw.boxes) > 5


def test_opencv_s_grouping_gives_what_detect_multi_scale_gives(ann: Fitted) -> None:
    random = np.random.default_rng(18)
    classifier = cv2.CascadeClassifier()
    storage = cv2.FileStorage(write_xml(ann.model).decode(), cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
    classifier.read(storage.getFirstTopLevelNode())
    faces = 0
    for min_neighbors in (1, 3):
        detector = Detector([loaded(ann.model)], DetectOptions(grouping="opencv", min_neighbors=min_neighbors))
        for _ in range(4):
            image = clutter(random, 240, 160)
            draw_face(image, -5, 20, 60, random)
            draw_face(image, 130, 110, 60, random)
            theirs = np.asarray(classifier.detectMultiScale(image, 1.1, min_neighbors), dtype=int).reshape(-1, 4)
            boxes = detector.detect(as_rgb(image))[0].boxes
            ours = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
            assert sorted(ours.tolist()) == sorted(theirs.tolist())
            faces += len(theirs)
    assert faces > 5


def test_a_batch_gives_what_each_image_gives_alone(ann: Fitted) -> None:
    random = np.random.default_rng(19)
    images = [as_rgb(clutter(random, width, height)) for width, height in ((200, 140), (90, 200), (20, 30))]
    detector = Detector([loaded(ann.model), loaded(ann.model, "twin")], DetectOptions(min_neighbors=1, min_score=0.0))
    for alone, together in zip((detector.detect(i) for i in images), detector.detect_batch(images), strict=True):
        for one, other in zip(alone, together, strict=True):
            assert one.character == other.character
            assert (one.boxes == other.boxes).all()
            assert (one.scores == other.scores).all()
    assert detector.detect_batch([]) == []
    assert Detector([]).detect(images[0]) == []


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match=r"scale_factor must be 1.01 to 2, got 1"):
        DetectOptions(scale_factor=1.0)
    with pytest.raises(UsageError, match="smallest below the largest, got 90 to 30"):
        DetectOptions(min_face_px=90, max_face_px=30)
    with pytest.raises(UsageError, match="min_neighbors must be 1 or more"):
        DetectOptions(min_neighbors=0)
    with pytest.raises(UsageError, match="grouping must be score or opencv, got ''"):
        DetectOptions(grouping="")  # type: ignore[arg-type]


def test_a_region_with_room_around_a_face_gives_the_same_face_and_no_other(ann: Fitted) -> None:
    random = np.random.default_rng(16)
    image = clutter(random, 260, 140)
    draw_face(image, 30, 40, 60, random)
    draw_face(image, 160, 30, 60, random)
    detector = Detector([loaded(ann.model)])
    whole = detector.find(as_rgb(image))
    right = max(whole, key=lambda found: found[0].left)
    region = Region(box=Box(left=135, top=5, right=250, bottom=130), min_face_px=40, max_face_px=90)
    there = detector.find(as_rgb(image), [region])
    assert [(box, score) for box, *_, score in there] == [(right[0], pytest.approx(right[3], rel=0.25))]
    assert detector.find(as_rgb(image), [region, region]) == there
    assert detector.find(as_rgb(image), []) == []
    assert detector.find(as_rgb(image), [Region(box=region.box, min_face_px=100)]) == []
    with pytest.raises(UsageError, match="the smallest below the largest, got 50 to 40"):
        Region(box=region.box, min_face_px=50, max_face_px=40)
