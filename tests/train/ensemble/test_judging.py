import numpy as np
import torch

from train.ensemble.judging import fit_judge
from train.models.stacked import Judge, plain_average
from train.options import TrainOptions


def drawn_votes(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A base that confuses classes 1 and 2, an expert of class 2 that does not; the other experts say nothing."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 3, count)
    votes = np.full((count, 6), 0.1)
    votes[np.arange(count), np.where(labels == 2, 1, labels)] = 0.8
    votes[:, 3:5] = 0.33
    votes[:, 5] = np.where(labels == 2, 0.6, 0.3)
    return torch.tensor(votes, dtype=torch.float32), torch.tensor(labels)


def test_the_judge_learns_whose_vote_to_trust_where_the_average_does_not() -> None:
    torch.manual_seed(0)
    judge = Judge(3)
    votes, labels = drawn_votes(90, 0)
    history = fit_judge(judge, votes, labels, (torch.empty((0, 6)), labels[:0]), TrainOptions())
    others, truth = drawn_votes(200, 1)
    assert (judge(others).argmax(dim=1) == truth).float().mean() > 0.99
    assert (plain_average(others).argmax(dim=1) == truth).float().mean() < 0.8
    assert history[-1].train_loss < history[0].train_loss
    assert history[-1].val_loss is None


def test_certain_votes_and_votes_that_are_all_alike_stay_finite() -> None:
    torch.manual_seed(0)
    judge, votes = Judge(2), torch.tensor([[1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    fit_judge(judge, votes, torch.tensor([0, 0]), (votes, torch.tensor([0, 1])), TrainOptions(class_balance="weights"))
    assert judge(votes).isfinite().all()
    assert plain_average(votes * 0).isfinite().all()
