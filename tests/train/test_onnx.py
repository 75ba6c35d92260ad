"""The exported file, in the real onnxruntime."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import CheckpointError
from pipeline.core.images import read_rgb
from tests.train.conftest import Finished
from train import onnx
from train.examples import letterboxed
from train.onnx import Exported, export_onnx
from train.predict import Model, load_run

NEEDED = ("onnx", "onnxscript", "onnxruntime")
MISSING = [name for name in NEEDED if find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"{MISSING} not installed: pip install 'toonsift[onnx]'")


@pytest.fixture(scope="module")
def model(finished: Finished) -> Model:
    return load_run(finished.folder, "cpu")


@pytest.fixture(scope="module")
def exported(finished: Finished, model: Model, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    return export_onnx(model, finished.summary, path, finished.dataset)


def test_it_says_what_the_model_says_for_any_batch(finished: Finished, model: Model, exported: Exported) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    card = session.get_modelmeta().custom_metadata_map
    side, classes = int(card["image_size"]), json.loads(card["classes"])
    assert tuple(classes) == model.classes
    assert card["dataset_digest"] == finished.dataset.manifest.digest
    rows = [e for e in finished.dataset.examples if e.split == "test"][:7]
    images = [read_rgb(finished.dataset.image_path(e)) for e in rows]
    squares = np.stack([letterboxed(image, side) for image in images]).transpose(0, 3, 1, 2)
    for count in (1, 2, 7):
        (found,) = session.run(None, {"images": squares[:count]})
        np.testing.assert_allclose(found, model.classify(images[:count]), atol=onnx.TOLERANCE)
    assert (exported.examples, exported.compared_on, exported.changed) == (72, "the test split", 0)
    assert exported.largest_difference < 1e-5


def test_nothing_of_this_machine_is_in_the_file_and_it_is_the_same_twice(
    finished: Finished, model: Model, exported: Exported, tmp_path: Path
) -> None:
    content = exported.path.read_bytes()
    assert str(Path(onnx.__file__).parent).encode() not in content
    assert b"site-packages" not in content
    again = export_onnx(model, finished.summary, tmp_path / "b.onnx", finished.dataset)
    assert again.path.read_bytes() == content


def test_without_the_dataset_random_pictures_are_compared(finished: Finished, model: Model, tmp_path: Path) -> None:
    found = export_onnx(model, finished.summary, tmp_path / "a.onnx")
    assert (found.compared_on, found.examples) == ("random pictures", 64)


def test_a_file_that_would_say_something_else_is_not_written(
    finished: Finished, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = onnx._asked
    monkeypatch.setattr(onnx, "_asked", lambda content, images: real(content, images) + np.float32(0.01))
    with pytest.raises(CheckpointError, match="was not written: onnxruntime differs by 0.01 on the test split"):
        export_onnx(model, finished.summary, tmp_path / "a.onnx", finished.dataset)
    assert not (tmp_path / "a.onnx").exists()
