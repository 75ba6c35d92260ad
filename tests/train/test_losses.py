import pytest
import torch
from torch.nn import functional

from pipeline.core.manifest import Dataset
from train.examples import Split
from train.losses import build_loss, validation_loss
from train.options import TrainOptions

SCORES = torch.tensor([[2.0, 0.5, -1.0], [0.1, 0.2, 0.3]])


def split(labels: list[int]) -> Split:
    places = torch.tensor(labels)
    return Split(examples=(), images=torch.empty(0), labels=places, targets=functional.one_hot(places, 3).float())


UNEVEN = [0] * 8 + [1] * 3 + [2]
TARGETS = functional.one_hot(torch.tensor([0, 2]), 3).float()


def loss_of(**changes: object) -> float:
    return float(build_loss(split(UNEVEN), TrainOptions(**changes))(SCORES, TARGETS))  # type: ignore[arg-type]


def test_the_usual_loss_is_torchs_cross_entropy() -> None:
    assert loss_of() == pytest.approx(functional.cross_entropy(SCORES, torch.tensor([0, 2])).item())


def test_bce_asks_each_class_by_itself() -> None:
    expected = functional.binary_cross_entropy_with_logits(SCORES, TARGETS).item()
    assert loss_of(loss="bce") == pytest.approx(expected)
    assert validation_loss(SCORES, torch.tensor([0, 2]), TrainOptions(loss="bce")) == pytest.approx(expected)


def test_bce_takes_smoothing_and_weights() -> None:
    assert loss_of(loss="bce", label_smoothing=0.3) != loss_of(loss="bce")
    rare = loss_of(loss="bce", class_balance="weights")
    assert rare > loss_of(loss="bce"), "the second row, of the rare class, is the worse one"


def test_logit_adjustment_adds_the_logarithm_of_the_shares() -> None:
    shares = torch.tensor([8.0, 3.0, 1.0]) / 12
    expected = functional.cross_entropy(SCORES + shares.log(), torch.tensor([0, 2])).item()
    assert loss_of(class_balance="logit_adjustment") == pytest.approx(expected)


def test_adjusted_training_no_longer_leans_to_the_largest_class(toy: Dataset) -> None:
    """Scores without any evidence: plain training ends at the priors, adjusted training at indifference."""
    found = {}
    for balance in ("none", "logit_adjustment"):
        bias = torch.zeros(3, requires_grad=True)
        loss = build_loss(split(UNEVEN), TrainOptions(class_balance=balance))  # type: ignore[arg-type]
        rule = torch.optim.SGD([bias], lr=1.0)
        for _ in range(300):
            rule.zero_grad()
            torch.autograd.backward(loss(bias.expand(12, 3), split(UNEVEN).targets))
            rule.step()
        found[balance] = torch.softmax(bias.detach(), dim=0)
    torch.testing.assert_close(found["none"], torch.tensor([8.0, 3.0, 1.0]) / 12, atol=0.02, rtol=0)
    torch.testing.assert_close(found["logit_adjustment"], torch.full((3,), 1 / 3), atol=0.02, rtol=0)
