"""The cascades of others: those that OpenCV 4 ships, and those in ../shared/cascades."""

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from cascades.apply import WindowJudge
from cascades.model import CascadeModel, Stage
from cascades.xml import read_xml, write_old_xml, write_xml
from tests.cascades.drawing import clutter, draw_face
from tests.cascades.opencv_matrix.harness import REPOSITORY, OpenCv, require_fourth, written
from tests.cascades.random_models import random_windows

SHIPPED = (
    "eye", "eye_tree_eyeglasses", "frontalcatface", "frontalcatface_extended", "frontalface_alt", "frontalface_alt2",
    "frontalface_alt_tree", "frontalface_default", "fullbody", "lefteye_2splits", "license_plate_rus_16stages",
    "lowerbody", "profileface", "righteye_2splits", "russian_plate_number", "smile", "upperbody",
)  # fmt: skip
SHARED = ("tom", "jerry", "lbpcascade_animeface")


# one of each sort is tried every time: trees, the old format, tilted features, a wide window, plain stumps, LBP
QUICK = (
    "lefteye_2splits",
    "license_plate_rus_16stages",
    "russian_plate_number",
    "smile",
    "tom",
    "lbpcascade_animeface",
)
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in (*SHIPPED, *SHARED)]


@pytest.fixture(params=NAMES)
def content(request: pytest.FixtureRequest) -> bytes:
    """The XML as others wrote it."""
    if request.param in SHIPPED:
        return (require_fourth() / "cv2" / "data" / f"haarcascade_{request.param}.xml").read_bytes()
    path = REPOSITORY.parent / "shared" / "cascades" / f"{request.param}.xml"
    if not path.is_file():
        pytest.skip(f"no {path.name} in ../shared/cascades, which is not part of the project")
    return path.read_bytes()


def test_the_list_is_all_that_opencv_ships() -> None:
    found = (require_fourth() / "cv2" / "data").glob("haarcascade_*.xml")
    assert sorted(path.stem.removeprefix("haarcascade_") for path in found) == sorted(SHIPPED)


@cache
def model_of(content: bytes) -> CascadeModel:
    return read_xml(content)


def with_stages(model: CascadeModel, stages: tuple[Stage, ...]) -> CascadeModel:
    """Some stages and no feature that they do not ask."""
    used = sorted({node.feature for stage in stages for tree in stage.trees for node in tree.nodes})
    places = {feature: place for place, feature in enumerate(used)}
    kept = tuple(
        replace(
            stage,
            trees=tuple(
                replace(tree, nodes=tuple(replace(node, feature=places[node.feature]) for node in tree.nodes))
                for tree in stage.trees
            ),
        )
        for stage in stages
    )
    return replace(model, stages=kept, features=tuple(model.features[feature] for feature in used))


def windows_for(model: CascadeModel) -> np.ndarray:
    """Noise and blocks, drawn faces, and clutter, of the window's size."""
    random, (width, height) = np.random.default_rng(5), (model.width, model.height)
    drawn = []
    for i in range(60):
        large = clutter(random, width * 4, height * 4)
        if i % 2:
            draw_face(large, 0, 0, min(width, height) * 4, random)
        drawn.append(cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA))
    return np.concatenate([random_windows(random, width, height, 60), np.stack(drawn)]).astype(np.uint8)


def test_every_stage_decides_alike_on_single_windows(content: bytes, opencv: OpenCv) -> None:
    model = model_of(content)
    windows = windows_for(model)
    ours = WindowJudge(model).windows(windows).stages_passed
    assert 0 < (ours > 0).sum() < len(windows)
    assert opencv.passed(content, windows).tolist() == (ours == len(model.stages)).tolist()
    # few of these windows come far, so the beginning is compared on its own too, and a few later stages
    parts = [model.stages[:2], model.stages[:5], *((stage,) for stage in model.stages[8::6])]
    for stages in parts:
        part = with_stages(model, stages)
        passed = WindowJudge(part).windows(windows).stages_passed == len(stages)
        assert opencv.passed(written(part), windows).tolist() == passed.tolist()


def test_opencv_finds_the_same_with_what_we_write(content: bytes, opencv: OpenCv) -> None:
    """The whole file as it came against the same written anew, in both formats, on a picture."""
    model = model_of(content)
    scene = scene_of(model)
    expected = opencv.boxes(content, scene)
    assert opencv.boxes(write_xml(model), scene).tolist() == expected.tolist()
    assert read_xml(write_xml(model)) == model
    if model.kind == "HAAR":
        assert opencv.boxes(write_old_xml(model), scene).tolist() == expected.tolist()


def test_opencv_4_and_5_find_the_same(content: bytes, fifth: OpenCv, fourth: OpenCv) -> None:
    scene = scene_of(model_of(content))
    assert fifth.boxes(content, scene).tolist() == fourth.boxes(content, scene).tolist()


def scene_of(model: CascadeModel) -> np.ndarray:
    """Faces in clutter and noise in blocks of the window's size."""
    random = np.random.default_rng(6)
    scene = clutter(random, 240, 160)
    for left in (5, 80, 160):
        draw_face(scene, left, int(random.integers(10, 60)), int(random.integers(50, 75)), random)
    patches = random_windows(random, model.width, model.height, 8)
    for i, patch in enumerate(patches):
        left = i * (model.width + 2)
        if left + model.width <= 240:
            scene[130 : 130 + model.height, left : left + model.width] = patch[:30]
    return np.asarray(scene)
