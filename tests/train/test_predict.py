import hashlib
import io
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save

from pipeline.core.errors import CheckpointError, UsageError
from pipeline.core.images import read_rgb
from tests.train.conftest import Finished
from tests.train.faces import EMOTIONS, draw_face
from train.predict import load_run
from train.runs import MODEL, OPTIONS, PREDICTIONS, SUMMARY


@pytest.fixture
def copy(finished: Finished, tmp_path: Path) -> Path:
    """A run's folder to damage."""
    return Path(shutil.copytree(finished.folder, tmp_path / "run"))


def test_a_loaded_model_says_what_it_said_in_training(finished: Finished) -> None:
    model = load_run(finished.folder, "cpu")
    table = pq.read_table(finished.folder / PREDICTIONS)
    images = [read_rgb(finished.dataset.folder / file) for file in table["file"].to_pylist()]
    found = model.classify(images)
    assert found.shape == (len(images), 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.array(table["probabilities"].to_pylist()), atol=1e-6)


def test_new_faces_of_any_size_are_told_apart(finished: Finished, copy: Path) -> None:
    """The folder may have moved: nothing in it depends on where it lies."""
    model, draw = load_run(copy, "cpu"), np.random.default_rng(99)
    truth = [EMOTIONS[n % 3] for n in range(60)]
    found = model.classify([draw_face(emotion, draw) for emotion in truth]).argmax(axis=1)
    assert np.mean([model.classes[c] == t for c, t in zip(found, truth, strict=True)]) > 0.9


def test_no_images_give_no_rows(finished: Finished) -> None:
    assert load_run(finished.folder, "cpu").classify([]).shape == (0, 3)


def test_an_unfinished_run_says_how_to_finish_it(copy: Path) -> None:
    (copy / SUMMARY).unlink()
    with pytest.raises(CheckpointError, match="is not trained to the end; run the same `toonsift train` again"):
        load_run(copy)


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "garbage"])
def test_damaged_weights_are_named_with_their_repair(copy: Path, damage: str) -> None:
    path, content = copy / MODEL, bytearray((copy / MODEL).read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"flip": bytes(content), "cut": bytes(content[:-9]), "garbage": b"garbage"}[damage])
    with pytest.raises(CheckpointError, match=r"model\.safetensors.*; delete .* and train again"):
        load_run(copy)


def test_an_unknown_net_asks_for_an_upgrade(copy: Path) -> None:
    path = copy / OPTIONS
    path.write_text(path.read_text().replace('"net": "hill"', '"net": "tomorrow"'))
    with pytest.raises(CheckpointError, match="uses the net 'tomorrow', which this toonsift does not know; upgrade"):
        load_run(copy)


def test_weights_that_do_not_fit_the_net_are_named(copy: Path) -> None:
    path = copy / OPTIONS
    path.write_text(path.read_text().replace('"image_size": 32', '"image_size": 120'))
    with pytest.raises(CheckpointError, match=r"model\.safetensors: not readable \(Error.* in loading state_dict"):
        load_run(copy)


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is no training run: it has no options\.json"):
        load_run(tmp_path)


def test_an_unknown_device_is_refused(finished: Finished) -> None:
    with pytest.raises(UsageError, match="device must be one of auto, cpu, cuda, got 'tpu'"):
        load_run(finished.folder, "tpu")


@pytest.mark.parametrize("name", [OPTIONS, SUMMARY, MODEL])
def test_a_link_out_of_the_run_is_not_followed(copy: Path, tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    (copy / name).rename(elsewhere)
    (copy / name).symlink_to(elsewhere)
    with pytest.raises(CheckpointError, match="leads out of .*; a run's files lie in its own folder"):
        load_run(copy)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("recipe", "other", "says recipe 'hill', summary.json says 'other': files of two runs are mixed"),
        ("classes", ["a", "b", "c"], "says classes"),
        ("dataset_digest", "0" * 64, "says dataset"),
        ("torch_version", "99.0.1", r"was trained with torch 99\.0\.1, here is .*; upgrade torch"),
    ],
)
def test_files_of_two_runs_and_a_newer_torch_are_refused(copy: Path, key: str, value: object, message: str) -> None:
    document = json.loads((copy / SUMMARY).read_text())
    (copy / SUMMARY).write_text(json.dumps(document | {key: value}))
    with pytest.raises(CheckpointError, match=message):
        load_run(copy)


def replace_weights(copy: Path, content: bytes) -> None:
    """As somebody would who makes the digest fit."""
    (copy / MODEL).write_bytes(content)
    document = json.loads((copy / SUMMARY).read_text())
    (copy / SUMMARY).write_text(json.dumps(document | {"model_sha256": hashlib.sha256(content).hexdigest()}))


def test_a_pickle_in_place_of_the_weights_is_never_loaded(copy: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "pwned",))

    stream = io.BytesIO()
    torch.save({"net": Evil()}, stream)
    for content in (stream.getvalue(), pickle.dumps(Evil())):
        replace_weights(copy, content)
        with pytest.raises(CheckpointError, match=r"model\.safetensors: not readable"):
            load_run(copy)
    assert not (tmp_path / "pwned").exists()


def test_a_missing_tensor_and_one_that_is_no_number_are_named(copy: Path) -> None:
    weights = load_file(copy / MODEL)
    name = sorted(weights)[0]
    replace_weights(copy, save({**weights, name: torch.full_like(weights[name], float("nan"))}))
    with pytest.raises(CheckpointError, match=f"{name} holds values that are no numbers"):
        load_run(copy)
    replace_weights(copy, save({key: value for key, value in weights.items() if key != name}))
    with pytest.raises(CheckpointError, match=rf"loading state_dict: {name} has the shape None, the net .* needs \["):
        load_run(copy)
