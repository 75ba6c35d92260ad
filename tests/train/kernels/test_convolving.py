import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from train.kernels.convolving import convolved


def plain(images: Tensor, convolution: nn.Conv2d, pool: int) -> Tensor:
    return functional.max_pool2d(functional.relu(convolution(images)), pool)


def layer(entering: int, leaving: int) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(entering, leaving, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def pictures(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)).contiguous(memory_format=torch.channels_last)


def found_by(layer_of, images: Tensor, convolution: nn.Conv2d, pool: int, learned: bool) -> list[Tensor]:  # type: ignore[no-untyped-def]
    """The result and the gradients of weight, bias and (where the images are learned) images."""
    convolution.zero_grad()
    images = images.clone(memory_format=torch.channels_last).requires_grad_(learned)
    result = layer_of(images, convolution, pool)
    weighing = torch.linspace(-1, 1, result.numel()).reshape(result.shape)
    torch.autograd.backward((result * weighing).sum())
    gradients = [convolution.weight.grad, convolution.bias.grad, *([images.grad] if learned else [])]
    return [result.detach(), *(gradient.clone() for gradient in gradients if gradient is not None)]


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize(
    ("shape", "leaving", "pool"),
    [
        ((7, 3, 20, 20), 32, 2),
        ((9, 32, 13, 13), 32, 2),
        ((5, 32, 13, 13), 32, 9),
        ((1, 32, 5, 8), 8, 3),
        ((4, 5, 3, 3), 3, 1),
        ((2, 3, 18, 19), 4, 15),
    ],
)
def test_result_and_gradients_are_those_of_torch(
    shape: tuple[int, ...], leaving: int, pool: int, learned: bool
) -> None:
    images, convolution = pictures(*shape) - 0.5, layer(shape[1], leaving)
    ours, torchs = (found_by(way, images, convolution, pool, learned) for way in (convolved, plain))
    assert len(ours) == 3 + learned
    for found, wanted in zip(ours, torchs, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5 * float(wanted.abs().max()) + 1e-7, rtol=1e-4)


def test_the_kernels_are_used_where_something_is_learned_and_nowhere_else() -> None:
    images, convolution = pictures(2, 3, 20, 20), layer(3, 8)
    used = "_ConvolvedBackward"
    assert used in str(convolved(images, convolution, 2).grad_fn)
    assert used not in str(convolved(images.contiguous(), convolution, 2).grad_fn)
    assert used not in str(convolved(images.double(), convolution.double(), 2).grad_fn)
    assert used not in str(convolved(images, layer(3, 8).eval(), 2).grad_fn)
    assert used not in str(convolved(pictures(2, 3, 40, 40), layer(3, 8), 16).grad_fn)


@pytest.mark.parametrize("pool", [2, 3])
def test_what_is_no_number_stays_so(pool: int) -> None:
    images, convolution = pictures(1, 3, 8, 8), layer(3, 4)
    with torch.no_grad():
        convolution.bias[1] = torch.nan
    result = convolved(images, convolution, pool)
    assert result[:, 1].isnan().all()
    assert result[:, 0].isfinite().all()


def test_of_equal_values_the_first_learns() -> None:
    convolution = layer(1, 1)
    with torch.no_grad():
        convolution.weight.zero_()
        convolution.bias.fill_(1.0)
        convolution.weight[0, 0, 0, 0] = 1e-3
    images = torch.ones(1, 1, 4, 4).contiguous(memory_format=torch.channels_last).requires_grad_(True)
    torch.autograd.backward(convolved(images, convolution, 2).sum())
    assert images.grad is not None
    assert images.grad.nonzero().tolist() == [[0, 0, 0, 0]]


def test_the_bits_of_a_middle_layer_are_the_same_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    images, convolution, before, found = pictures(17, 32, 13, 13) - 0.5, layer(32, 32), torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            monkeypatch.setenv("TOONSIFT_THREADS", str(threads))
            found.append(found_by(convolved, images, convolution, 2, True))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))
