"""Macro-F1 of `best` and other recipes on small, uneven sets of drawn faces, tested on shots that training has not seen.

    python -m benchmarks.best_recipe [--recipes best hill] [--styles adventurer ...] [--seeds 2] [--shots 50] [--filmed]

A set is like the crops of one film: two to four characters of one style, four or five emotions (the most frequent 37 %),
three crops from each of 50 shots to train on and one from each of 60 other shots to test on. Every shot has its own place,
light, colours, blur and codec; four looks in ten are met in the test shots alone. With --filmed a set is of one film stock: grain,
gate weave, dust, a codec's blocks, half of them grey, faces of 26 to 120 pixels in boxes placed as loosely as a cascade's. Printed per
recipe: the mean over the sets with its 95 % interval, and the mean difference to the first recipe, set by set. Beside the recipes
may stand `anchor`: logistic regression on what the top layer of ImageNet's EfficientNet-Lite0 sees, nothing of it trained; and
`untaught`: `best` that begins with ImageNet's weights alone, without what train.expressions taught them.
"""

import argparse
import hashlib
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.drawn_expressions import draw_face, looks_of
from benchmarks.expressive_styles import STYLES, Expressive
from benchmarks.filmed import Stock, cut_out, frame_of, scene_of, stock_of
from benchmarks.staging import RGB, jittered, staged
from pipeline.core.images import encode_png
from pipeline.core.manifest import Dataset, Example, Manifest, content_digest, read_dataset, write_rows
from pipeline.core.places import Box
from pipeline.core.progress import Silent
from train.examples import read_images
from train.loop import train
from train.metrics import confusion_of, macro_f1_of
from train.models import build_net
from train.options import TrainOptions
from train.predict import class_scores
from train.recipes import find_recipe
from train.runs import Summary, plan
from train.weights import begin

SIDE, CROPS_PER_SHOT, TEST_SHOTS = 128, 3, 60
SHARES = (0.37, 0.25, 0.20, 0.18, 0.12)
"""of the emotions, before they are made to sum to 1"""
UNSEEN = 0.4
"""share of the looks that the test shots alone show"""
ANCHOR, MAJORITY, UNTAUGHT = "anchor", "majority", "untaught"
"""what may stand beside recipes"""


@dataclass(frozen=True, slots=True)
class Crop:
    """A picture of a set."""

    picture: RGB
    emotion: str
    shot: str
    split: str
    character: str


def film(expressive: Expressive, seed: int, shots: int, *, filmed: bool = False) -> Iterator[Crop]:
    """The crops of one set."""
    chance = np.random.default_rng([seed, *expressive.style.encode()])
    looks = looks_of(expressive)
    characters = chance.integers(1_000_000, size=int(chance.integers(2, 5))).tolist()
    emotions = [str(name) for name in chance.permutation(sorted(looks))[: int(chance.integers(4, 6))]]
    shares = np.array(SHARES[: len(emotions)]) / sum(SHARES[: len(emotions)])
    unseen = {look for name in emotions for look in looks[name][1:] if chance.random() < UNSEEN}
    stock = stock_of(chance) if filmed else None
    for split, count, crops in (("train", shots, CROPS_PER_SHOT), ("test", TEST_SHOTS, 1)):
        for number in range(count):
            every = number < 2 * len(emotions)  # no class may be absent
            emotion = emotions[number % len(emotions)] if every else str(chance.choice(emotions, p=shares))
            choice = [look for look in looks[emotion] if split == "test" or look not in unseen]
            character = int(chance.choice(characters))
            face = draw_face(expressive, choice[int(chance.integers(len(choice)))], character)
            for picture in pictures_of(face, crops, stock, chance):
                yield Crop(picture, emotion, f"{split}{number:03d}", split, str(character))


def pictures_of(face_SS4: NDArray[np.uint8], count: int, stock: Stock | None, chance: np.random.Generator) -> list[RGB]:
    """So many crops of one shot with that face; without a film stock each shot has its own colours and codec."""
    if stock is None:
        scene = staged(face_SS4, SIDE, chance)
        return [jittered(scene, chance) for _ in range(count)]
    drawing = scene_of(face_SS4, stock, chance)
    return [cut_out(frame_of(drawing, stock, chance), chance) for _ in range(count)]


def written(folder: Path, name: str, crops: list[Crop]) -> Dataset:
    """The crops as a dataset version."""
    classes, examples = tuple(sorted({crop.emotion for crop in crops})), []
    for number, crop in enumerate(crops):
        content, file = encode_png(crop.picture), f"{number:05d}.png"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)
        examples.append(
            Example(
                id=f"{name}.{number:05d}", file=file, sha256=hashlib.sha256(content).hexdigest(), label=crop.emotion,
                soft_label=tuple(float(crop.emotion == other) for other in classes), split=crop.split,
                character=crop.character, episode=name, pts=number, time_base=Fraction(1, 25), shot=crop.shot,
                track=crop.shot, box=Box(left=0, top=0, right=SIDE, bottom=SIDE), cascade="", phash="0" * 16,
                annotators=1,
            )
        )  # fmt: skip
    manifest = Manifest(
        name=name, version=1, parent="", digest=content_digest(name, classes, {}, examples), classes=classes, counts={},
        options={}, code_version="", created="",
    )  # fmt: skip
    write_rows(folder, manifest, examples)
    return read_dataset(folder)


def trained(dataset: Dataset, recipe_name: str, seed: int, runs: Path) -> Summary:
    """One run of a recipe as it stands, on the CPU."""
    recipe = find_recipe("best" if recipe_name == UNTAUGHT else recipe_name)
    begins = ["weights=imagenet"] if recipe_name == UNTAUGHT else []
    options = recipe.options.with_settings([f"seed={seed}", "device=cpu", *begins])
    return train(dataset, plan(dataset, recipe, options), runs)


def anchored(dataset: Dataset) -> float:
    """Macro-F1 of the anchor."""
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

    net = build_net("efficientnet-lite0", 2, TrainOptions(), torch.zeros(3), torch.ones(3))
    begin(net, "efficientnet-lite0", "imagenet")
    net.get_submodule("net").head = nn.Identity()
    seen, labels = {}, {}
    for split in ("train", "test"):
        rows = [example for example in dataset.examples if example.split == split]
        seen[split] = class_scores(net, read_images(dataset, rows, SIDE, Silent())).numpy()
        labels[split] = np.array([dataset.manifest.classes.index(example.label) for example in rows])
    scaler = StandardScaler().fit(seen["train"])
    head = LogisticRegression(C=0.01, max_iter=5000, class_weight="balanced")
    found = head.fit(scaler.transform(seen["train"]), labels["train"]).predict(scaler.transform(seen["test"]))
    return macro_f1_of(confusion_of(labels["test"], found, len(dataset.manifest.classes)))


def macro_f1(dataset: Dataset, name: str, seed: int, runs: Path) -> float:
    """Of a recipe's run, of the anchor, or of always saying the most frequent class."""
    if name == MAJORITY:
        labels = [example.label for example in dataset.examples if example.split == "train"]
        truth = np.array([example.label for example in dataset.examples if example.split == "test"])
        classes = sorted(set(truth))
        often = max(classes, key=labels.count)
        right = float((truth == often).mean())
        return 2 * right / (1 + right) / len(classes)
    return anchored(dataset) if name == ANCHOR else trained(dataset, name, seed, runs).test.macro_f1


def interval(values: NDArray[np.float64]) -> str:
    """The mean and how far its 95 % interval reaches."""
    reach = 1.96 * values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{values.mean():+.3f} +- {reach:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", default=["best", "hill"])
    parser.add_argument("--styles", nargs="+", default=["adventurer", "big-ears", "critters", "toon-head", "fun-emoji"])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--shots", type=int, default=50)
    parser.add_argument("--filmed", action="store_true", help="as an old film shows them")
    arguments = parser.parse_args()
    scores: dict[str, list[float]] = {name: [] for name in (*arguments.recipes, MAJORITY)}
    for expressive in STYLES:
        for seed in range(arguments.seeds if expressive.style in arguments.styles else 0):
            with tempfile.TemporaryDirectory() as folder:
                name = f"{expressive.style}-{seed}"
                crops = film(expressive, seed, arguments.shots, filmed=arguments.filmed)
                dataset = written(Path(folder) / "set", name, list(crops))
                for recipe, found in scores.items():
                    found.append(macro_f1(dataset, recipe, seed, Path(folder) / "runs"))
            print(name, " ".join(f"{key} {values[-1]:.3f}" for key, values in scores.items()), flush=True)
    first = np.array(scores[arguments.recipes[0]])
    for key, values in scores.items():
        print(f"{key:24s} {interval(np.array(values))}   {arguments.recipes[0]} less it {interval(first - values)}")


if __name__ == "__main__":
    main()
