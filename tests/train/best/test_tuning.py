import pytest
import torch

from pipeline.core.errors import InputError
from pipeline.core.progress import Silent
from tests.train.best.test_fit import best_run
from tests.train.faces import draw_dataset
from train.best import tuning
from train.best.backbone import packaged_weights
from train.best.fit import inside
from train.best.net import BestNet
from train.best.tuning import FROZEN_BLOCKS, is_kept, steps_of, tune
from train.examples import Examples, read_examples
from train.models import build_net
from train.runs import TrainingRun


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
    tuned = tune(best, data.train, run.options, seen.append)
    changed = {
        int(name.split(".")[2])
        for name, weight in best.state_dict().items()
        if name.startswith("body.blocks") and not torch.equal(weight, before[name])
    }
    assert changed == set(range(FROZEN_BLOCKS, len(best.body.blocks)))
    assert (tuned.scores.argmax(dim=1) == data.train.labels[tuned.rows]).float().mean() > 0.8
    assert sum(seen) == tuning.images_of(len(data.train), 64) == (2 + tuning.COPIES + 8) * len(data.train)
    assert not any(weight.requires_grad for weight in best.body.parameters())
    again = fresh(run)
    tune(again, data.train, run.options, lambda count: None)
    assert all(torch.equal(a, b) for a, b in zip(best.state_dict().values(), again.state_dict().values(), strict=True))


def test_maps_that_have_no_room_are_made_anew_in_each_step_and_the_net_learns_as_well(
    made: tuple[TrainingRun, Examples], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, data = made
    monkeypatch.setattr(tuning, "EPOCHS", 8)
    monkeypatch.setattr(tuning, "MOST_BYTES", 8 * 18 * 112 * 4 * 4 * 2 - 1)
    monkeypatch.setattr(tuning, "SAMPLE", 9)
    best, seen = fresh(run), []
    tuned = tune(best, data.train, run.options, seen.append)
    assert tuned.rows.tolist() == list(range(0, 18, 2))
    assert (tuned.scores.argmax(dim=1) == data.train.labels[tuned.rows]).float().mean() > 0.8
    assert sum(seen) == tuning.images_of(18, 64) == (2 + 16) * 9


def test_memory_for_maps_is_bounded_whatever_the_set() -> None:
    for side in (16, 128, 224, 1024):
        kept = max(count for count in (0, *(2**power for power in range(20))) if is_kept(count, side))
        assert (2 + tuning.COPIES) * kept * 112 * 2 * (side / 16) ** 2 <= tuning.MOST_BYTES
    assert is_kept(2_000, 128)
    assert not is_kept(30_000, 128)


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
