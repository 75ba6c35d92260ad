"""What a run tells apart, worked out from a dataset's rows alone: no images, no torch."""

from collections import Counter

from pipeline.core.errors import DatasetError
from pipeline.core.manifest import SPLITS, Dataset, Example
from train.options import TrainOptions


def source_of(example: Example) -> str:
    """The shot, or for pictures that come from no episode the picture itself: what may not be parted."""
    return example.shot or example.sha256


def classes_of(dataset: Dataset, options: TrainOptions) -> tuple[str, ...]:
    """The classes, in the order of a model's outputs. Looks at the rows alone, not at the images.

    Raises:
        DatasetError: a split that is needed is empty, there is one class alone, a class has no training example,
            or characters are asked for and some example has none.
    """
    where = f"{dataset.manifest.name}@{dataset.manifest.version}"
    counts = {split: Counter[str]() for split in SPLITS}
    for example in dataset.examples:
        if example.split not in counts or example.label not in dataset.manifest.classes:
            raise DatasetError(
                f"{where}: example {example.id} has split {example.split!r} and label {example.label!r}, "
                "which its manifest does not know; export the dataset again"
            )
        counts[example.split][class_of(example, example.label, options)] += 1
    for split in ("train", "test"):
        if not counts[split]:
            raise DatasetError(
                f"{where} has no {split} examples; export it with a share of them: "
                f"`toonsift export {dataset.manifest.name} --split 0.8,0.1,0.1`"
            )
    classes = dataset.manifest.classes
    if options.target == "character_emotion":
        classes = tuple(sorted(set().union(*counts.values())))
    if len(classes) < 2:
        raise DatasetError(
            f"{where} has one class alone, {', '.join(classes)}; there is nothing to tell apart: label a second one"
        )
    absent = [name for name in classes if not counts["train"][name]]
    if absent:
        found = ", ".join(f"{counts[split][absent[0]]} in {split}" for split in SPLITS)
        raise DatasetError(
            f"{where}: class {absent[0]!r} has no training example ({found}), so it cannot be learned; "
            "label more of it and export again, or export without it"
            + (f" (likewise {', '.join(absent[1:])})" if absent[1:] else "")
        )
    return classes


def class_of(example: Example, emotion: str, options: TrainOptions) -> str:
    """The class of an example with that emotion. Raises DatasetError when its character is asked for and unknown."""
    if options.target == "emotion":
        return emotion
    if not example.character:
        raise DatasetError(
            f"example {example.id} ({example.file}) has no character, and target=character_emotion needs one: "
            "label the characters and export again, or train with --set target=emotion"
        )
    return f"{example.character}/{emotion}"
