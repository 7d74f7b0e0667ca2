"""Weights rounded so that their errors cancel."""

import torch
from torch import nn

from carseg.runtimes.rounding import pass_on, round_weights


def test_errors_do_not_add_up() -> None:
    weight = torch.randn(7, 5, 3, 3, generator=torch.Generator().manual_seed(0)) * 20 + 0.4
    rounded = pass_on(weight, torch.round)
    assert torch.equal(rounded, rounded.round()) and rounded.shape == weight.shape
    assert (rounded - weight).abs().max() <= 1
    runs = -(-45 // 32)
    assert (rounded - weight).sum((1, 2, 3)).abs().max() <= 0.5 * runs + 1e-3
    biased = torch.full((1, 1000), 0.4)  # each by itself would become 0
    assert abs(float(pass_on(biased, torch.round).mean()) - 0.4) < 0.02


def test_every_kind_of_layer_gets_weights_that_bfloat16_has() -> None:
    torch.manual_seed(0)
    left = nn.Conv2d(8, 3, 1)
    layers = [nn.Conv2d(4, 8, 3), nn.ConvTranspose2d(8, 6, 2), nn.Linear(6, 8)]
    before = [layer.weight.detach().clone() for layer in (*layers, left)]
    round_weights(nn.Sequential(*layers, left), but=[left])
    assert torch.equal(left.weight, before[-1])
    for layer, weight in zip(layers, before, strict=False):
        assert torch.equal(layer.weight, layer.weight.bfloat16().float()) and not torch.equal(layer.weight, weight)
        axes = [axis for axis in range(weight.ndim) if axis != (1 if isinstance(layer, nn.ConvTranspose2d) else 0)]
        nearest = weight.bfloat16().float()
        assert (layer.weight - weight).sum(axes).abs().mean() < (nearest - weight).sum(axes).abs().mean()
