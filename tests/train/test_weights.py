"""Weights from files, good and bad, and the real ImageNet weights of the package."""

import os
import pickle
from importlib.util import find_spec
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from pipeline.core.errors import CheckpointError, UsageError
from train import weights
from train.lite0 import PACKAGE
from train.models import build_net
from train.models.normalised import Normalised
from train.models.published import VGG_CONVOLUTIONS, as_caffe
from train.options import TrainOptions
from train.weights import begin, read_weights

SUIT, MILITARY_UNIFORM, BOW_TIE = 834, 652, 457
"""ImageNet's classes"""
packaged = pytest.mark.skipif(find_spec(PACKAGE) is None, reason=f"{PACKAGE} is not installed")


def built(name: str, classes: int = 3, side: int = 32, seed: int = 0) -> Normalised:
    torch.manual_seed(seed)
    return build_net(name, classes, TrainOptions(image_size=side), torch.full((3,), 0.4), torch.full((3,), 0.2))


def state_of(name: str, seed: int = 1) -> dict[str, Tensor]:
    return {key: tensor.clone() for key, tensor in built(name, seed=seed).net.backbone.state_dict().items()}


def photograph(side: int) -> Tensor:
    """A woman in uniform, (1, 3, side, side) in 0..1: comes with matplotlib."""
    with Image.open(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg") as picture:
        values = np.array(picture.convert("RGB").resize((side, side), Image.Resampling.BILINEAR))
    return torch.from_numpy(values).permute(2, 0, 1)[None] / 255


@packaged
def test_the_packaged_weights_recognise_a_uniform_in_a_photograph() -> None:
    net = built("efficientnet-lite0", 1000, 224)
    assert begin(net, "efficientnet-lite0", "imagenet").startswith("efficientnet-lite0-57934424.pth (SHA-256 57934424")
    head = weights._published("efficientnet-lite0", "imagenet")
    assert not isinstance(head, str)
    net.net.head[2].load_state_dict({"weight": head.tensors["_fc.weight"], "bias": head.tensors["_fc.bias"]})
    with torch.inference_mode():
        shares = torch.softmax(net.eval()(photograph(224)), dim=1)[0]
    assert shares.argmax() == MILITARY_UNIFORM
    assert shares[MILITARY_UNIFORM] > 0.3
    assert {SUIT, BOW_TIE} <= set(shares.topk(6).indices.tolist())


@packaged
def test_packaged_features_are_not_those_of_chance_and_bring_their_normalisation() -> None:
    net, other = built("efficientnet-lite0"), built("efficientnet-lite0")
    begin(net, "efficientnet-lite0", "imagenet")
    torch.testing.assert_close(net.mean.flatten(), torch.full((3,), 127 / 255))
    torch.testing.assert_close(net.std.flatten(), torch.full((3,), 128 / 255))
    images = (photograph(64) - net.mean) / net.std
    with torch.inference_mode():
        assert not torch.allclose(net.eval().net.backbone(images), other.eval().net.backbone(images), atol=0.1)


def test_without_weights_a_net_starts_from_chance_and_says_so() -> None:
    net = built("vanilla")
    assert begin(net, "vanilla", None) == net.origin == "random"


def test_weights_that_cannot_be_had_are_a_warning_and_a_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(weights.urllib.request, "urlopen", unreachable)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    net, before = built("resnet18"), built("resnet18")
    assert "cannot be reached (no route to host); give a local copy" in begin(net, "resnet18", "imagenet")
    assert net.origin.startswith("random: ")
    assert "training starts from random weights" in caplog.text
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), before.state_dict().values(), strict=True))


def test_a_download_that_is_not_what_was_published_is_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Reply:
        def __enter__(self) -> "Reply":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def read(self, _: int) -> bytes:
            return b"something else"

    monkeypatch.setattr(weights.urllib.request, "urlopen", lambda *_, **__: Reply())
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert "is not what torchvision published" in begin(built("resnet18"), "resnet18", "imagenet")
    assert not list(tmp_path.rglob("*.pth"))


def test_a_damaged_file_in_torchs_cache_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    torch.save(state_of("resnet18"), tmp_path / "checkpoints" / weights.download_address("resnet18").rpartition("/")[2])
    with pytest.raises(CheckpointError, match="its contents do not give its digest; delete it"):
        begin(built("resnet18"), "resnet18", "imagenet")


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
@pytest.mark.parametrize("prefix", ["", "module.", "net.backbone."])
def test_a_file_of_weights_fills_the_backbone_and_leaves_the_head(tmp_path: Path, suffix: str, prefix: str) -> None:
    state, path = state_of("vanilla-leaky-bn"), tmp_path / f"w{suffix}"
    named = {prefix + key: tensor for key, tensor in state.items()}
    save_file(named, path) if suffix == ".safetensors" else torch.save({"state_dict": named}, path)
    net = built("vanilla-leaky-bn")
    head = [w.clone() for w in net.net.head.parameters()]
    assert begin(net, "vanilla-leaky-bn", str(path)).startswith(f"w{suffix} (SHA-256 ")
    assert all(torch.equal(tensor, state[key]) for key, tensor in net.net.backbone.state_dict().items())
    assert all(torch.equal(a, b) for a, b in zip(head, net.net.head.parameters(), strict=True))


def test_a_model_of_toonsifts_own_brings_its_colour_statistics(tmp_path: Path) -> None:
    other = built("vanilla", seed=5)
    other.mean.fill_(0.7)
    save_file(other.state_dict(), tmp_path / "model.safetensors")
    net = built("vanilla")
    begin(net, "vanilla", str(tmp_path / "model.safetensors"))
    assert torch.equal(net.mean, other.mean)
    assert torch.equal(net.std, other.std)


def test_torchvisions_names_and_heads_are_understood(tmp_path: Path) -> None:
    from torchvision.models import resnet18

    source = resnet18()
    torch.save(source.state_dict(), tmp_path / "r.pth")
    net = built("resnet18")
    begin(net, "resnet18", str(tmp_path / "r.pth"))
    assert torch.equal(net.net.backbone.layer4[1].conv2.weight, source.layer4[1].conv2.weight)
    torch.testing.assert_close(net.mean.flatten(), torch.tensor([0.485, 0.456, 0.406]))


def test_caffes_names_of_vgg_lead_to_the_same_convolutions() -> None:
    places = [as_caffe(f"{name}.weight") for name in VGG_CONVOLUTIONS]
    assert places[0] == "features.0.weight"
    assert places[-1] == "features.28.weight"
    assert as_caffe("fc6.weight") is None
    from torchvision.models.vgg import cfgs, make_layers

    layers = make_layers(cfgs["D"])
    assert set(places) == {k for k in (f"features.{n}" for n in layers.state_dict()) if k.endswith("weight")}


@pytest.mark.slow
def test_vggface_is_filled_from_a_file_with_caffes_names(tmp_path: Path) -> None:
    state = state_of("vggface")
    caffe = {f"features.{place}": name for name, place in VGG_CONVOLUTIONS.items()}
    named = {caffe[key.rpartition(".")[0]] + "." + key.rpartition(".")[2]: tensor for key, tensor in state.items()}
    torch.save(named | {"fc8.weight": torch.zeros(2622, 4096)}, tmp_path / "vgg_face_dag.pth")
    net = built("vggface")
    begin(net, "vggface", str(tmp_path / "vgg_face_dag.pth"))
    assert all(torch.equal(tensor, state[key]) for key, tensor in net.net.backbone.state_dict().items())
    torch.testing.assert_close(net.mean.flatten() * 255, torch.tensor([129.1863, 104.7624, 93.5940]))


class Malicious:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path, writer: str) -> None:
    path, mark = tmp_path / "evil.pth", tmp_path / "mark"
    if writer == "torch":
        torch.save({"conv.weight": Malicious(mark)}, path)
    else:
        path.write_bytes(pickle.dumps({"conv.weight": Malicious(mark)}))
    with pytest.raises(CheckpointError, match="files that would run code are not opened"):
        read_weights(path)
    assert not mark.exists()


def test_unusable_files_are_refused_with_what_to_do(tmp_path: Path) -> None:
    def refused(name: str, content: bytes | None, message: str) -> None:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=message):
            read_weights(tmp_path / name)

    refused("absent.pth", None, "there is no weights file .*absent.pth; give the path")
    refused("empty.pth", b"", "no plain state dict or damaged")
    refused("text.safetensors", b"hello", "no plain state dict or damaged")
    refused("long.safetensors", b"\xff" * 64, "no plain state dict or damaged")
    refused("model.onnx", b"x", r"weights are read from .safetensors, .pt, .pth or .bin, not '.onnx'")
    torch.save([1, 2], tmp_path / "list.pt")
    refused("list.pt", None, "holds a list, not a state dict")
    torch.save({"epoch": 3}, tmp_path / "none.pt")
    refused("none.pt", None, "holds no tensors")
    torch.save(state_of("vanilla"), tmp_path / "whole.pt")
    refused("half.pt", (tmp_path / "whole.pt").read_bytes()[:-2000], "no plain state dict or damaged")


def test_weights_of_another_net_or_shape_name_the_layer_and_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"

    def refused(state: dict[str, Tensor], message: str) -> None:
        torch.save(state, path)
        net, before = built("vanilla"), built("vanilla")
        with pytest.raises(CheckpointError, match=message):
            begin(net, "vanilla", str(path))
        assert all(
            torch.equal(a, b) for a, b in zip(net.state_dict().values(), before.state_dict().values(), strict=True)
        )

    good = state_of("vanilla")
    refused(
        good | {"3.weight": torch.zeros(8, 3, 3, 3)},
        "layer '3.weight' of vanilla needs the shape 64x32x3x3, .* 8x3x3x3",
    )
    refused(
        {k: v for k, v in good.items() if k != "6.bias"}, "no weights for 1 of 10 tensors of vanilla, such as '6.bias'"
    )
    refused(good | {"0.bias": torch.full((32,), torch.nan)}, "layer '0.bias' holds values that are no finite numbers")
    refused(state_of("resnet18"), "no weights for 10 of 10 tensors of vanilla.*it is of another net")


def test_a_net_without_a_backbone_takes_no_weights() -> None:
    with pytest.raises(UsageError, match="'hill' starts from random weights alone"):
        begin(built("hill"), "hill", "imagenet")
