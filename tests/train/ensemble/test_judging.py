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
    folds = torch.arange(90) % 3
    history = fit_judge(judge, votes, labels, folds, (torch.empty((0, 6)), labels[:0]), TrainOptions())
    others, truth = drawn_votes(200, 1)
    assert (judge(others).argmax(dim=1) == truth).float().mean() > 0.99
    assert (plain_average(others).argmax(dim=1) == truth).float().mean() < 0.8
    assert history[-1].train_loss < history[0].train_loss
    assert history[-1].val_loss is None


def test_a_judge_that_was_taught_nothing_says_what_the_average_says() -> None:
    votes, _ = drawn_votes(90, 0)
    scores = torch.softmax(Judge(3)(votes), dim=1)
    assert torch.allclose(scores, plain_average(votes), atol=1e-3)


def test_votes_that_hold_nothing_more_are_not_learned_by_heart() -> None:
    """A few noisy votes of equal worth: the average is best, and a judge taught to the end is far worse."""
    draw, better = np.random.default_rng(0), []
    for seed in range(3):
        torch.manual_seed(seed)
        labels = torch.tensor(draw.integers(0, 6, 400))
        noise = torch.tensor(draw.normal(0, 1.2, (400, 6)), dtype=torch.float32)
        heard = torch.softmax(noise + 2 * torch.nn.functional.one_hot(labels, 6), dim=1)
        votes = torch.cat([heard, heard], dim=1)
        judge, folds = Judge(6), torch.arange(120) % 3
        history = fit_judge(judge, votes[:120], labels[:120], folds, (votes[120:], labels[120:]), TrainOptions())
        average = (plain_average(votes[120:]).argmax(dim=1) == labels[120:]).double().mean().item()
        assert len(history) < 60
        better.append((history[-1].val_accuracy or 0.0) - average)
    assert np.mean(better) > -0.02


def test_certain_votes_and_votes_that_are_all_alike_stay_finite() -> None:
    torch.manual_seed(0)
    judge, votes = Judge(2), torch.tensor([[1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    labels, folds, options = torch.tensor([0, 0]), torch.tensor([0, 1]), TrainOptions(class_balance="weights")
    fit_judge(judge, votes, labels, folds, (votes, torch.tensor([0, 1])), options)
    assert judge(votes).isfinite().all()
    assert plain_average(votes * 0).isfinite().all()
