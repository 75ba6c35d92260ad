"""A body that sees and a head that decides: what every net that can be transferred consists of."""

from collections.abc import Callable, Mapping

from torch import Tensor, nn
from torch.nn import functional

from train.options import TrainOptions

Statistics = tuple[tuple[float, ...], tuple[float, ...]]
"""mean and deviation of R, G, B in 0..1"""
IMAGENET: Statistics = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""by which torchvision's weights were trained"""

Renaming = Callable[[str], str | None]
"""a tensor's name in a weights file -> its name in the backbone; None: it has no place there"""


def as_named(name: str) -> str | None:
    """The same name: the file was written for this very body."""
    return name


class Headed(nn.Module):
    """`head(backbone(images))`. The loop may train `head` alone first; weights files fill `backbone`.

    Pictures smaller than the body can take are enlarged first, so every net sees every size.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        *,
        smallest: int = 1,
        statistics: Statistics = IMAGENET,
        renamings: tuple[Renaming, ...] = (as_named,),
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.smallest = smallest
        self.statistics = statistics
        """what weights from a file expect; of no use before some are loaded"""
        self.renamings = renamings
        """how weights files may name the body's tensors; the one that fits most is taken"""

    def forward(self, images_N3SS: Tensor) -> Tensor:
        """Class scores (N, C) of normalised float images (N, 3, S, S)."""
        side = images_N3SS.shape[-1]
        if side < self.smallest:
            size = (self.smallest, self.smallest)
            images_N3SS = functional.interpolate(images_N3SS, size=size, mode="bilinear", align_corners=False)
        if self.training and len(images_N3SS) == 1:
            self._rest_batch_norms()
        scores: Tensor = self.head(self.backbone(images_N3SS))
        return scores

    def _rest_batch_norms(self) -> None:
        """A batch of one has no deviation: until the next epoch batch norms use what they have seen so far."""
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def linear_head(features: int, classes: int, options: TrainOptions) -> nn.Module:
    """Dropout and one dense layer."""
    return nn.Sequential(nn.Flatten(), nn.Dropout(options.dropout), nn.Linear(features, classes))


def leaky_head(features: int, classes: int, options: TrainOptions, *, batch_norm: bool = False) -> nn.Module:
    """Two dense layers of 64 with leaky ReLU (and batch norm), then one score per class: Wang & Zhang."""
    layers: list[nn.Module] = [nn.Flatten(), nn.Dropout(options.dropout)]
    for entering, leaving in ((features, 64), (64, 64)):
        layers += [nn.Linear(entering, leaving), *([nn.BatchNorm1d(leaving)] if batch_norm else []), nn.LeakyReLU()]
    return nn.Sequential(*layers, nn.Linear(64, classes))


def wide_head(features: int, classes: int, options: TrainOptions) -> nn.Module:
    """FC 1024 - FC 1024 - one score per class, on what VGG's body leaves: Abanoz & Cataltepe."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(features, 1024),
        nn.ReLU(),
        nn.Dropout(options.dropout),
        nn.Linear(1024, 1024),
        nn.ReLU(),
        nn.Dropout(options.dropout),
        nn.Linear(1024, classes),
    )


def renamed(state: Mapping[str, Tensor], renaming: Renaming) -> dict[str, Tensor]:
    """The tensors under the names that a backbone knows; what has no place there is left out."""
    named = ((renaming(name), tensor) for name, tensor in state.items())
    return {name: tensor for name, tensor in named if name is not None}


def kaiming(module: nn.Module) -> None:
    """He et al. 2015: weights whose outputs keep their variance through ReLU; in place, from torch's generator."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def without_head(net: nn.Module) -> nn.Module:
    """A torchvision net whose last dense layer `fc` lets its features through."""
    net.fc = nn.Identity()
    return net
