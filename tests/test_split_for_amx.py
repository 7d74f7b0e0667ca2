"""Dilated convolutions of many channels, computed in parts."""

import pytest
import torch
from torch import nn

from carseg.hub.create import create_model
from carseg.runtimes import cpu
from carseg.runtimes.split import PART, SplitConv2d, split_for_amx

WIDE = 2 * PART + 7
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def amx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "has_amx", lambda: True)


def test_parts_add_up_to_the_convolution() -> None:
    torch.manual_seed(0)
    for bias in (True, False):
        network = nn.Sequential(nn.Conv2d(WIDE, 5, 3, stride=2, padding=4, dilation=(2, 3), bias=bias))
        x = torch.randn(2, WIDE, 17, 12, requires_grad=True)
        before = [network(x), *torch.autograd.grad(network(x).square().sum(), [x, *network.parameters()])]
        state = dict(network.state_dict())
        split_for_amx(network, CPU, torch.bfloat16)
        assert isinstance(network[0], SplitConv2d)
        after = [network(x), *torch.autograd.grad(network(x).square().sum(), [x, *network.parameters()])]
        for mine, whole in zip(after, before, strict=True):
            torch.testing.assert_close(mine, whole, rtol=1e-3, atol=1e-3)
        assert list(network.state_dict()) == list(state)
        assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


def test_other_convolutions_stay_as_they_are() -> None:
    others = [
        nn.Conv2d(WIDE, 4, 3),
        nn.Conv2d(PART, 4, 3, dilation=2),
        nn.Conv2d(2 * PART, 2 * PART, 3, dilation=2, groups=2 * PART),
    ]
    network = nn.Sequential(*others)
    split_for_amx(network, CPU, torch.bfloat16)
    assert list(network) == others


def test_what_is_split_is_the_pyramid() -> None:
    with torch.device("meta"):
        network = create_model("deeplabv3-resnet50", 11)
    split_for_amx(network.eval(), CPU, torch.bfloat16)
    found = {module.dilation: name for name, module in network.named_modules() if isinstance(module, SplitConv2d)}
    assert sorted(found) == [(12, 12), (24, 24), (36, 36)]
    assert all(name.startswith("classifier.") and not network.get_submodule(name).training for name in found.values())


@pytest.mark.parametrize(
    ("amx", "device", "precision"),
    [(False, "cpu", torch.bfloat16), (True, "cuda", torch.bfloat16), (True, "cpu", torch.float32)],
)
def test_without_amx_nothing_is_split(
    monkeypatch: pytest.MonkeyPatch, amx: bool, device: str, precision: torch.dtype
) -> None:
    monkeypatch.setattr(cpu, "has_amx", lambda: amx)
    network = nn.Sequential(nn.Conv2d(WIDE, 4, 3, dilation=2))
    split_for_amx(network, torch.device(device), precision)
    assert type(network[0]) is nn.Conv2d
