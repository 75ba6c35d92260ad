"""The four studies: which recipes each compares, and the figures it reported.

Their figures are context, not targets: other data, other splits, and two of the studies had neighbouring frames on both
sides of the split.
"""

import difflib
from dataclasses import dataclass

from pipeline.core.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A line of a study's own table."""

    recipe: str
    """what it is called here"""
    figures: str
    """as the study gives them"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A published comparison."""

    name: str
    """what `--study` calls it"""
    source: str
    """authors and title"""
    recipes: tuple[str, ...]
    """in the study's order"""
    seeds: int
    """runs of each; what the study did, or enough for an interval"""
    data: str
    """what it was done on"""
    reported: tuple[Reported, ...]
    """the study's own figures"""


STUDIES = (
    Study(
        name="hill",
        source="Hill 2017, Deep Learning for Emotion Recognition in Cartoons",
        recipes=("hill-adadelta", "hill-adagrad", "hill-adam", "hill-rmsprop", "hill-sgd"),
        seeds=5,
        data="Tom & Jerry, 3 emotions x 2 characters, frames split 80 to 20 at random",
        reported=(
            Reported(recipe="hill-adadelta", figures="accuracy about .80"),
            Reported(recipe="hill-adagrad", figures="slightly under-fits"),
            Reported(recipe="hill-adam", figures="comparable, under-fits in some runs"),
            Reported(recipe="hill-rmsprop", figures="over-fits"),
            Reported(recipe="hill-sgd", figures="accuracy about .80"),
        ),
    ),
    Study(
        name="transfer",
        source="a student project on transfer from real to drawn faces",
        recipes=("resnet18-bce-sgd", "resnet18-bce-adam-aug"),
        seeds=5,
        data="5,559 photographs of 8 uneven classes, tested on comic scenes (see `toonsift shift`)",
        reported=(
            Reported(recipe="resnet18-bce-sgd", figures="calls nearly everything happiness, the largest class"),
            Reported(recipe="resnet18-bce-adam-aug", figures="outputs hardly differ between images: the class priors"),
        ),
    ),
    Study(
        name="wang",
        source="Wang & Zhang, Detecting cartoon characters' emotions using transfer learning",
        recipes=(
            "vanilla", "vanilla-leaky", "vanilla-leaky-bn", "resnet50-dense", "resnet50-2x64", "googlenet",
            "googlenet-earlystop", "googlenet-l2", "googlenet-bn-2x64", "googlenet-deep",
        ),
        seeds=5,
        data="Manga Facial Expressions, 462 images, 7 classes: mean / best validation accuracy (/ prediction)",
        reported=(
            Reported(recipe="vanilla", figures=".32 / .38 (FERG .68 / .72)"),
            Reported(recipe="vanilla-leaky", figures=".32 / .41"),
            Reported(recipe="vanilla-leaky-bn", figures=".23 / .29"),
            Reported(recipe="resnet50-dense", figures=".34 / .42 / .31 (FERG .62 / .54)"),
            Reported(recipe="resnet50-2x64", figures=".36 / .38 / .47"),
            Reported(recipe="googlenet", figures=".33 / .47 (FERG .59 / .90)"),
            Reported(recipe="googlenet-earlystop", figures=".27 / .37"),
            Reported(recipe="googlenet-l2", figures=".30 / .56"),
            Reported(recipe="googlenet-bn-2x64", figures=".35 / .47 (FERG best .46)"),
            Reported(recipe="googlenet-deep", figures=".27 / .40"),
        ),
    ),
    Study(
        name="ensemble",
        source="Abanoz & Cataltepe, Emotion recognition on still images with transfer and ensemble learning",
        recipes=("transfer-inception", "transfer-resnet50", "transfer-vgg16", "transfer-vggface", "ensemble-1vsall"),
        seeds=5,
        data="FER2013, 7 classes: validation accuracy / precision / recall",
        reported=(
            Reported(recipe="transfer-inception", figures=".567 / .725 / .722"),
            Reported(recipe="transfer-resnet50", figures=".612 / .765 / .753"),
            Reported(recipe="transfer-vgg16", figures=".646 / .814 / .759"),
            Reported(recipe="transfer-vggface", figures=".678 / .809 / .807"),
            Reported(recipe="ensemble-1vsall", figures=".683 / .810 / .814"),
        ),
    ),
)  # fmt: skip


def find_study(name: str) -> Study:
    """The study of that name. Raises UsageError that lists the known ones."""
    known = {study.name: study for study in STUDIES}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"there is no study {name!r}; {hint}known are {', '.join(known)}")
    return known[name]
