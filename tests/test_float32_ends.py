"""In bfloat16 the first stage and the last convolution compute in float32, whatever runs the network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import carseg
from carseg import runtimes
from carseg.architectures.network import Network
from carseg.architectures.registry import _registered, list_architectures
from carseg.hub.create import create_model
from carseg.hub.save import save_model
from carseg.labels import label_set

from color_hub import SIDE, write_model

STEP = 2.0**-12  # bfloat16 has it, but not beside 1
LAST = 257 / 256  # bfloat16 does not have it


class Residual(nn.Module):
    """Takes the second of two channels from both."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([[0.0, -1.0], [0.0, -1.0]]).view(2, 2, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.conv(x)).relu()


class Difference(Network):
    """By how many steps red is more than green, and that times ``LAST``."""

    first_stage = ("stem", "stage")

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.stem, self.middle = nn.Conv2d(in_channels, 2, 1, bias=False), nn.Conv2d(2, 1, 1, bias=False)
        self.stage, self.head = Residual(), nn.Conv2d(1, num_classes, 1, bias=False)
        with torch.no_grad():
            self.stem.weight.copy_(torch.eye(3)[:2, :, None, None])
            self.middle.weight.fill_(1)
            self.head.weight.copy_(torch.tensor([1, LAST]).view(2, 1, 1, 1) / STEP)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        x = nn.functional.max_pool2d(self.stem(x).relu(), 3, 2, 1)
        return self.head(self.middle(self.stage(x)))


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_neither_the_image_nor_the_logits_are_rounded(
    runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not runtimes.installed(runtime):
        pytest.skip(f"{runtime} is not installed")
    monkeypatch.setenv("CARSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(_registered, "difference", Difference)
    info = replace(write_model(tmp_path), architecture="difference", labels=label_set("two", ("background", "car")))
    save_model(tmp_path / "difference", Difference(2, 3), info)
    image = np.ones((1, 3, SIDE, SIDE), np.float32)
    image[:, 0] += 65 * STEP
    logits = carseg.load(tmp_path / "difference", device="cpu", runtime=runtime, precision="bfloat16").runtime(image)
    assert (logits[:, 0] == 65).all()
    assert (logits[:, 1] == 65 * LAST).all()


@pytest.mark.parametrize("name", list_architectures())
def test_first_stages_are_there(name: str) -> None:
    with torch.device("meta"):
        network = create_model(name, 2)
    assert all(list(network.get_submodule(part).parameters()) for part in network.first_stage)
