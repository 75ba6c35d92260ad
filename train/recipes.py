"""The named ways to train: a net and its options. Each repeats a published study or a part of one."""

import difflib
from dataclasses import dataclass, replace
from typing import Literal

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


HILL_2017 = "Hill 2017 (Tom & Jerry)"
"""Deep Learning for Emotion Recognition in Cartoons"""
SHIFT = "ResNet-18 from real to drawn faces"
"""a German student project: eight classes of real faces, tested on comic scenes"""
WANG_ZHANG = "Wang & Zhang (FERG, manga)"
"""Detecting cartoon characters' emotions using transfer learning"""
ABANOZ_CATALTEPE = "Abanoz & Cataltepe (FER2013)"
"""Emotion recognition on still images with transfer and ensemble learning"""
LITE = "Tan & Le 2019 (EfficientNet)"
"""its Lite0 of 2020, retrained as Abanoz & Cataltepe do"""

HILL = Recipe(
    name="hill",
    summary="three convolutions from scratch, 60x60, Adadelta",
    source=HILL_2017,
    net="hill",
    options=TrainOptions(image_size=60, epochs=50, batch_size=32, optimizer="adadelta", dropout=0.5),
)

RESNET18_SGD = Recipe(
    name="resnet18-bce-sgd",
    summary="ResNet-18 of ImageNet, a sigmoid per class, plain SGD: their baseline A",
    source=SHIFT,
    net="resnet18",
    options=TrainOptions(
        image_size=224, epochs=40, batch_size=124, optimizer="sgd", learning_rate=0.01, momentum=0.0,
        loss="bce", weights="imagenet", augment=False,
    ),
)  # fmt: skip
RESNET18_ADAM = Recipe(
    name="resnet18-bce-adam-aug",
    summary="the same with Adam and strong augmentation: their baseline B",
    source=SHIFT,
    net="resnet18",
    options=TrainOptions(
        image_size=224, epochs=40, batch_size=32, optimizer="adam", learning_rate=0.001,
        loss="bce", weights="imagenet", mirror=0.0, vertical_flip=0.5, shift=0.0, scale=0.0, rotation_degrees=45.0,
        crop=0.2, brightness=0.2, contrast=0.0, colour=0.0, erasing=0.5,
    ),
)  # fmt: skip

VANILLA = Recipe(
    name="vanilla",
    summary="four convolutions from scratch, ReLU, Adam",
    source=WANG_ZHANG,
    net="vanilla",
    options=TrainOptions(image_size=64, epochs=50, batch_size=32, optimizer="adam", dropout=0.5, patience=10),
)
RESNET50 = Recipe(
    name="resnet50-dense",
    summary="ResNet-50 of ImageNet, body frozen at first, one dense layer, a sigmoid per class",
    source=WANG_ZHANG,
    net="resnet50",
    options=TrainOptions(
        image_size=224, epochs=30, batch_size=32, optimizer="adam", loss="bce", weights="imagenet",
        frozen_epochs=10, backbone_rate=0.05, patience=10,
    ),
)  # fmt: skip
GOOGLENET = Recipe(
    name="googlenet",
    summary="GoogLeNet from scratch, 6.0 million weights",
    source=WANG_ZHANG,
    net="googlenet",
    options=TrainOptions(
        image_size=224, epochs=50, batch_size=32, optimizer="adam", learning_rate=0.0003, dropout=0.4
    ),
)  # fmt: skip

TRANSFER = Recipe(
    name="transfer-resnet50",
    summary="ResNet-50 of ImageNet: the head first, then all of it",
    source=ABANOZ_CATALTEPE,
    net="resnet50",
    options=TrainOptions(
        image_size=224, epochs=30, batch_size=32, optimizer="adam", weights="imagenet",
        frozen_epochs=10, backbone_rate=0.05,
    ),
)  # fmt: skip
TRANSFER_LITE0 = replace(
    TRANSFER,
    name="transfer-efficientnet-lite0",
    summary="EfficientNet-Lite0 of ImageNet, whose weights come with the installation",
    source=LITE,
    net="efficientnet-lite0",
    options=replace(TRANSFER.options, image_size=128, backbone_rate=0.2),
)
ENSEMBLE = replace(
    TRANSFER_LITE0,
    name="ensemble-1vsall",
    summary="a base net, an expert per class, a net with two hidden layers on their votes out of fold",
    source=ABANOZ_CATALTEPE,
    net="ensemble-efficientnet-lite0",
)


def _hill(optimizer: Literal["adadelta", "adagrad", "adam", "rmsprop", "sgd"], summary: str) -> Recipe:
    return replace(
        HILL, name=f"hill-{optimizer}", summary=summary, options=replace(HILL.options, optimizer=optimizer)
    )  # fmt: skip


BEST = Recipe(
    name="best",
    summary="EfficientNet-Lite0 that knows drawn expressions, on nine parts of the face, tuned: for small, uneven sets",
    source=f"{LITE}; what it was taught before: train/expressions; what is seen of it, and how it is tuned: train/best",
    net="best",
    options=TrainOptions(image_size=128, epochs=1, batch_size=64, dropout=0.0, weights="expressions"),
)

RECIPES = (
    HILL,
    _hill("adadelta", "hill, by name for the comparison of its five optimisers"),
    _hill("adagrad", "hill with Adagrad"),
    _hill("adam", "hill with Adam"),
    _hill("rmsprop", "hill with RMSprop"),
    _hill("sgd", "hill with SGD"),
    RESNET18_SGD,
    RESNET18_ADAM,
    VANILLA,
    replace(VANILLA, name="vanilla-leaky", summary="vanilla with leaky ReLU", net="vanilla-leaky"),
    replace(VANILLA, name="vanilla-leaky-bn", summary="vanilla-leaky with batch norm", net="vanilla-leaky-bn"),
    RESNET50,
    replace(
        RESNET50,
        name="resnet50-2x64",
        summary="the same body, two dense layers of 64 with leaky ReLU, softmax",
        net="resnet50-2x64",
        options=replace(RESNET50.options, loss="cross_entropy"),
    ),
    GOOGLENET,
    replace(
        GOOGLENET,
        name="googlenet-earlystop",
        summary="googlenet that stops after 8 epochs without a better validation macro-F1",
        options=replace(GOOGLENET.options, patience=8),
    ),
    replace(
        GOOGLENET,
        name="googlenet-l2",
        summary="googlenet with an L2 penalty on its weights",
        options=replace(GOOGLENET.options, weight_decay=0.0005),
    ),
    replace(
        GOOGLENET,
        name="googlenet-bn-2x64",
        summary="googlenet with batch norm and two dense layers of 64",
        net="googlenet-bn-2x64",
    ),
    replace(
        GOOGLENET,
        name="googlenet-deep",
        summary="googlenet with one more Inception in blocks 3 and 5, 7.2 million weights",
        net="googlenet-deep",
    ),
    replace(
        TRANSFER,
        name="transfer-inception",
        summary="Inception v3 of ImageNet: the head first, then all of it",
        net="inception",
        options=replace(TRANSFER.options, image_size=299),
    ),
    TRANSFER,
    replace(
        TRANSFER,
        name="transfer-vgg16",
        summary="VGG16 of ImageNet, new head FC 1024 - FC 1024 - classes",
        net="vgg16",
        options=replace(TRANSFER.options, learning_rate=0.0002),
    ),
    replace(
        TRANSFER,
        name="transfer-vggface",
        summary="the same net with VGGFace's weights from --weights FILE",
        net="vggface",
        options=replace(TRANSFER.options, learning_rate=0.0002, weights="vggface"),
    ),
    TRANSFER_LITE0,
    ENSEMBLE,
    replace(
        ENSEMBLE,
        name="ensemble-1vsall-vggface",
        summary="ensemble-1vsall of the net that the study used; for a GPU",
        net="ensemble-vggface",
        options=replace(TRANSFER.options, learning_rate=0.0002, weights="vggface"),
    ),
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
