"""The named ways to train: a net and its options. Each repeats a published study or a part of one."""

import difflib
from dataclasses import dataclass, replace

from pipeline.core.errors import UsageError
from train.options import TrainOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One way to train."""

    name: str
    """what `--recipe` calls it"""
    summary: str
    """a line for `train --list`"""
    source: str
    """the paper or study it repeats"""
    net: str
    """a name in train.models.NETS"""
    options: TrainOptions
    """what `--set` starts from"""


HILL = Recipe(
    name="hill",
    summary="three convolutions from scratch, 60x60, Adadelta",
    source="Hill 2017, Deep Learning for Emotion Recognition in Cartoons",
    net="hill",
    options=TrainOptions(image_size=60, epochs=50, batch_size=32, optimizer="adadelta", dropout=0.5),
)

BEST = Recipe(
    name="best",
    summary="ImageNet features of the face and its parts at 128 pixels, and a linear head: for small, uneven sets",
    source="Tan & Le 2019 (EfficientNet-Lite0); its features, the head and what chooses its penalty: train/best",
    net="best",
    options=TrainOptions(image_size=128, epochs=1, batch_size=64, dropout=0.0),
)

RECIPES = (
    HILL,
    replace(HILL, name="hill-adadelta", summary="hill, by name for the comparison of its five optimisers"),
    replace(HILL, name="hill-adagrad", summary="hill with Adagrad", options=replace(HILL.options, optimizer="adagrad")),
    replace(HILL, name="hill-adam", summary="hill with Adam", options=replace(HILL.options, optimizer="adam")),
    replace(HILL, name="hill-rmsprop", summary="hill with RMSprop", options=replace(HILL.options, optimizer="rmsprop")),
    replace(HILL, name="hill-sgd", summary="hill with SGD", options=replace(HILL.options, optimizer="sgd")),
    BEST,
)
"""in the order that `train --list` shows"""


def find_recipe(name: str) -> Recipe:
    """The recipe of that name. Raises UsageError that lists the known ones."""
    known = {recipe.name: recipe for recipe in RECIPES}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"there is no recipe {name!r}; {hint}known are {', '.join(known)}")
    return known[name]
