import pytest
import torch

from train.models import ENSEMBLE, NETS, build_net
from train.models.hill import Hill
from train.models.normalised import Normalised
from train.options import LARGEST_IMAGE, SMALLEST_IMAGE, TrainOptions

SINGLE = [name for name in NETS if not name.startswith(ENSEMBLE)]


def test_hill_at_60_pixels_is_the_net_of_the_study() -> None:
    net = Hill(6, TrainOptions(image_size=60))
    shapes = [tuple(weights.shape) for name, weights in net.named_parameters() if name.endswith("weight")]
    assert shapes == [(32, 3, 3, 3), (32, 32, 3, 3), (32, 32, 3, 3), (512, 32), (6, 512)]
    assert net.pools == (2, 2, 9)


def built(name: str, side: int = 32, classes: int = 4) -> Normalised:
    return build_net(name, classes, TrainOptions(image_size=side), torch.full((3,), 0.5), torch.full((3,), 0.25))


@pytest.mark.parametrize("side", [SMALLEST_IMAGE, 21, 32, 48, 60, 61, 97, 128])
@pytest.mark.parametrize("name", ["hill", "vanilla-leaky-bn", "efficientnet-lite0", "ensemble-hill"])
def test_light_nets_take_every_size_and_give_a_score_per_class(name: str, side: int) -> None:
    assert built(name, side).eval()(torch.rand(2, 3, side, side)).shape == (2, 4)


@pytest.mark.slow
@pytest.mark.parametrize("side", [SMALLEST_IMAGE, 33, 97])
@pytest.mark.parametrize("name", SINGLE)
def test_every_net_takes_every_size_and_gives_a_score_per_class(name: str, side: int) -> None:
    net = built(name, side)
    with torch.inference_mode():
        assert net.eval()(torch.rand(2, 3, side, side)).shape == (2, 4)


@pytest.mark.parametrize("name", ["vanilla", "vanilla-leaky-bn", "efficientnet-lite0"])
def test_a_batch_of_one_can_be_learned_from(name: str) -> None:
    net = built(name).train()
    torch.autograd.backward(net(torch.rand(1, 3, 32, 32)).sum())
    assert all(weights.grad is not None and weights.grad.isfinite().all() for weights in net.parameters())


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("vanilla", 0.307),
        ("resnet18", 11.18),
        ("googlenet", 5.98),  # Wang & Zhang: 6.07
        ("googlenet-bn-2x64", 6.05),
        ("googlenet-deep", 7.20),  # Wang & Zhang: 7.30
        ("efficientnet-lite0", 3.38),  # the paper's 4.65 without the 1.28 of its ImageNet head
    ],
)
def test_nets_have_the_weights_that_were_published(name: str, millions: float) -> None:
    count = sum(weights.numel() for weights in built(name, classes=7).parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.006)


def test_one_more_inception_in_blocks_3_and_5_costs_what_the_study_says() -> None:
    counts = [sum(w.numel() for w in built(name, classes=7).parameters()) for name in ("googlenet-deep", "googlenet")]
    assert (counts[0] - counts[1]) / 1e6 == pytest.approx(7.30 - 6.07, abs=0.015)


@pytest.mark.parametrize("name", ["googlenet", "googlenet-deep"])
def test_a_deep_net_without_batch_norm_keeps_the_size_of_its_signal(name: str) -> None:
    torch.manual_seed(0)
    net = built(name, 64)
    with torch.inference_mode():
        scores = net.eval()(torch.rand(4, 3, 64, 64))
    assert 0.01 < scores.std() < 30


def test_what_transfers_has_a_backbone_and_a_head_that_together_are_the_net() -> None:
    for name in ("vanilla", "resnet18", "googlenet", "efficientnet-lite0"):
        net = built(name).net
        parts = [id(weights) for part in (net.backbone, net.head) for weights in part.parameters()]
        assert sorted(parts) == sorted(id(weights) for weights in net.parameters())


def test_only_the_head_learns_while_the_backbone_is_frozen() -> None:
    net = built("efficientnet-lite0").net.train()
    net.backbone.requires_grad_(False)
    torch.autograd.backward(net(torch.rand(2, 3, 32, 32)).sum())
    assert all(weights.grad is None for weights in net.backbone.parameters())
    assert all(weights.grad is not None for weights in net.head.parameters())


def test_the_largest_image_can_be_built() -> None:
    assert Hill(2, TrainOptions(image_size=LARGEST_IMAGE)).dense.in_features > 0


def test_the_normalisation_travels_with_the_weights() -> None:
    mean, std = torch.tensor([0.2, 0.4, 0.6]), torch.tensor([0.1, 0.2, 0.3])
    net = build_net("hill", 2, TrainOptions(image_size=20), mean, std)
    other = build_net("hill", 2, TrainOptions(image_size=20), torch.zeros(3), torch.ones(3))
    other.load_state_dict(net.state_dict())
    images = torch.rand(3, 3, 20, 20)
    assert torch.equal(net.eval()(images), other.eval()(images))
    inner = net.net.eval()((images - mean.reshape(1, 3, 1, 1)) / std.reshape(1, 3, 1, 1))
    torch.testing.assert_close(net(images), inner)
