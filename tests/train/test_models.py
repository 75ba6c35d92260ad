import pytest
import torch

from train.models import NETS, build_net
from train.models.hill import Hill
from train.options import LARGEST_IMAGE, SMALLEST_IMAGE, TrainOptions


def test_hill_at_60_pixels_is_the_net_of_the_study() -> None:
    net = Hill(6, TrainOptions(image_size=60))
    shapes = [tuple(weights.shape) for name, weights in net.named_parameters() if name.endswith("weight")]
    assert shapes == [(32, 3, 3, 3), (32, 32, 3, 3), (32, 32, 3, 3), (512, 32), (6, 512)]
    assert net.pools == (2, 2, 9)


@pytest.mark.parametrize("side", [SMALLEST_IMAGE, 21, 32, 48, 60, 61, 97, 128])
@pytest.mark.parametrize("name", NETS)
def test_every_net_takes_every_size_and_gives_a_score_per_class(name: str, side: int) -> None:
    net = build_net(name, 4, TrainOptions(image_size=side), torch.full((3,), 0.5), torch.full((3,), 0.25))
    assert net(torch.rand(2, 3, side, side)).shape == (2, 4)


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
