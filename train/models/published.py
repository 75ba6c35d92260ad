"""The nets that torchvision has (ResNet, Inception v3, VGG16), their ImageNet heads replaced by the studies' own."""

import re

from torch import nn
from torchvision import models  # type: ignore[import-untyped]
from torchvision.models.vgg import cfgs, make_layers  # type: ignore[import-untyped]

from train.models.headed import (
    IMAGENET,
    Headed,
    Renaming,
    Statistics,
    kaiming,
    leaky_head,
    linear_head,
    wide_head,
    without_head,
)
from train.options import TrainOptions

RESNET18_FEATURES, RESNET50_FEATURES, INCEPTION_FEATURES = 512, 2048, 2048
VGG_FEATURES = 512 * 7 * 7
INCEPTION_SMALLEST, VGG_SMALLEST = 75, 32
INCEPTION_STATISTICS = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""torchvision turns its own normalisation into that of TensorFlow, where the weights come from"""
VGGFACE_STATISTICS = ((129.1863 / 255, 104.7624 / 255, 93.5940 / 255), (1 / 255, 1 / 255, 1 / 255))
"""Parkhi et al. 2015: the mean face colour is taken away from values in 0..255"""
VGG_CONVOLUTIONS = {
    "conv1_1": 0, "conv1_2": 2, "conv2_1": 5, "conv2_2": 7, "conv3_1": 10, "conv3_2": 12, "conv3_3": 14,
    "conv4_1": 17, "conv4_2": 19, "conv4_3": 21, "conv5_1": 24, "conv5_2": 26, "conv5_3": 28,
}  # fmt: skip
"""the names of Caffe, in which VGGFace was published, and the places in torchvision's `features`"""


def resnet18(classes: int, options: TrainOptions) -> Headed:
    """ResNet-18 (He et al. 2016), dropout before the head."""
    return Headed(
        without_head(models.resnet18()), linear_head(RESNET18_FEATURES, classes, options), renamings=(without("fc"),)
    )


def resnet50(classes: int, options: TrainOptions, *, two_dense: bool = False) -> Headed:
    """ResNet-50 with one dense layer, or with two of 64 and leaky ReLU."""
    head = (leaky_head if two_dense else linear_head)(RESNET50_FEATURES, classes, options)
    return Headed(without_head(models.resnet50()), head, renamings=(without("fc"),))


def inception(classes: int, options: TrainOptions) -> Headed:
    """Inception v3 (Szegedy et al. 2016) without its side output."""
    body = without_head(models.inception_v3(aux_logits=False, transform_input=False, init_weights=False))
    body.dropout = nn.Identity()
    kaiming(body)
    return Headed(
        body,
        linear_head(INCEPTION_FEATURES, classes, options),
        smallest=INCEPTION_SMALLEST,
        statistics=INCEPTION_STATISTICS,
        renamings=(without("fc", "AuxLogits"),),
    )


def vgg16(classes: int, options: TrainOptions) -> Headed:
    """VGG16's convolutions (Simonyan & Zisserman 2015), then FC 1024 - FC 1024 - one score per class."""
    return _vgg(classes, options, (without("classifier"),), IMAGENET)


def vggface(classes: int, options: TrainOptions) -> Headed:
    """The same net for VGGFace's weights, under the names of Caffe (conv1_1, ...) or of torchvision."""
    return _vgg(classes, options, (as_caffe, without("classifier")), VGGFACE_STATISTICS)


def without(*heads: str) -> Renaming:
    """Leaves the tensors of those layers out and every other name as it is."""
    return lambda name: None if name.partition(".")[0] in heads else name


def as_caffe(name: str) -> str | None:
    """Our name of a tensor that is called as in Caffe's VGG16."""
    found = re.fullmatch(r"(?:features\.)?(conv\d_\d)\.(weight|bias)", name)
    return f"features.{VGG_CONVOLUTIONS[found[1]]}.{found[2]}" if found and found[1] in VGG_CONVOLUTIONS else None


def _vgg(classes: int, options: TrainOptions, renamings: tuple[Renaming, ...], statistics: Statistics) -> Headed:
    body = nn.Sequential()
    body.add_module("features", make_layers(cfgs["D"], batch_norm=False))
    body.add_module("pool", nn.AdaptiveAvgPool2d(7))
    kaiming(body)
    head = wide_head(VGG_FEATURES, classes, options)
    kaiming(head)
    return Headed(body, head, smallest=VGG_SMALLEST, statistics=statistics, renamings=renamings)
