"""What people give by mistake: each a clear message, and nothing half-written."""

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cascades.fit import FitOptions, fit_cascade
from cascades.learning.negatives import MiningOptions
from cascades.make import make_cascade
from cascades.sampling.augment import AugmentOptions
from cascades.sampling.samples import SampleOptions, Samples, gather_samples
from cascades.truth.reading import read_truth
from pipeline.core.errors import InputError, ToonsiftError, TruthError, UsageError
from pipeline.core.files import write_bytes
from pipeline.core.images import encode_png
from pipeline.core.records import Cascade
from pipeline.core.workspace import Workspace
from tests.cascades.drawing import face_windows, write_backgrounds, write_scenes

QUICK = FitOptions(stages=2, positives=60, negatives_per_stage=100, features_per_stage=300)


def patches(folder: Path, windows: np.ndarray) -> Path:  # type: ignore[type-arg]
    np.savez(folder / "a.npz", windows)
    return folder / "a.npz"


def refused(workspace: Workspace, truth: Path, negatives: list[Path], options: FitOptions = QUICK) -> str:
    """The message; the workspace and the folder of the XML are as before."""
    out = truth.parent / "out" / "x.xml"
    with pytest.raises(ToonsiftError) as told:
        make_cascade(workspace, "x", truth, negatives=negatives, options=options, out=out, take_lock=True)
    assert not out.parent.exists()
    assert workspace.catalogue.get(Cascade, "x") is None
    assert not (workspace.root / "unfinished").exists()
    assert [p for p in workspace.objects.root.rglob("*") if p.is_file()] == []
    return str(told.value)


def test_no_positives(tmp_path: Path, workspace: Workspace) -> None:
    path = write_scenes(tmp_path, 2)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"annotations": []}))
    assert "no usable face box in it" in refused(workspace, path, [])


def test_one_positive(tmp_path: Path, workspace: Workspace) -> None:
    said = refused(workspace, write_scenes(tmp_path, 1), [])
    assert "one face; at least 2 different ones are needed, and 20 or more to be of use" in said


def test_all_positives_the_same(tmp_path: Path, workspace: Workspace) -> None:
    truth = patches(tmp_path, np.repeat(face_windows(1), 30, axis=0))
    said = refused(workspace, truth, [write_backgrounds(tmp_path / "neg", 2)])
    assert "30 faces that are all the same; at least 2 different ones" in said


def test_boxes_outside_the_image(tmp_path: Path, workspace: Workspace) -> None:
    path = write_scenes(tmp_path, 3)
    coco = json.loads(path.read_text())
    for row in coco["annotations"]:
        row["bbox"][0] += 1000
    path.write_text(json.dumps(coco))
    said = refused(workspace, path, [])
    assert "000.png: the box" in said
    assert "lies outside the 200x140 picture" in said


def test_negatives_smaller_than_the_window(tmp_path: Path, workspace: Workspace) -> None:
    write_bytes(tmp_path / "neg" / "tiny.png", encode_png(np.zeros((20, 300, 3), dtype=np.uint8)))
    said = refused(workspace, patches(tmp_path, face_windows(20)), [tmp_path / "neg"])
    assert "nothing to take negatives from; rejected:" in said
    assert "tiny.png: 300x20 pixels are less than one 24x24 window" in said


def test_a_window_larger_than_every_image(tmp_path: Path, workspace: Workspace) -> None:
    write_bytes(tmp_path / "neg" / "small.png", encode_png(np.zeros((40, 40, 3), dtype=np.uint8)))
    said = refused(workspace, patches(tmp_path, face_windows(20)), [tmp_path / "neg"], replace(QUICK, size=(48, 48)))
    assert "small.png: 40x40 pixels are less than one 48x48 window" in said


def test_negatives_that_show_the_object_end_the_fit_with_the_reason(tmp_path: Path) -> None:
    faces = face_windows(40)
    noisy = np.clip(faces.astype(int) + np.random.default_rng(0).integers(-2, 3, faces.shape), 0, 255).astype(np.uint8)
    base = gather_samples(
        read_truth(patches(tmp_path, faces)),
        [write_backgrounds(tmp_path / "neg", 1)],
        None,
        SampleOptions(positives=40),
    )
    options = FitOptions(stages=5, positives=40, negatives_per_stage=120, features_per_stage=300, max_weak=2)
    many = np.concatenate([noisy, np.roll(noisy, 1, axis=2), noisy[:, :, ::-1]])
    samples: Samples = replace(base, scenes=(), hard=many)
    fitted = fit_cascade(samples, replace(options, negatives_per_stage=240, min_hit_rate=1.0))
    assert "see that no negative shows the character" in fitted.reason or "negatives exhausted" in fitted.reason


def test_a_window_that_is_a_positive_is_never_mined(tmp_path: Path) -> None:
    faces = face_windows(30)
    sheet = np.concatenate(list(faces), axis=1)  # a negative made of the faces themselves, side by side
    write_bytes(tmp_path / "neg" / "faces.png", encode_png(np.repeat(sheet[:, :, None], 3, axis=2)))
    options = replace(QUICK, stages=1, positives=30, held_out_fraction=0.0, mining=MiningOptions(scale_factor=9.0))
    samples = gather_samples(read_truth(patches(tmp_path, faces)), [tmp_path / "neg"], None, options.sampling)
    from cascades.apply import WindowJudge
    from cascades.learning.negatives import Miner
    from cascades.model import CascadeModel

    judge = WindowJudge(CascadeModel(kind="HAAR", width=24, height=24, stages=(), features=()))
    miner = Miner(samples.scenes, samples.hard, 24, 24, 0, options.mining, samples.positives)
    mined = miner.collect(judge, 10_000)
    own = {w.tobytes() for w in samples.positives}
    assert len(mined.windows) > 100
    assert not own & {w.tobytes() for w in mined.windows}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"short", "too few for a .vec"),
        (struct.pack("<iihh", 5, 576, 0, 0), "says 5 samples and holds 0; it is damaged"),
        (struct.pack("<iihh", -5, 576, 0, 0), "says -5 samples"),
        (struct.pack("<iihh", 2**31 - 1, 2**31 - 1, 0, 0), "are no square; give --size"),
        (struct.pack("<iihh", 5, -576, 0, 0), "are no square; give --size"),
        (struct.pack("<iihh", 1, 576, 0, 0) + b"\0" + b"\xff\x7f" * 576, "pixel values outside 0..255"),
    ],
)
def test_corrupt_vecs(content: bytes, reason: str, tmp_path: Path, workspace: Workspace) -> None:
    (tmp_path / "a.vec").write_bytes(content)
    assert reason in refused(workspace, tmp_path / "a.vec", [write_backgrounds(tmp_path / "neg", 1)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FitOptions(min_hit_rate=0.9, stages=15), "--min-hit-rate 0.9 over --stages 15 keeps 0.21 of the faces"),
        (lambda: FitOptions(min_hit_rate=0.6, max_false_alarm=0.7, stages=1), "must be below --min-hit-rate"),
        (lambda: FitOptions(size=(0, 24)), "--size must be 8 to 96, got 0"),
        (lambda: FitOptions(held_out_fraction=0.9), "held_out_fraction must be 0 to 0.5"),
        (lambda: FitOptions(target_false_alarm=2.0), "target_false_alarm must be 0 to 0.5"),
        (lambda: MiningOptions(scale_factor=1.0), "scale_factor must be 1.01 or more"),
        (lambda: MiningOptions(max_windows=-1), "must be 0 or more"),
        (lambda: MiningOptions(face_overlap=0.9), "face_overlap must be 0 to 0.5"),
        (lambda: AugmentOptions(shift_fraction=3.0), "augment shift_fraction must be 0 to 0.5, got 3"),
        (lambda: AugmentOptions(line_fraction=float("nan")), "augment line_fraction must be"),
    ],
)  # fmt: skip
def test_options_that_contradict_themselves(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError) as told:
        make()
    assert message in str(told.value)


def test_a_place_that_cannot_be_written_is_told_before_the_fit(tmp_path: Path, workspace: Workspace) -> None:
    truth = write_scenes(tmp_path, 3)
    for out in (tmp_path, truth / "x.xml", truth / "further" / "x.xml", Path("/proc/none/x.xml")):
        with pytest.raises(InputError, match="cannot be written"):
            make_cascade(workspace, "x", truth, options=QUICK, out=out, take_lock=True)


def test_windows_that_are_none_or_too_small(tmp_path: Path, workspace: Workspace) -> None:
    negatives = [write_backgrounds(tmp_path / "neg", 1)]
    said = refused(workspace, patches(tmp_path, face_windows(20)[:0]), negatives)
    assert "0 faces of 24x24 pixels" in said
    assert "20 faces of 5x24 pixels; give some, of 8x8 or more" in refused(
        workspace, patches(tmp_path, face_windows(20)[:, :, :5]), negatives
    )


def test_a_folder_of_negatives_without_a_picture(tmp_path: Path, workspace: Workspace) -> None:
    (tmp_path / "empty").mkdir()
    said = refused(workspace, write_scenes(tmp_path, 3), [tmp_path / "empty"])
    assert "empty: no picture or video in this folder; --negatives" in said


def test_a_missing_folder_of_negatives_is_told_before_anything_is_read(tmp_path: Path, workspace: Workspace) -> None:
    assert "no such file or folder; --negatives" in refused(workspace, write_scenes(tmp_path, 3), [tmp_path / "none"])
    with pytest.raises(TruthError, match="nobody is called 'zoe'"):
        make_cascade(workspace, "x", tmp_path / "truth.json", character="zoe", options=QUICK, take_lock=True)
