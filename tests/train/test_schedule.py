import math

import pytest
import torch
from torch import nn

from pipeline.core.errors import UsageError
from tests.train.nets import Small
from train.models.hill import Hill
from train.models.normalised import Normalised
from train.options import USUAL_LEARNING_RATE, TrainOptions
from train.schedule import build_optimizer, enter_phase, phase_of, rate_at, set_rate


def options(**changes: object) -> TrainOptions:
    return TrainOptions(**{"image_size": 32, "learning_rate": 1.0, "epochs": 20} | changes)  # type: ignore[arg-type]


def small(wanted: TrainOptions) -> Normalised:
    return Normalised(Small(3, wanted), torch.zeros(3), torch.ones(3))


def test_a_constant_rate_is_the_rate_itself() -> None:
    assert {rate_at(options(), done / 2) for done in range(40)} == {1.0}


def test_a_cosine_falls_from_all_to_nothing() -> None:
    rates = [rate_at(options(schedule="cosine"), done) for done in range(21)]
    assert rates[0] == 1
    assert rates[10] == pytest.approx(0.5)
    assert rates[20] == pytest.approx(0, abs=1e-12)
    assert rates == sorted(rates, reverse=True)


def test_steps_fall_by_their_factor() -> None:
    rates = [rate_at(options(schedule="step", step_epochs=5, step_factor=0.1), done) for done in (0, 4.9, 5, 9.9, 10)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_warm_up_rises_evenly_and_the_schedule_begins_after_it() -> None:
    warm = options(schedule="cosine", warmup_epochs=4)
    assert [rate_at(warm, done) for done in (1, 2, 3, 4)] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert rate_at(warm, 12) == pytest.approx(0.5)


def test_short_retraining_is_constant_and_the_schedule_spans_the_long_one() -> None:
    two = options(schedule="cosine", frozen_epochs=10)
    assert [phase_of(two, epoch) for epoch in (1, 10, 11)] == ["short", "short", "long"]
    assert [rate_at(two, done) for done in (0.5, 9.5, 10)] == [1, 1, 1]
    assert rate_at(two, 15) == pytest.approx(0.5)


def test_a_warm_up_longer_than_the_run_stays_finite() -> None:
    late = options(schedule="cosine", warmup_epochs=100)
    assert all(math.isfinite(rate_at(late, done)) and rate_at(late, done) < 0.3 for done in range(20))


@pytest.mark.parametrize("optimizer", USUAL_LEARNING_RATE)
def test_the_backbone_moves_by_its_share_and_the_rate_can_be_set(optimizer: str) -> None:
    wanted = options(optimizer=optimizer, backbone_rate=0.1)
    found = build_optimizer(small(wanted), wanted)
    set_rate(found, 0.5)
    assert [group["lr"] for group in found.param_groups] == pytest.approx([0.5, 0.05])
    assert sum(len(group["params"]) for group in found.param_groups) == len(list(small(wanted).parameters()))


def test_a_frozen_backbone_neither_learns_nor_drifts() -> None:
    wanted = options(optimizer="sgd", learning_rate=0.1)
    net = small(wanted)
    optimizer, before = build_optimizer(net, wanted), {k: v.clone() for k, v in net.net.backbone.state_dict().items()}
    for phase, moved in (("short", False), ("long", True)):
        optimizer.zero_grad()
        enter_phase(net, phase)  # type: ignore[arg-type]
        torch.autograd.backward(net(torch.rand(4, 3, 32, 32)).square().sum())
        optimizer.step()
        after = net.net.backbone.state_dict()
        assert any(not torch.equal(before[name], after[name]) for name in before) is moved
        assert net.net.head.training


def test_freezing_what_has_no_backbone_is_refused() -> None:
    for changes in ({"frozen_epochs": 1}, {"backbone_rate": 0.5}):
        wanted = options(**changes)
        with pytest.raises(UsageError, match="this one has no backbone; set frozen_epochs=0 and backbone_rate=1"):
            build_optimizer(Normalised(Hill(3, wanted), torch.zeros(3), torch.ones(3)), wanted)


def test_a_net_without_the_wrapper_is_looked_into_as_well() -> None:
    net: nn.Module = Small(3, options())
    assert len(build_optimizer(net, options()).param_groups) == 2
