"""Schedules, parameter groups, freezing and the moving average."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from carseg.architectures.network import Network
from carseg.architectures.registry import list_architectures
from carseg.errors import OptionError, UnknownNameError
from carseg.hub.create import create_model
from carseg.training import optim


class Small(Network):
    encoder_prefix = "encoder."

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.encoder(x)))


class WithoutEncoder(Network):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 2, 1)


def test_the_encoder_of_every_network_that_has_one_can_be_frozen() -> None:
    frozen = 0
    for name in list_architectures():
        with torch.device("meta"):
            model = create_model(name, 2)
        if model.encoder_prefix:
            optim.freeze(model, ("encoder",))
            frozen += 1
            for key, parameter in model.named_parameters():
                assert parameter.requires_grad is not key.startswith(model.encoder_prefix), (name, key)
    assert frozen >= 12


def curve(name: str, points: int = 1001) -> list[float]:
    schedule = optim.make_schedule(name)
    return [schedule(i / (points - 1)) for i in range(points)]


@pytest.mark.parametrize("name", optim.SCHEDULES)
def test_a_schedule_stays_between_nothing_and_the_peak_and_reaches_it(name: str) -> None:
    values = curve(name)
    assert min(values) >= 0
    assert max(values) == pytest.approx(1, abs=1e-3)
    assert optim.make_schedule(name)(1.3) == values[-1]  # a budget of minutes is overrun by a step


def test_onecycle_rises_for_a_third_and_ends_near_nothing() -> None:
    values = curve("onecycle")
    assert values[0] == pytest.approx(1 / 25)
    assert values.index(max(values)) == 300
    assert values[-1] == pytest.approx(1e-4)


def test_poly_falls_as_published() -> None:
    assert curve("poly", 5) == pytest.approx([1, 0.75**0.9, 0.5**0.9, 0.25**0.9, 0])


def test_cosine_warms_up_then_falls() -> None:
    values = curve("cosine")
    assert 0 < values[0] < 0.05
    assert values[25] == pytest.approx(0.5)
    assert values.index(max(values)) == 50
    assert values[50:] == sorted(values[50:], reverse=True)
    assert values[-1] == pytest.approx(0)


def test_warm_restarts_jump_up_twice_after_ever_longer_falls() -> None:
    values = curve("warm-restarts", 7001)
    rises = [i for i in range(1, 7001) if values[i] > values[i - 1] + 0.5]
    assert rises == [1000, 3000]


def test_an_unknown_schedule_is_named() -> None:
    with pytest.raises(UnknownNameError, match="did you mean cosine"):
        optim.make_schedule("cosin")


def test_the_encoder_has_its_own_rate_and_only_weights_decay() -> None:
    model = Small()
    optimizer = optim.make_optimizer(model, "adamw", 0.01, weight_decay=0.1, encoder_lr_factor=0.2)
    settings = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    found = {name: settings[id(parameter)] for name, parameter in model.named_parameters()}
    assert found == {
        "encoder.0.weight": (pytest.approx(0.002), 0.1),
        "encoder.0.bias": (pytest.approx(0.002), 0),
        "encoder.1.weight": (pytest.approx(0.002), 0),
        "encoder.1.bias": (pytest.approx(0.002), 0),
        "norm.weight": (0.01, 0),
        "norm.bias": (0.01, 0),
        "head.weight": (0.01, 0.1),
        "head.bias": (0.01, 0),
    }


def test_a_schedule_scales_every_group_from_its_own_peak() -> None:
    optimizer = optim.make_optimizer(Small(), "adam", 0.01, encoder_lr_factor=0.2)
    for factor in (0.1, 0.5):
        optim.set_lr(optimizer, factor)
        assert {round(group["lr"], 6) for group in optimizer.param_groups} == {0.01 * factor, round(0.002 * factor, 6)}


@pytest.mark.parametrize("name", optim.OPTIMIZERS)
def test_an_optimizer_goes_downhill(name: str) -> None:
    torch.manual_seed(0)
    model, x = Small().eval(), torch.randn(2, 3, 8, 8)
    optimizer = optim.make_optimizer(model, name, 0.01)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_a_frozen_encoder_is_left_out_and_keeps_its_statistics() -> None:
    model = Small().train()
    optim.freeze(model, ("encoder",))
    model(torch.randn(2, 3, 8, 8))
    assert not any(parameter.requires_grad for parameter in model.encoder.parameters())
    assert model.encoder[1].running_mean.count_nonzero() == 0
    assert model.norm.running_mean.count_nonzero() > 0
    groups = optim.make_optimizer(model, "sgd", 0.1).param_groups
    assert sum(len(group["params"]) for group in groups) == 4


def test_frozen_batch_norms_keep_statistics_and_parameters_everywhere() -> None:
    model = Small().train()
    optim.freeze(model, ("bn",))
    model(torch.randn(2, 3, 8, 8))
    for norm in (model.encoder[1], model.norm):
        assert norm.running_mean.count_nonzero() == 0
        assert not norm.weight.requires_grad
    assert model.encoder[0].weight.requires_grad


def test_what_cannot_be_frozen_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="part to freeze"):
        optim.freeze(Small(), ("head",))
    with pytest.raises(OptionError, match="no part called encoder"):
        optim.freeze(WithoutEncoder(), ("encoder",))
    model = Small()
    model.requires_grad_(False)
    with pytest.raises(OptionError, match="nothing to train"):
        optim.make_optimizer(model, "adam", 0.1)


def test_the_moving_average_follows_quickly_at_first_and_slowly_later() -> None:
    model = Small()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    average = optim.MovingAverage(model, 0.99)
    with torch.no_grad():
        model.head.bias.fill_(1)
    expected = 0.0
    for step in (0, 1, 2, 5000):
        decay = min(0.99, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay)
        average.update(model, step)
        assert average.model.head.bias[0].item() == pytest.approx(expected, abs=1e-6)
    assert not math.isclose(expected, 1)


def test_the_moving_average_has_batch_norm_statistics_and_no_gradients() -> None:
    model = Small().train()
    average = optim.MovingAverage(model, 0.9)
    model(torch.randn(4, 3, 8, 8) + 3)
    average.update(model, 0)
    assert average.model.norm.num_batches_tracked == 1
    assert average.model.encoder[1].running_mean.count_nonzero() > 0
    assert not average.model.training
    assert not any(parameter.requires_grad for parameter in average.model.parameters())
    with pytest.raises(OptionError, match="decay"):
        optim.MovingAverage(model, 1.0)


def test_sgd_has_nesterovs_momentum() -> None:
    [group, *_] = optim.make_optimizer(Small(), "sgd", 0.1).param_groups
    assert (group["momentum"], group["nesterov"]) == (0.9, True)
