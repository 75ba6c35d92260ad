from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.core.errors import InputError
from pipeline.core.progress import Silent
from tests.train.best.test_fit import best_run, weighted
from tests.train.faces import draw_dataset
from train.best import tuning
from train.best.backbone import packaged_weights
from train.best.fit import inside, is_enough_to_tune
from train.best.net import BestNet
from train.best.tuning import FROZEN_BLOCKS, steps_of, tune
from train.examples import Examples, read_examples
from train.models import build_net
from train.runs import TrainingRun

pytestmark = weighted


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingRun, Examples]:
    dataset = draw_dataset(tmp_path_factory.mktemp("set") / "toy", per_class={"train": 6, "val": 0, "test": 3})
    run = best_run(dataset)
    return run, read_examples(dataset, run.classes, run.options, torch.device("cpu"), Silent())


def fresh(run: TrainingRun) -> BestNet:
    best = inside(build_net("best", len(run.classes), run.options, torch.zeros(3), torch.ones(3)))
    best.body.load_state_dict(packaged_weights())
    return best.eval()


def test_upper_blocks_learn_lower_ones_stay_and_the_same_seed_gives_the_same_bits(
    made: tuple[TrainingRun, Examples], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, data = made
    monkeypatch.setattr(tuning, "EPOCHS", 8)
    best, seen = fresh(run), []
    before = {name: weight.clone() for name, weight in best.state_dict().items()}
    scores = tune(best, data.train, run.options, seen.append)
    changed = {
        int(name.split(".")[2])
        for name, weight in best.state_dict().items()
        if name.startswith("body.blocks") and not torch.equal(weight, before[name])
    }
    assert changed == set(range(FROZEN_BLOCKS, len(best.body.blocks)))
    assert (scores.argmax(dim=1) == data.train.labels).float().mean() > 0.8
    assert sum(seen) == (2 + tuning.COPIES + 8) * len(data.train)
    assert not any(weight.requires_grad for weight in best.body.parameters())
    again = fresh(run)
    tune(again, data.train, run.options, lambda count: None)
    assert all(torch.equal(a, b) for a, b in zip(best.state_dict().values(), again.state_dict().values(), strict=True))


def test_copies_that_take_too_much_memory_are_left_out(
    made: tuple[TrainingRun, Examples], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, data = made
    best = fresh(run)
    each = best.body.lower(torch.zeros(1, 3, 64, 64), FROZEN_BLOCKS).numel() * 2 * len(data.train)
    monkeypatch.setattr(tuning, "MOST_BYTES", 3 * each)
    assert len(tuning._maps(best, data.train, run.options, lambda count: None)) == 3


def test_a_loss_that_is_no_number_stops_with_its_step(
    made: tuple[TrainingRun, Examples], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, data = made
    monkeypatch.setattr(tuning, "SPREAD", float("nan"))
    with pytest.raises(InputError, match="the loss became nan in step 1 of"):
        tune(fresh(run), data.train, run.options, lambda count: None)


def test_steps_grow_with_the_pictures_up_to_a_limit() -> None:
    assert steps_of(1) == tuning.EPOCHS
    assert steps_of(165) == 6 * tuning.EPOCHS
    assert steps_of(1_000_000) == tuning.MOST_STEPS


def test_few_shots_or_a_class_of_one_are_not_enough_to_tune(tmp_path: Path) -> None:
    shots = [f"s{n}" for n in range(20)]
    assert is_enough_to_tune(np.array([0, 1] * 10), shots)
    assert not is_enough_to_tune(np.array([0, 1] * 10), shots[:10] * 2)
    assert not is_enough_to_tune(np.array([0] * 19 + [1]), shots)
