"""Every recipe beside `best` at the same cost: one table of `toonsift compare` on a small, leak-free dataset version.

    python -m benchmarks.recipes_table DATASET [--workspace DIR] [--budget 20] [--seeds 5] [--recipes all] [--largest-image 128]

DATASET is the folder of a version, such as W/datasets/demo/0001 after `toonsift --workspace W demo`. So that large nets come to
an epoch within the budget on a CPU, the first crop of each shot alone is trained on and validated with, the first two are tested
on, and no recipe sees larger pictures than `best` does (--largest-image 0: each its own). What is left is written as a version
of its own, whose runs the published studies then share: `toonsift --workspace DIR compare
DIR/datasets/NAME-thin/0001 --study wang --budget 20 --largest-image 128` trains nothing again. Killed, the same call goes on.
Set OMP_NUM_THREADS=1: then CPU seconds are those of the work, not of threads that wait for one another.
"""

import argparse
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

from pipeline.cli import main as toonsift
from pipeline.core.manifest import Dataset, Example, content_digest, counts_of, read_dataset, write_rows

PER_SHOT = {"train": 1, "val": 1, "test": 2}
"""crops of a shot are nearly one picture, so that few are lost with the others"""


def thinned(dataset: Dataset) -> list[Example]:
    """The first examples of each shot by time, as many as PER_SHOT says."""
    taken: Counter[str] = Counter()
    kept = []
    for example in sorted(dataset.examples, key=lambda e: (e.episode, e.pts, e.id)):
        taken[example.shot] += 1
        if taken[example.shot] <= PER_SHOT[example.split]:
            kept.append(example)
    return sorted(kept, key=lambda e: e.id)


def written(dataset: Dataset, examples: list[Example], folder: Path, options: dict[str, object]) -> None:
    """The examples as a dataset version of its own, their pictures copied."""
    said = dataset.manifest
    name, options = f"{said.name}-thin", said.options | options
    for example in examples:
        target = folder / example.file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(dataset.image_path(example), target)
    manifest = replace(
        said,
        name=name,
        parent="",
        options=options,
        counts=counts_of(said.classes, examples),
        digest=content_digest(name, said.classes, options, examples),
    )
    write_rows(folder, manifest, examples)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--workspace", type=Path, default=Path("data"))
    parser.add_argument("--budget", type=float, default=20.0)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--recipes", default="all")
    parser.add_argument("--largest-image", type=int, default=128)
    given = parser.parse_args()
    dataset = read_dataset(given.dataset)
    folder = given.workspace / "datasets" / f"{dataset.manifest.name}-thin" / "0001"
    if not (folder / "manifest.json").exists():
        written(dataset, thinned(dataset), folder, {"crops_per_shot": PER_SHOT})
    words = ["--workspace", str(given.workspace), "compare", str(folder), "--recipes", given.recipes]
    words += ["--largest-image", str(given.largest_image)] if given.largest_image else []
    toonsift([*words, "--seeds", str(given.seeds), "--budget", str(given.budget), "--device", "cpu"])


if __name__ == "__main__":
    main()
