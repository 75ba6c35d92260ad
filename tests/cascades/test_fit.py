from dataclasses import replace

import cv2
import numpy as np
import pytest

from cascades.apply import WindowJudge
from cascades.fit import FitOptions, Fitted, fit_cascade
from cascades.learning.negatives import MiningOptions
from cascades.sampling.samples import Samples
from cascades.xml import read_xml, write_xml
from pipeline.core.errors import TruthError, UsageError
from tests.cascades.conftest import SMALL
from tests.cascades.drawing import clutter, face_windows

QUICK = replace(SMALL, stages=3, features_per_stage=500)


def test_it_tells_faces_it_never_saw_from_background(ann: Fitted) -> None:
    last = ann.stages[-1]
    assert last.held_out_hit_rate is not None
    assert last.held_out_hit_rate > 0.85
    scene = clutter(np.random.default_rng(99), 400, 300)
    xs, ys = (a.ravel() for a in np.meshgrid(np.arange(0, 376, 3), np.arange(0, 276, 3)))
    passes = WindowJudge(ann.model).places(scene, xs, ys).stages_passed == len(ann.model.stages)
    assert passes.mean() < 0.005
    assert ann.reason == "all 4 stages fitted"


def test_each_stage_keeps_its_promise_and_says_what_it_saw(ann: Fitted) -> None:
    for stage in ann.stages:
        assert stage.hit_rate >= 0.995
        assert stage.false_alarm <= 0.5
        assert 50 <= stage.negatives <= 600
        assert 1 <= stage.weak <= 100
        assert stage.seconds >= 0
    rates = [s.passed_before for s in ann.stages if s.passed_before is not None]
    assert rates[-1] < 0.1 * rates[0]
    assert sum(s.windows_seen for s in ann.stages) + ann.windows_checked <= ann.windows_seen <= ann.windows_total


def test_the_same_samples_and_seed_give_the_same_bytes_on_any_number_of_threads(
    ann_samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("TOONSIFT_THREADS", threads)
        written.append(write_xml(fit_cascade(ann_samples, QUICK).model))
    assert written[0] == written[1] == written[2]
    assert write_xml(fit_cascade(ann_samples, replace(QUICK, seed=1)).model) != written[0]


def test_opencv_decides_as_the_fit_did(ann: Fitted) -> None:
    storage = cv2.FileStorage(write_xml(ann.model).decode(), cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
    classifier = cv2.CascadeClassifier()
    assert classifier.read(storage.getFirstTopLevelNode())
    windows = face_windows(100, seed=9)
    ours = WindowJudge(ann.model).windows(windows).stages_passed == len(ann.model.stages)
    assert ours.tolist() == [len(classifier.detectMultiScale(w, 1.1, 0)) == 1 for w in windows]
    assert ours.sum() > 0


def test_the_model_reads_back_from_its_xml(ann: Fitted) -> None:
    assert read_xml(write_xml(ann.model)) == ann.model
    assert len(ann.model.features) == len(set(ann.model.features))


def test_it_ends_cleanly_when_the_negatives_run_out(ann_samples: Samples) -> None:
    few = replace(ann_samples, scenes=ann_samples.scenes[:2])
    options = replace(SMALL, stages=30, features_per_stage=500, mining=MiningOptions(scale_factor=1.9))
    fitted = fit_cascade(few, options)
    assert 1 <= len(fitted.stages) < 30
    assert fitted.reason.startswith(f"negatives exhausted after {fitted.windows_seen:,} windows")
    assert "reached false alarm" in fitted.reason
    assert fitted.windows_seen == fitted.windows_total
    assert fitted.false_alarm is None


def test_without_enough_negatives_there_is_no_cascade(ann_samples: Samples) -> None:
    none = replace(ann_samples, scenes=(), hard=np.zeros((0, 24, 24), dtype=np.uint8))
    with pytest.raises(TruthError, match="no stage could be fitted: negatives exhausted after 0 windows"):
        fit_cascade(none, QUICK)


def test_core_features_and_other_windows_work(ann_samples: Samples) -> None:
    options = replace(QUICK, mode="core", stages=2)
    model = fit_cascade(ann_samples, options).model
    assert (model.mode, model.width, model.height) == ("CORE", 24, 24)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"feature": "hog"}, "--feature hog: there are haar and lbp"),
        ({"mode": "most"}, "--mode most: there are basic, core"),
        ({"feature": "lbp", "mode": "all"}, "--mode all is of haar features; leave it out with --feature lbp"),
        ({"boosting": "logit"}, "--boosting must be one of gentle, real, discrete"),
        ({"depth": 9}, "--depth must be 1 to 4, got 9"),
        ({"size": (4, 24)}, "--size must be 8 to 96, got 4"),
        ({"stages": 0}, "--stages must be 1 to 100, got 0"),
        ({"min_hit_rate": 1.5}, "--min-hit-rate must be 0.5 to 1, got 1.5"),
        ({"max_false_alarm": 0.0}, "--max-false-alarm must be 0.01 to 0.99, got 0"),
        ({"positives": 3}, "--positives must be 10 to"),
        ({"negatives_per_stage": 3}, "--negatives-per-stage must be 50 to"),
        ({"seed": -1}, "--seed must be 0 to"),
    ],
)
def test_options_that_make_no_sense_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as told:
        FitOptions(**changes)  # type: ignore[arg-type]
    assert message in str(told.value)
