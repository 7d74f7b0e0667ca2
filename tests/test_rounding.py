"""Weights rounded so that their errors cancel."""

import numpy as np
import pytest
import torch
from torch import nn

from carseg.runtimes.processor import prepare_for_processor
from carseg.runtimes.rounding import pass_on, round_weights, to_bfloat16


def test_errors_do_not_add_up() -> None:
    weight = np.random.default_rng(0).standard_normal((7, 5, 3, 3), np.float32) * 20 + np.float32(0.4)
    rounded = pass_on(weight, np.round)
    assert np.array_equal(rounded, rounded.round()) and rounded.shape == weight.shape
    assert abs(rounded - weight).max() <= 1
    runs = -(-45 // 32)
    assert abs((rounded - weight).sum((1, 2, 3))).max() <= 0.5 * runs + 1e-3
    biased = np.full((1, 1000), 0.4, np.float32)  # each by itself would become 0
    assert abs(float(pass_on(biased, np.round).mean()) - 0.4) < 0.02


def test_bfloat16_is_that_of_torch() -> None:
    values = np.random.default_rng(0).integers(0, 1 << 32, 100_000, np.uint32).view(np.float32)
    values = np.concatenate([values[np.isfinite(values)], np.float32([0, -0.0, 1, 1.00390625, 1.01171875])])
    assert np.array_equal(to_bfloat16(values), torch.from_numpy(values).bfloat16().float().numpy())


def test_errors_cancel_within_each_output() -> None:
    weight = np.random.default_rng(0).standard_normal((8, 6, 2, 2), np.float32)
    for axis in (0, 1):
        rounded = round_weights({"w": weight, "bias": weight}, {"w": axis})
        assert rounded["bias"] is weight
        nearest = to_bfloat16(weight)
        others = tuple({0, 1, 2, 3} - {axis})
        assert abs((rounded["w"] - weight).sum(others)).mean() < abs((nearest - weight).sum(others)).mean()


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float32])
def test_every_kind_of_layer_but_the_last_gets_weights_that_bfloat16_has(precision: torch.dtype) -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(4, 8, 3), nn.ConvTranspose2d(8, 6, 2), nn.Linear(6, 8), nn.Conv2d(8, 3, 1)]
    before = [layer.weight.detach().clone() for layer in layers]
    network = nn.Sequential(*layers)
    network.first_stage = ()
    prepare_for_processor(network, torch.device("cpu"), precision, last=layers[-1])
    changed = [not torch.equal(layer.weight, weight) for layer, weight in zip(layers, before, strict=True)]
    assert changed == [precision == torch.bfloat16] * 3 + [False]
    if precision == torch.bfloat16:
        assert all(torch.equal(layer.weight, layer.weight.bfloat16().float()) for layer in layers[:-1])
