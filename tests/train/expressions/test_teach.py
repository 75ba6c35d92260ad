from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from pipeline.core.errors import CheckpointError, UsageError
from train.best.backbone import packaged_weights
from train.best.fit import begun_with
from train.best.net import BestNet
from train.best.tuning import FROZEN_BLOCKS
from train.expressions import taught, teach
from train.expressions.scenes import expression
from train.expressions.taught import taught_weights
from train.options import TrainOptions


def assert_upper_blocks_alone(before: dict[str, Tensor], found: dict[str, Tensor]) -> None:
    upper = {name for name in before if name.startswith("blocks.") and int(name.split(".")[1]) >= FROZEN_BLOCKS}
    assert set(found) == set(before)
    for name, tensor in found.items():
        assert tensor.shape == before[name].shape
        assert bool(tensor.isfinite().all())
        assert torch.equal(tensor, before[name]) == (name not in upper), name


def test_the_weights_that_come_along_change_the_upper_blocks_alone() -> None:
    before = packaged_weights()
    assert_upper_blocks_alone(before, taught_weights(before))


def test_a_run_begins_with_what_was_taught_or_with_imagenet_alone() -> None:
    name = f"blocks.{FROZEN_BLOCKS}.expand.weight"
    weights, origin = begun_with("expressions")
    assert torch.equal(weights[name], taught_weights(packaged_weights())[name])
    assert "taught" in origin
    weights, origin = begun_with("imagenet")
    assert torch.equal(weights[name], packaged_weights()[name])
    assert "taught" not in origin
    for other in (None, "vggface", "some/file.pt"):
        with pytest.raises(UsageError, match="begins with the weights expressions or imagenet"):
            begun_with(other)


def test_a_damaged_file_of_weights_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b"", b"not weights", taught.WEIGHTS.read_bytes()[:5000]):
        path = tmp_path / "weights.safetensors"
        path.write_bytes(content)
        monkeypatch.setattr(taught, "WEIGHTS", path)
        with pytest.raises(CheckpointError, match="install toonsift again"):
            taught_weights(packaged_weights())


@pytest.mark.slow
def test_what_was_taught_reads_faces_that_it_never_saw() -> None:
    """Logistic regression on the features, as many faces for it as users have; of ten emotions."""
    faces = [expression(number, 128) for number in range(5_000_000, 5_000_300)]
    faces = [face for face in faces if face.emotion >= 0]
    images = torch.from_numpy(np.stack([face.picture for face in faces])).permute(0, 3, 1, 2).float() / 255
    emotions = np.array([face.emotion for face in faces])
    right = {}
    for wanted in ("expressions", "imagenet"):
        net = BestNet(2, TrainOptions())
        net.body.load_state_dict(begun_with(wanted)[0])
        with torch.inference_mode():
            seen = torch.cat([net.features(part) for part in torch.split(images, 64)]).numpy()
        scaled = StandardScaler().fit(seen[:130]).transform(seen)
        head = LogisticRegression(C=0.001, max_iter=2000).fit(scaled[:130], emotions[:130])
        right[wanted] = float((head.predict(scaled[130:]) == emotions[130:]).mean())
    assert right["expressions"] > right["imagenet"] + 0.15
    assert right["expressions"] > 0.4


class Here:
    """In place of a pool of workers, who would not know what a test has set."""

    def __init__(self, **_: object) -> None: ...

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *_: object) -> None: ...

    map = staticmethod(map)


@pytest.mark.slow
def test_teaching_goes_on_where_it_was_stopped_and_writes_what_it_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("SHARD", 48), ("HELD_OUT", 16), ("WARM_UP_STEPS", 4), ("ProcessPoolExecutor", Here)):
        monkeypatch.setattr(teach, name, value)
    kept, out = tmp_path / "kept", tmp_path / "weights.safetensors"
    kept.mkdir()
    first = teach.see(0, kept / f"{teach.drawn_by()}-0000.npz")
    written = first.stat().st_mtime_ns
    said = ["teach", "--pictures", "128", "--epochs", "6", "--keep", str(kept), "--out", str(out)]
    monkeypatch.setattr("sys.argv", said)
    teach.main()
    assert len(list(kept.iterdir())) == 3
    assert first.stat().st_mtime_ns == written, "what is there is not drawn again"
    lines = capsys.readouterr().out.splitlines()
    losses = [float(line.split("loss ")[1].split(";")[0]) for line in lines if "loss" in line]
    assert len(losses) == 6
    assert losses[-1] < losses[0] - 0.1
    monkeypatch.setattr(taught, "WEIGHTS", out)
    before = packaged_weights()
    assert_upper_blocks_alone(before, taught_weights(before))
