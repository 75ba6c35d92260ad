"""The study `shift` on two drawn styles: what is lost where the faces look different, and what brings some of it back.

    python -m benchmarks.domain_shift [--workspace DIR] [--recipe transfer-efficientnet-lite0] [--epochs 8] [--seeds 5] [--shots 30]

Source: three crops of each of so many shots in one style, the classes named as nouns and uneven (37 % the largest), a sixth of
the shots for validation; target: sixty shots in another style. Both are drawn with `benchmarks.best_recipe.film`, and no
picture, character or background is in both. Killed, the same call goes on.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from benchmarks.best_recipe import Crop, film, written
from benchmarks.expressive_styles import STYLES
from pipeline.cli import main as toonsift

NOUNS = {"afraid": "fear", "angry": "anger", "happy": "happiness", "neutral": "neutrality", "sad": "sadness",
         "surprised": "surprise"}  # fmt: skip
VALIDATED = 6
"""every so manieth shot of the source validates"""


def drawn(style: str, seed: int, shots: int) -> list[Crop]:
    """The crops of a set of that style; their shots are named after it."""
    found = film(next(one for one in STYLES if one.style == style), seed, shots)
    return [replace(crop, shot=f"{style}.{crop.shot}") for crop in found]


def as_source(crop: Crop) -> Crop:
    """The crop under its noun; every sixth training shot validates."""
    number = int(crop.shot.rpartition(crop.split)[2])
    split = "val" if crop.split == "train" and number % VALIDATED == VALIDATED - 1 else crop.split
    return replace(crop, emotion=NOUNS[crop.emotion], split=split)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path("data"))
    parser.add_argument("--source", default="micah")
    parser.add_argument("--target", default="toon-head")
    parser.add_argument("--recipe", default="transfer-efficientnet-lite0")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--shots", type=int, default=30)
    given = parser.parse_args()
    folders = [given.workspace / "datasets" / f"shift-{style}" / "0001" for style in (given.source, given.target)]
    crops = {given.source: [as_source(crop) for crop in drawn(given.source, 0, given.shots)]}
    crops[given.target] = [crop for crop in drawn(given.target, 1, given.shots) if crop.split == "test"]
    for (style, found), folder in zip(crops.items(), folders, strict=True):
        if not (folder / "manifest.json").exists():
            written(folder, style, found)
    emotions = [{crop.emotion for crop in found} for found in crops.values()]
    pairs = ",".join(f"{noun}={name}" for name, noun in NOUNS.items() if noun in emotions[0] and name in emotions[1])
    words = ["--workspace", str(given.workspace), "shift", *map(str, folders), "--recipe", given.recipe, "--map", pairs]
    words += ["--epochs", str(given.epochs), "--seeds", str(given.seeds), "--device", "cpu"]
    if given.recipe.startswith("transfer"):  # its own 10 epochs of short retraining would be all there are
        words += ["--set", "frozen_epochs=2", "--set", f"image_size={given.image_size}"]
    toonsift(words)


if __name__ == "__main__":
    main()
