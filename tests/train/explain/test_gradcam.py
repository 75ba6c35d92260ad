"""Grad-CAM looks where the net looks: checked with a net that can only go by a planted patch."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.errors import CheckpointError
from train.best.net import BestNet
from train.explain.gradcam import _output_of, last_spatial_layer, looked_at
from train.explain.sheets import Looked, overlay, sheet
from train.models import build_net
from train.options import TrainOptions

SIDE, PATCH = 48, 12


def planted(count: int, seed: int) -> tuple[Tensor, Tensor, list[list[tuple[int, int]]]]:
    """Noise with two patches side by side: stripes, upright for class 0 and lying for class 1, and blocks of no meaning.

    Both are as bright and as sharp, so only what was learned tells which one to look at. Which side and how high is drawn.
    """
    draw = np.random.default_rng(seed)
    images = draw.uniform(0.3, 0.7, (count, 3, SIDE, SIDE)).astype(np.float32)
    labels, places = draw.integers(0, 2, count), []
    stripes = np.broadcast_to(np.tile(np.repeat([0.0, 1.0], 3), 2), (PATCH, PATCH))
    for n in range(count):
        blocks = np.kron(draw.permutation(np.tile([0.0, 1.0], 8)).reshape(4, 4), np.ones((3, 3)))
        tops = [int(at) for at in draw.integers(0, SIDE - PATCH + 1, 2)]
        lefts = [int(at) for at in draw.permutation([4, SIDE - PATCH - 4])]
        for patch, top, left in zip((stripes if labels[n] == 0 else stripes.T, blocks), tops, lefts, strict=True):
            images[n, :, top : top + PATCH, left : left + PATCH] = patch
        places.append(list(zip(tops, lefts, strict=True)))
    return torch.from_numpy(images), torch.from_numpy(labels), places


class Small(nn.Module):
    """Two convolutions, then the mean of each map: where it looks decides."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 12, 5, 2, 2), nn.ReLU(), nn.Conv2d(12, 16, 5, 2, 2), nn.ReLU(inplace=True)
        )
        self.scores = nn.Linear(16, 2)

    def forward(self, images: Tensor) -> Tensor:
        made: Tensor = self.scores(self.body(images).mean(dim=(2, 3)))
        return made


def share_on_stripes(net: nn.Module, seed: int) -> float:
    """Of the heat on the two patches (a cell of blur around them included), how much lies on the stripes."""
    images, labels, places = planted(40, seed)
    found = []
    for one, patches in zip(looked_at(net, images, labels).numpy(), places, strict=True):
        heat = [
            float(one[max(0, top - 4) : top + PATCH + 4, max(0, left - 4) : left + PATCH + 4].sum())
            for top, left in patches
        ]
        found.append(heat[0] / max(sum(heat), 1e-9))
    return float(np.mean(found))


def test_a_net_trained_on_a_planted_patch_looks_at_it_and_random_weights_do_not() -> None:
    """The sanity check of Adebayo et al. 2018: the maps depend on what was learned."""
    torch.manual_seed(0)
    net = Small()
    before = float(np.mean([share_on_stripes(Small(), 1) for _ in range(5)]))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.005)
    for step in range(100):
        images, labels, _ = planted(32, 100 + step)
        loss = functional.cross_entropy(net.train()(images), labels)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    images, labels, _ = planted(100, 2)
    assert (net.eval()(images).argmax(dim=1) == labels).float().mean() > 0.9
    after = share_on_stripes(net, 1)
    print(f"heat on the stripes: {after:.2f} trained, {before:.2f} random weights, 0.50 by chance")
    assert after > 0.75
    assert before < 0.65


class Branches(nn.Module):
    """Two branches joined in the module itself, as Inception does; then a pooled head."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([self.left(images), self.right(images)], dim=1)


def test_the_last_layer_is_that_of_the_computation_and_holds_all_branches() -> None:
    net = nn.Sequential(nn.AvgPool2d(4), Branches(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
    assert last_spatial_layer(net, 32) == "1"
    assert looked_at(net, torch.rand(2, 3, 32, 32), torch.tensor([0, 2])).shape == (2, 32, 32)


def test_a_map_too_coarse_to_be_recognised_is_passed_over_unless_there_is_no_other() -> None:
    fine, coarse = nn.Conv2d(3, 4, 3, stride=8, padding=1), nn.Conv2d(4, 4, 3, stride=2, padding=1)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)]
    assert last_spatial_layer(nn.Sequential(fine, coarse, *head), 48) == "0"
    assert last_spatial_layer(nn.Sequential(fine, coarse, *head), 20) == "1"
    with pytest.raises(CheckpointError, match="this net makes no maps"):
        last_spatial_layer(nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2)), 8)


@pytest.mark.parametrize("frozen", [False, True])
def test_the_studies_net_can_be_looked_into_even_frozen_and_is_left_as_it_was(frozen: bool) -> None:
    net = build_net("hill", 3, TrainOptions(image_size=60), torch.full((3,), 0.5), torch.full((3,), 0.2))
    for weights in net.parameters():
        weights.requires_grad_(not frozen)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    heat = looked_at(net, torch.rand(5, 3, 60, 60), torch.tensor([0, 1, 2, 0, 1]))
    assert heat.shape == (5, 60, 60)
    assert heat.min() >= 0
    assert heat.max() <= 1
    assert all(weights.grad is None for weights in net.parameters())
    assert not net.training
    assert not any(module._forward_hooks for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_sheet_has_room_for_every_picture_and_none_is_too_small() -> None:
    image, heat = np.full((20, 20, 3), 128, dtype=np.uint8), np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)
    laid = overlay(image, heat)
    assert laid[-1, -1].sum() > laid[0, 0].sum()
    one = Looked(image=image, heat=heat, caption="happy 93%", right=False)
    assert sheet("a", [one] * 7).shape[0] > sheet("a", [one] * 6).shape[0]
    assert sheet("nothing", []).ndim == 3


def test_the_maps_of_best_that_are_looked_at_are_the_pictures_not_its_mirror_images() -> None:
    torch.manual_seed(0)
    net = BestNet(2, TrainOptions()).eval()
    for weights in net.parameters():
        nn.init.normal_(weights, std=0.1)
    images = torch.rand(1, 3, 64, 64)
    with _output_of(net.get_submodule(last_spatial_layer(net, 64))) as made, torch.no_grad():
        net(images)
        net.features(images)
    assert len(made) == 3
    assert torch.equal(made[1], made[2])
    assert not torch.allclose(made[0], made[2])
