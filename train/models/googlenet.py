"""GoogLeNet (Szegedy et al. 2015) as Wang & Zhang varied it: with or without batch norm, two heads, two more blocks.

The body is torchvision's, built from layers of our own choosing: theirs always has batch norm, and 3x3 filters where the
paper has 5x5. Without the two side outputs of the paper, whose gradients batch norm or He's initialisation replaces.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.googlenet import GoogLeNet, Inception, InceptionAux  # type: ignore[import-untyped]

from train.models.headed import Headed, kaiming, leaky_head, linear_head, without_head
from train.options import TrainOptions

FEATURES = 1024
SMALLEST = 32
NEW_5A = (832, 256, 160, 320, 32, 128, 128)
NEW_3A = (256, 64, 96, 128, 16, 32, 32)
"""the block that is doubled: channels in, 1x1, 3x3 after 1x1, 5x5 after 1x1, after pooling"""


class Plain(nn.Module):
    """Convolution with a bias, ReLU: the layer of the paper."""

    def __init__(self, entering: int, leaving: int, **shape: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(entering, leaving, **shape)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        return functional.relu(self.conv(images))


class Normed(nn.Module):
    """Convolution, batch norm (Ioffe & Szegedy 2015), ReLU."""

    def __init__(self, entering: int, leaving: int, **shape: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(entering, leaving, bias=False, **shape)
        self.norm = nn.BatchNorm2d(leaving)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        return functional.relu(self.norm(self.conv(images)))


def googlenet(
    classes: int, options: TrainOptions, *, batch_norm: bool = False, two_dense: bool = False, deeper: bool = False
) -> Headed:
    """GoogLeNet from scratch; `deeper` has a second Inception 3a and a second 5a (1.2 million weights more)."""
    layer = Normed if batch_norm else Plain

    def block(*channels: int, conv_block: Any = layer) -> Any:
        made = Inception(*channels, conv_block=conv_block)
        made.branch3[1] = layer(channels[4], channels[5], kernel_size=5, padding=2)
        return made

    body = GoogLeNet(
        num_classes=1, aux_logits=False, transform_input=False, init_weights=False, blocks=[layer, block, InceptionAux]
    )
    if deeper:
        body.inception3a = nn.Sequential(body.inception3a, block(*NEW_3A))
        body.inception5a = nn.Sequential(body.inception5a, block(*NEW_5A))
    body.dropout = nn.Identity()
    kaiming(body)
    head = leaky_head(FEATURES, classes, options, batch_norm=batch_norm) if two_dense else None
    return Headed(without_head(body), head or linear_head(FEATURES, classes, options), smallest=SMALLEST)
