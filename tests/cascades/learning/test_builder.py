from pathlib import Path

import cv2
import numpy as np
import pytest

from cascades.learning.boost import BoostOptions
from cascades.learning.builder import CascadeBuilder, LearnOptions
from cascades.learning.features import has_contrast
from cascades.model import HaarFeature
from cascades.sampling.samples import Samples
from cascades.xml import write_xml
from tests.cascades.drawing import clutter, face_windows

STRICT = BoostOptions(min_hit_rate=0.98, max_false_alarm=0.2)


def some_samples() -> Samples:
    faces = face_windows(120)
    faces = faces[has_contrast(faces)]
    return Samples(
        positives=faces[:80], held_out=faces[80:], hard=faces[:0], scenes=(), face=(0.0, 0.0, 1.0, 1.0), smallest_px=24,
        faces=80, flat=0, scenes_left_out=0, rejected=(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def negatives() -> np.ndarray:
    random = np.random.default_rng(4)
    windows = np.stack([clutter(random, 24, 24) for _ in range(300)])
    return windows[has_contrast(windows)]


def built(negatives: np.ndarray, options: LearnOptions, stages: int = 2) -> CascadeBuilder:
    builder = CascadeBuilder(some_samples(), options)
    for stage in range(stages):
        builder.add_stage(negatives[stage * 100 : stage * 100 + 150])
    return builder


def few(**changes: object) -> LearnOptions:
    return LearnOptions(**({"features_per_stage": 150, "screened": 50, "boost": STRICT} | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize(("feature", "mode"), [("haar", "basic"), ("haar", "all"), ("lbp", "basic")])
def test_opencv_decides_as_the_builder_does(
    negatives: np.ndarray, tmp_path: Path, feature: str, mode: str, depth: int
) -> None:
    boost = BoostOptions(min_hit_rate=0.98, max_false_alarm=0.2, depth=depth)
    builder = built(negatives, few(feature=feature, mode=mode, boost=boost))
    (tmp_path / "cascade.xml").write_bytes(write_xml(builder.model()))
    classifier = cv2.CascadeClassifier(str(tmp_path / "cascade.xml"))
    windows = np.concatenate([face_windows(60, seed=9), negatives])
    ours = builder.judge.windows(windows).stages_passed == builder.judge.complete
    theirs = [len(classifier.detectMultiScale(window, 1.1, 0)) > 0 for window in windows]
    assert ours.tolist() == theirs
    assert 10 < ours.sum() < len(windows) - 10


@pytest.mark.parametrize("feature", ["haar", "lbp"])
def test_any_number_of_threads_gives_the_same_cascade(
    negatives: np.ndarray, monkeypatch: pytest.MonkeyPatch, feature: str
) -> None:
    texts = set()
    for threads in ("1", "3"):
        monkeypatch.setenv("TOONSIFT_THREADS", threads)
        texts.add(write_xml(built(negatives, few(feature=feature, boost=BoostOptions(depth=2))).model()))
    assert len(texts) == 1


def test_only_features_in_use_are_kept_in_the_order_of_the_enumeration(negatives: np.ndarray) -> None:
    builder = built(negatives, few(mode="all"))
    model = builder.model()
    rows = [node.feature for stage in builder.stages for tree in stage.trees for node in tree.nodes]
    assert [builder.table.feature(row) for row in sorted(set(rows))] == list(model.features)
    used = {node.feature for stage in model.stages for tree in stage.trees for node in tree.nodes}
    assert used == set(range(len(model.features)))
    assert all(isinstance(feature, HaarFeature) for feature in model.features)


def test_positives_that_a_stage_rejects_are_gone(negatives: np.ndarray) -> None:
    builder = CascadeBuilder(some_samples(), few())
    stage = builder.add_stage(negatives)
    assert stage is not None
    assert len(builder.positives) == round(stage.hit_rate * builder.positives_before)
    rate = builder.held_out_hit_rate()
    assert rate is not None
    assert 0.5 < rate <= 1


def test_nothing_is_added_where_faces_and_negatives_are_the_same() -> None:
    samples = some_samples()
    builder = CascadeBuilder(samples, few())
    same = np.repeat(samples.positives[:1], 60, axis=0)
    builder.positives = same
    assert builder.add_stage(same) is None
    assert builder.stages == []
