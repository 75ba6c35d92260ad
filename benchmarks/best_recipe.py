"""Macro-F1 of `best` and other recipes on small, uneven sets of drawn faces, tested on shots that training has not seen.

    python -m benchmarks.best_recipe [--recipes best hill] [--styles adventurer ...] [--seeds 2] [--shots 50]

A set is like the crops of one film: two to four characters of one style, four or five emotions (the most frequent 37 %),
three crops from each of 50 shots to train on and one from each of 60 other shots to test on. Every shot has its own place,
light, colours, blur and codec; four looks in ten are met in the test shots alone. Printed per recipe: the mean over the sets
with its 95 % interval, and the mean difference to the first recipe, set by set.
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
from numpy.typing import NDArray

from benchmarks.drawn_expressions import draw_face, looks_of
from benchmarks.expressive_styles import STYLES, Expressive
from benchmarks.staging import RGB, jittered, staged
from pipeline.core.images import encode_png
from pipeline.core.manifest import Dataset, Example, Manifest, content_digest, read_dataset, write_rows
from pipeline.core.records import Box
from train.loop import train
from train.recipes import find_recipe
from train.runs import Summary, plan

SIDE, CROPS_PER_SHOT, TEST_SHOTS = 128, 3, 60
SHARES = (0.37, 0.25, 0.20, 0.18, 0.12)
"""of the emotions, before they are made to sum to 1"""
UNSEEN = 0.4
"""share of the looks that the test shots alone show"""


@dataclass(frozen=True, slots=True)
class Crop:
    """A picture of a set."""

    picture: RGB
    emotion: str
    shot: str
    split: str
    character: str


def film(expressive: Expressive, seed: int, shots: int) -> Iterator[Crop]:
    """The crops of one set."""
    chance = np.random.default_rng([seed, *expressive.style.encode()])
    looks = looks_of(expressive)
    characters = chance.integers(1_000_000, size=int(chance.integers(2, 5))).tolist()
    emotions = [str(name) for name in chance.permutation(sorted(looks))[: int(chance.integers(4, 6))]]
    shares = np.array(SHARES[: len(emotions)]) / sum(SHARES[: len(emotions)])
    unseen = {look for name in emotions for look in looks[name][1:] if chance.random() < UNSEEN}
    for split, count, crops in (("train", shots, CROPS_PER_SHOT), ("test", TEST_SHOTS, 1)):
        for number in range(count):
            every = number < 2 * len(emotions)  # no class may be absent
            emotion = emotions[number % len(emotions)] if every else str(chance.choice(emotions, p=shares))
            choice = [look for look in looks[emotion] if split == "test" or look not in unseen]
            character = int(chance.choice(characters))
            face = draw_face(expressive, choice[int(chance.integers(len(choice)))], character)
            scene = staged(face, SIDE, chance)
            for _ in range(crops):
                yield Crop(jittered(scene, chance), emotion, f"{split}{number:03d}", split, str(character))


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
    recipe = find_recipe(recipe_name)
    options = recipe.options.with_settings([f"seed={seed}", "device=cpu"])
    return train(dataset, plan(dataset, recipe, options), runs)


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
    arguments = parser.parse_args()
    scores: dict[str, list[float]] = {name: [] for name in (*arguments.recipes, "majority")}
    for expressive in STYLES:
        for seed in range(arguments.seeds if expressive.style in arguments.styles else 0):
            with tempfile.TemporaryDirectory() as folder:
                name = f"{expressive.style}-{seed}"
                dataset = written(Path(folder) / "set", name, list(film(expressive, seed, arguments.shots)))
                for recipe in arguments.recipes:
                    summary = trained(dataset, recipe, seed, Path(folder) / "runs")
                    scores[recipe].append(summary.test.macro_f1)
                scores["majority"].append(summary.baselines["majority"].macro_f1)
            print(name, " ".join(f"{key} {values[-1]:.3f}" for key, values in scores.items()), flush=True)
    first = np.array(scores[arguments.recipes[0]])
    for key, values in scores.items():
        print(f"{key:24s} {interval(np.array(values))}   {arguments.recipes[0]} less it {interval(first - values)}")


if __name__ == "__main__":
    main()
