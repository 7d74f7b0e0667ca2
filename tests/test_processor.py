"""What depends on the processor: convolutions in parts for AMX, rounded weights and their float32 ends for bfloat16."""

import ast
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from carseg.architectures import Network
from carseg.hub.create import create_model
from carseg.runtimes import cpu, prepare_for_processor
from carseg.runtimes.processor.split import PART, SplitConv2d

WIDE = 2 * PART + 7
CPU = torch.device("cpu")
RUNTIMES = Path(cpu.__file__).parents[1]


@pytest.fixture(autouse=True)
def amx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "has_amx", lambda: True)


class Sequence(Network):
    """Modules one after another, of which the first is the first stage."""

    first_stage = ("0",)

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        for number, module in enumerate(modules):
            self.add_module(str(number), module)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for module in self.children():
            x = module(x)
        return x


def test_parts_add_up_to_the_convolution() -> None:
    torch.manual_seed(0)
    for bias in (True, False):
        network = Sequence(nn.Conv2d(WIDE, 5, 3, stride=2, padding=4, dilation=(2, 3), bias=bias))
        x = torch.randn(2, WIDE, 17, 12, requires_grad=True)
        before = [network(x), *torch.autograd.grad(network(x).square().sum(), [x, *network.parameters()])]
        state = dict(network.state_dict())
        prepare_for_processor(network, CPU, torch.bfloat16)
        assert isinstance(network.get_submodule("0"), SplitConv2d)
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
    network = Sequence(*others)
    prepare_for_processor(network, CPU, torch.bfloat16)
    assert list(network.children()) == others


def test_what_is_split_is_the_pyramid() -> None:
    with torch.device("meta"):
        network = create_model("deeplabv3-resnet50", 11)
    prepare_for_processor(network.eval(), CPU, torch.bfloat16)
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
    network = Sequence(nn.Conv2d(WIDE, 4, 3, dilation=2))
    prepare_for_processor(network, torch.device(device), precision)
    assert type(network.get_submodule("0")) is nn.Conv2d


def dilated(*channels: int) -> list[nn.Conv2d]:
    return [nn.Conv2d(a, b, 1, dilation=2) for a, b in pairwise(channels)]


def test_a_network_that_only_predicts_is_rounded_between_its_float32_ends() -> None:
    torch.manual_seed(0)
    first, middle, last = dilated(WIDE, WIDE, WIDE, 3)
    network = Sequence(first, middle, last)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    assert prepare_for_processor(network, CPU, torch.bfloat16, last=last) == {first, last}
    assert [type(module) for module in network.children()] == [nn.Conv2d, SplitConv2d, nn.Conv2d]  # ends: not for AMX
    changed = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {"1.weight"}
    weight = network.get_parameter("1.weight")
    assert weight.dtype == torch.float32 and torch.equal(weight, weight.bfloat16().float())


def test_what_is_trained_or_computes_in_float32_keeps_its_weights() -> None:
    first, middle, last = dilated(4, 4, 4, 3)
    network = Sequence(first, middle, last)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    assert prepare_for_processor(network, CPU, torch.bfloat16) == set()
    assert prepare_for_processor(network, CPU, torch.float32, last=last) == set()
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_all_that_depends_on_the_processor_has_one_door() -> None:
    """Others ask the door, not the files behind it."""
    wrong = []
    for path in RUNTIMES.parent.rglob("*.py"):
        if path.parent != RUNTIMES / "processor":
            sources = [
                n.module or "" for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.ImportFrom)
            ]
            wrong += [f"{path.name}: {source}" for source in sources if "runtimes.processor." in source]
    assert wrong == []
