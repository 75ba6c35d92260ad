"""What an epoch costs: `python -m benchmarks.training [--repeats 5] [--images 512] [--nets hill resnet18]`.

CPU seconds (user and system, all threads) per image, each method measured in turn in one process, the least of the
repeats; every epoch begins with the same weights, because what a net has learned changes its cost. *bare* is forward,
backward and step of our net on tensors that lie ready, augmented already; *toonsift* is `train.loop.fit` itself with
augmentation, its checkpoint and its line of metrics; *peer* is ImageFolder, DataLoader without workers and torchvision's
PIL transforms with the same changes, on the net as one writes it down (ReLU before pooling, channels first in memory,
torch's own convolutions and poolings); *peer, our net* takes the net as `train` has it. A GPU, when there is one, is
measured in seconds as well.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torchvision import datasets, models, transforms

from pipeline.core.progress import Silent
from train import models as nets
from train.augment import AugmentOptions, augment_options, changed, draw_changes
from train.examples import Examples, Split, colour_statistics
from train.loop import fit
from train.losses import build_loss
from train.models import build_net
from train.options import TrainOptions
from train.predict import choose_device, on_device
from train.randomness import reproducible
from train.runs import TrainingRun
from train.schedule import build_optimizer
from train.team import ALONE

CLASSES = 4
H200_BF16_TFLOPS = 989.0
"""dense bf16 peak by its data sheet"""


def resnet18(classes: int, options: TrainOptions) -> nn.Module:
    net: nn.Module = models.resnet18(num_classes=classes)
    return net


def pictures(count: int, folder: Path) -> None:
    """PNG files of 100x100 in one folder per class: blobs, so that they compress as drawings do."""
    draw = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        path = folder / f"c{number % CLASSES}" / f"{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse.resize((100, 100), Image.Resampling.NEAREST).save(path)


def split_of(folder: Path, count: int, side: int, device: torch.device) -> Split:
    paths = sorted(folder.glob("*/*.png"), key=lambda path: path.stem)[:count]
    images = np.stack([np.asarray(Image.open(path).resize((side, side), Image.Resampling.BILINEAR)) for path in paths])
    labels = torch.tensor([int(path.parent.name[1:]) for path in paths])
    targets = functional.one_hot(labels, CLASSES).float()
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2).to(device)
    return Split(examples=(), images=tensor, labels=labels.to(device), targets=targets.to(device))


def fresh(net: str, options: TrainOptions, train: Split) -> nn.Module:
    torch.manual_seed(0)
    built = build_net(net, CLASSES, options, *colour_statistics(train.images))
    return on_device(built, train.labels.device)


def beginning(module: nn.Module) -> Callable[[], None]:
    """Puts the weights back to what they are now."""
    weights = {name: tensor.clone() for name, tensor in module.state_dict().items()}

    def begin() -> None:
        module.load_state_dict(weights)

    return begin


def bare(net: str, options: TrainOptions, train: Split) -> Callable[[], None]:
    """Forward, backward and step over batches that are ready."""
    module, changes = fresh(net, options, train), augment_options(options) or AugmentOptions()
    optimizer = build_optimizer(module, options)
    generator = torch.Generator().manual_seed(0)
    ready = [
        changed(train.images[a : a + options.batch_size], options.image_size,
                draw_changes(len(train.images[a : a + options.batch_size]), generator, changes), changes)
        for a in range(0, len(train), options.batch_size)
    ]  # fmt: skip
    targets = torch.split(train.targets, options.batch_size)
    on_tensor_cores = torch.autocast(train.labels.device.type, torch.bfloat16, enabled=options.amp)
    begin = beginning(module)

    def run() -> None:
        begin()
        module.train()
        for images, wanted in zip(ready, targets, strict=True):
            with on_tensor_cores:
                scores = module(images)
            loss = functional.cross_entropy(scores.float(), wanted)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()

    return run


def ours(net: str, options: TrainOptions, train: Split, folder: Path) -> Callable[[], None]:
    """One epoch of the loop, its checkpoint and its line included; no validation examples."""
    run = TrainingRun(
        recipe=net, net=net, options=replace(options, epochs=1), classes=tuple("abcd"), dataset_name="bench",
        dataset_version=1, dataset_digest="0" * 64,
    )  # fmt: skip
    none = Split(examples=(), images=train.images[:0], labels=train.labels[:0], targets=train.targets[:0])
    data, module = Examples(train=train, val=none, test=none), fresh(net, options, train)
    begin = beginning(module)

    def go() -> None:
        begin()
        with tempfile.TemporaryDirectory(dir=folder) as place:
            fit(run, module, build_loss(train, options), data, Path(place), Silent(), ALONE)

    return go


def plain_hill() -> nn.Module:
    """The net of `train.models.hill` as one writes it down."""
    layers: list[nn.Module] = []
    for entering, pool in ((3, 2), (32, 2), (32, 9)):
        layers += [nn.Conv2d(entering, 32, 3), nn.ReLU(), nn.MaxPool2d(pool)]
    return nn.Sequential(*layers, nn.Dropout(0.5), nn.Flatten(), nn.Linear(32, 512), nn.ReLU(), nn.Linear(512, CLASSES))


def peer(module: nn.Module, options: TrainOptions, train: Split, folder: Path) -> Callable[[], None]:
    """The ordinary loop: ImageFolder, PIL transforms with the same changes, DataLoader; no loader workers on a CPU."""
    size, device = options.image_size, train.labels.device
    change = transforms.Compose(
        [
            transforms.Resize((size, size)),
            transforms.RandomHorizontalFlip(options.mirror),
            transforms.RandomAffine(
                options.rotation_degrees, (options.shift, options.shift), (1 / (1 + options.scale), 1 + options.scale),
                interpolation=transforms.InterpolationMode.BILINEAR,
            ),
            transforms.ColorJitter(options.brightness, options.contrast, options.colour),
            transforms.ToTensor(),
        ]
    )  # fmt: skip
    workers = 8 if device.type == "cuda" else 0
    loader = torch.utils.data.DataLoader(
        datasets.ImageFolder(str(folder), change), options.batch_size, shuffle=True, num_workers=workers,
        persistent_workers=workers > 0,
    )  # fmt: skip
    optimizer, begin = build_optimizer(module, options), beginning(module)

    def run() -> None:
        begin()
        module.train()
        for images, labels in loader:
            scores: Tensor = module(images.to(device))
            loss = functional.cross_entropy(scores, labels.to(device))
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()

    return run


def seconds_of(run: Callable[[], None], device: torch.device) -> float:
    """CPU seconds of this process, or on a GPU seconds until it is done."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    began = clock()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - began


def compare(net: str, options: TrainOptions, count: int, folder: Path, repeats: int, with_peer: bool) -> None:
    device = choose_device(options.device)
    train = split_of(folder, count, round(options.image_size * 1.2), device)
    runs = {"bare": bare(net, options, train), "toonsift": ours(net, options, train, folder.parent)}
    if with_peer:
        plain = plain_hill() if net == "hill" else resnet18(CLASSES, options)
        runs["peer"] = peer(plain.to(device), options, train, folder)
        runs["peer, our net"] = peer(fresh(net, options, train), options, train, folder)
    with reproducible(device, options):
        for run in runs.values():
            run()
        found = {name: [] for name in runs}  # type: dict[str, list[float]]
        for _ in range(repeats):
            for name, run in runs.items():
                if with_peer:
                    run()  # the one before left the allocator in another state, which this one would pay for
                found[name].append(seconds_of(run, device))
    least = {name: min(times) / len(train) for name, times in found.items()}
    what = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"{net} at {options.image_size}, batches of {options.batch_size}, {len(train)} images, {what}")
    for name, each in least.items():
        print(f"  {name:14} {1e3 * each:8.3f} ms an image {1 / each:9.0f} images/s {each / least['bare']:6.3f} x bare")
    if with_peer:
        print(f"  toonsift trains {least['peer'] / least['toonsift']:.2f} times the peer's images per second")
    if device.type == "cuda":
        share = flops_of(net, options, train) / least["toonsift"] / (H200_BF16_TFLOPS * 1e12)
        print(f"  {100 * share:.1f} % of the dense bf16 peak of an H200 ({H200_BF16_TFLOPS:.0f} TFLOP/s)")


def flops_of(net: str, options: TrainOptions, train: Split) -> float:
    """Floating point operations of one image, forward and backward."""
    from torch.utils.flop_counter import FlopCounterMode

    module, size = fresh(net, options, train), options.image_size
    with FlopCounterMode(display=False) as counter:
        torch.autograd.backward(module(torch.zeros(2, 3, size, size, device=train.labels.device)).sum())
    return counter.get_total_flops() / 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--nets", nargs="+", choices=("hill", "resnet18"), default=("hill", "resnet18"))
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    nets.NETS.setdefault("resnet18", resnet18)
    cuda = torch.cuda.is_available()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "images"
        pictures(16_384 if cuda else max(256, chosen.images), folder)
        hill = TrainOptions(device="cpu").resolved()
        large = TrainOptions(device="cpu", image_size=128, optimizer="sgd").resolved()
        if "hill" in chosen.nets:
            compare("hill", hill, chosen.images, folder, chosen.repeats, True)
        if "resnet18" in chosen.nets:
            compare("resnet18", large, max(256, chosen.images // 2), folder, max(2, chosen.repeats // 2), False)
        if cuda:
            for net, options in (("hill", hill), ("resnet18", large)):
                fast = replace(options, device="cuda", amp=True, deterministic=False, batch_size=1024)
                compare(net, fast, 16_384, folder, chosen.repeats, True)


if __name__ == "__main__":
    main()
