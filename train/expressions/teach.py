"""Teaches the body of `best` to read drawn expressions, from faces that are drawn for it.

    python -m train.expressions.teach [--pictures 64000] [--epochs 3] [--keep FOLDER] [--out FILE]

The upper five blocks of ImageNet's EfficientNet-Lite0 learn to name the emotion of a drawn face and to measure what it does
(brows, lids, mouth), whoever's it is and however it was filmed: synthetic faces with known truth in place of labels that nobody
has (as Wood et al. 2021 did for people's faces). The lower blocks stay as they are, so each picture passes through them
once; what they see is kept in FOLDER, and a call that was stopped goes on from there. Then the file that `best` begins with is
written anew: what was added to ImageNet's weights. On two cores it takes about 40 minutes.
"""

import argparse
import math
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.files import digest_of, write_bytes
from train.best.backbone import packaged_weights
from train.best.net import FEATURES, BestNet
from train.best.tuning import FROZEN_BLOCKS
from train.expressions import canvas, characters, faces, looks, scenes
from train.expressions.looks import EMOTIONS, MEASURED
from train.expressions.scenes import expression
from train.expressions.taught import WEIGHTS
from train.options import TrainOptions

SIDE = 128
"""pixels of a picture, as the recipe `best` has them"""
SHARD, HELD_OUT = 2000, 2000
"""pictures of a file, and those that nothing is learned from"""
BATCH, BODY_RATE, HEAD_RATE, WEIGHT_DECAY, WARM_UP_STEPS = 64, 5e-4, 1e-3, 0.02, 200
SPREAD, DROPOUT, SMOOTHING, LARGEST_GRADIENT = 0.1, 0.2, 0.05, 1.0
BETA, MEASURING = 0.3, 3.0
"""where the error of a measure turns from squared to plain, and what all of them weigh beside the emotion"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is learned from."""

    maps: Tensor
    """(N, C, H, W) float16: what the lower blocks see"""
    emotions: Tensor
    """(N,), -1 where it is none in particular"""
    measures: Tensor
    """(N, 8)"""
    visible: Tensor
    """(N, 8)"""


@cache
def _lower() -> BestNet:
    torch.set_num_threads(1)
    net = BestNet(2, TrainOptions())
    net.body.load_state_dict(packaged_weights())
    return net.eval()


def drawn_by() -> str:
    """Eight digits that change with the code that draws: what another drew is not learned from."""
    files = (canvas, characters, faces, looks, scenes)
    return digest_of([SIDE, *(Path(str(module.__file__)).read_text() for module in files)])[:8]


def see(first: int, path: Path) -> Path:
    """Draws SHARD pictures from number `first` on and writes what the lower blocks see."""
    drawn = [expression(number, SIDE) for number in range(first, first + SHARD)]
    maps = []
    with torch.inference_mode():
        for begin in range(0, SHARD, BATCH):
            pictures = np.stack([one.picture for one in drawn[begin : begin + BATCH]])
            images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
            maps.append(_lower().body.lower(images, FROZEN_BLOCKS).half().numpy())
    unfinished = path.with_suffix(".unfinished.npz")
    np.savez(
        unfinished,
        maps=np.concatenate(maps),
        emotions=np.array([one.emotion for one in drawn]),
        measures=np.stack([one.measures for one in drawn]),
        visible=np.stack([one.visible for one in drawn]),
    )
    unfinished.rename(path)
    return path


def seen(folder: Path, pictures: int) -> Seen:
    """All pictures, drawn on every core."""
    shards = math.ceil(pictures / SHARD)
    paths = [folder / f"{drawn_by()}-{number:04d}.npz" for number in range(shards)]
    missing = [(number * SHARD, path) for number, path in enumerate(paths) if not path.exists()]
    started = time.monotonic()
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as workers:
        for done, path in enumerate(workers.map(see, *zip(*missing, strict=True)) if missing else (), start=1):
            left = (time.monotonic() - started) / done * (len(missing) - done)
            print(f"{path.name}: {done * SHARD} of {len(missing) * SHARD} pictures, {left:.0f} s left", flush=True)
    parts: dict[str, list[Tensor]] = {"maps": [], "emotions": [], "measures": [], "visible": []}
    for path in paths:
        with np.load(path, allow_pickle=False) as stored:
            for name, of in parts.items():
                of.append(torch.from_numpy(stored[name]))
    return Seen(**{name: torch.cat(of) for name, of in parts.items()})


class Learner(nn.Module):
    """The features of `best` and one linear head over them: the emotion, then the measures."""

    def __init__(self) -> None:
        super().__init__()
        self.net = BestNet(2, TrainOptions())
        self.net.body.load_state_dict(packaged_weights())
        self.spread = nn.BatchNorm1d(FEATURES, affine=False)
        self.head = nn.Linear(FEATURES, len(EMOTIONS) + len(MEASURED))
        nn.init.zeros_(self.head.weight)
        self.blocks = self.net.body.blocks[FROZEN_BLOCKS:]
        for weight in self.blocks.parameters():
            weight.requires_grad_(True)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 10) scores of emotions and (N, 8) measures."""
        looked = maps.float().contiguous(memory_format=torch.channels_last)
        features = self.net.parts(self.net.body.upper(looked, FROZEN_BLOCKS))
        found = self.head(functional.dropout(self.spread(features) * SPREAD, DROPOUT, self.training))
        return found[:, : len(EMOTIONS)], found[:, len(EMOTIONS) :]


def learn(examples: Seen, epochs: int) -> Learner:
    """The same learner for the same faces, but for the rounding of another machine."""
    torch.manual_seed(0)
    learner = Learner().to(memory_format=torch.channels_last)
    body, head = list(learner.blocks.parameters()), list(learner.head.parameters())
    optimizer = torch.optim.AdamW(
        [{"params": body, "most": BODY_RATE}, {"params": head, "most": HEAD_RATE}], weight_decay=WEIGHT_DECAY
    )
    count = len(examples.maps) - HELD_OUT
    steps, step, started = epochs * (count // BATCH), 0, time.monotonic()
    for epoch in range(1, epochs + 1):
        learner.train()
        total = 0.0
        for rows in _batches(count):
            step += 1
            loss = loss_of(learner, examples, rows)
            for group in optimizer.param_groups:
                pace = min(1.0, step / WARM_UP_STEPS) * 0.5 * (1 + math.cos(math.pi * step / steps))
                group["lr"] = group["most"] * pace
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(body, LARGEST_GRADIENT)
            optimizer.step()
            total += loss.item()
        left = (time.monotonic() - started) / epoch * (epochs - epoch)
        print(
            f"epoch {epoch}: loss {total / (count // BATCH):.3f}; held out {judged(learner, examples)}; {left:.0f} s left",
            flush=True,
        )
    return learner.eval()


def loss_of(learner: Learner, examples: Seen, rows: Tensor) -> Tensor:
    """Cross-entropy of the emotion, and the measures' distance where they show."""
    scores, measures = learner(examples.maps[rows])
    named = functional.cross_entropy(scores, examples.emotions[rows], ignore_index=-1, label_smoothing=SMOOTHING)
    off = functional.smooth_l1_loss(measures, examples.measures[rows], reduction="none", beta=BETA)
    return named + MEASURING * (off * examples.visible[rows]).mean()


def judged(learner: Learner, examples: Seen) -> str:
    """Accuracy, and the share of each measure's variance that is explained, on the held-out pictures."""
    learner.eval()
    rows = torch.arange(len(examples.maps) - HELD_OUT, len(examples.maps))
    with torch.no_grad():
        both = [learner(examples.maps[part]) for part in torch.split(rows, BATCH)]
    scores, measures = (torch.cat(of) for of in zip(*both, strict=True))
    named = examples.emotions[rows] >= 0
    right = (scores.argmax(dim=1) == examples.emotions[rows])[named].float().mean().item()
    truth, shown = examples.measures[rows], examples.visible[rows]
    off = ((measures - truth) ** 2 * shown).sum(dim=0)
    explained = 1 - off / ((truth - truth.mean(dim=0)) ** 2 * shown).sum(dim=0)
    listed = ", ".join(f"{name} {share:.2f}" for name, share in zip(MEASURED, explained.tolist(), strict=True))
    return f"{right:.3f} of {len(EMOTIONS)} emotions right; explained of {listed}"


def _batches(count: int) -> Iterator[Tensor]:
    order = torch.randperm(count)
    return iter(torch.split(order[: count // BATCH * BATCH], BATCH))


def main() -> None:
    from safetensors.torch import save

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=64000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="what was seen stays there")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        examples = seen(folder, arguments.pictures + HELD_OUT)
        learner = learn(examples, arguments.epochs)
    before = packaged_weights()
    upper = {f"blocks.{name}": tensor.detach() for name, tensor in learner.blocks.state_dict().items()}
    taught = {name: (tensor - before[name]).half().contiguous() for name, tensor in upper.items()}
    told = {"pictures": str(arguments.pictures), "epochs": str(arguments.epochs), "judged": judged(learner, examples)}
    write_bytes(arguments.out, save(taught, metadata=told))
    print(arguments.out)


if __name__ == "__main__":
    main()
