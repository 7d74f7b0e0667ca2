"""U^2-Net: "U^2-Net: Going Deeper with Nested U-Structure for Salient Object Detection", Qin et al. 2020,
https://arxiv.org/abs/2005.09007.

A U-Net whose every stage is a small U-Net itself. Layer names are those of github.com/xuebinqin/U-2-Net. The reference
ends in a sigmoid; here the outputs are logits. Its public weights expect the image divided by its own maximum
(``InputSpec.scale``).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carseg.architectures.blocks import upsample
from carseg.architectures.network import Network


class Stage(NamedTuple):
    """Sizes of a residual U-block: number of levels, channels, and whether it dilates instead of pooling."""

    levels: int
    inside: int
    middle: int
    out: int
    dilated: bool = False


class ConvBlock(nn.Module):
    """3x3 convolution (with a bias, although batch norm follows), batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv_s1 = nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation)
        self.bn_s1 = nn.BatchNorm2d(out_channels)
        self.relu_s1 = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu_s1(self.bn_s1(self.conv_s1(x)))


class ResidualUBlock(nn.Module):
    """Residual U-block, (N, inside, H, W) to (N, out, H, W).

    The paper's RSU-7, RSU-6, RSU-5 and RSU-4 by number of levels; RSU-4F when dilated.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.levels, self.dilated = stage.levels, stage.dilated
        middle, out = stage.middle, stage.out
        dilations = [2**i if stage.dilated else 1 for i in range(stage.levels)]
        if not stage.dilated:
            dilations[-1] = 2
        self.rebnconvin = ConvBlock(stage.inside, out)
        for i, dilation in enumerate(dilations, 1):
            self.add_module(f"rebnconv{i}", ConvBlock(out if i == 1 else middle, middle, dilation))
        for i in range(stage.levels - 1, 0, -1):
            block = ConvBlock(2 * middle, out if i == 1 else middle, dilations[i - 1])
            self.add_module(f"rebnconv{i}d", block)

    def forward(self, x: Tensor) -> Tensor:
        entered = self.rebnconvin(x)
        skips = [self.get_submodule("rebnconv1")(entered)]
        for i in range(2, self.levels):
            below = skips[-1] if self.dilated else _pool(skips[-1])
            skips.append(self.get_submodule(f"rebnconv{i}")(below))
        out = self.get_submodule(f"rebnconv{self.levels}")(skips[-1])
        for i in range(self.levels - 1, 0, -1):
            if not self.dilated and i < self.levels - 1:
                out = upsample(out, skips[i - 1])
            out = self.get_submodule(f"rebnconv{i}d")(torch.cat([out, skips[i - 1]], 1))
        return out + entered


class U2Net(Network):
    """U^2-Net: images (N, in_channels, H, W) to logits (N, num_classes, H, W).

    In training mode it has seven outputs of that size: the fused one, then those of the six levels it is fused from.

    Args:
        num_classes: number of output channels.
        down: stages 1 to 6.
        up: stages 5 to 1 of the decoder.
    """

    loss_weights = (1.0,) * 7

    def __init__(self, num_classes: int, down: tuple[Stage, ...], up: tuple[Stage, ...]) -> None:
        super().__init__()
        for i, stage in enumerate(down, 1):
            self.add_module(f"stage{i}", ResidualUBlock(stage))
        for i, stage in zip(range(5, 0, -1), up, strict=True):
            self.add_module(f"stage{i}d", ResidualUBlock(stage))
        for i, stage in enumerate((*reversed(up), down[-1]), 1):
            self.add_module(f"side{i}", nn.Conv2d(stage.out, num_classes, 3, padding=1))
        self.outconv = nn.Conv2d(6 * num_classes, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        features = [self.get_submodule("stage1")(x)]
        for i in range(2, 7):
            features.append(self.get_submodule(f"stage{i}")(_pool(features[-1])))
        out = features[-1]
        sides = [self.get_submodule("side6")(out)]
        for i in range(5, 0, -1):
            skip = features[i - 1]
            out = self.get_submodule(f"stage{i}d")(torch.cat([upsample(out, skip), skip], 1))
            sides.insert(0, self.get_submodule(f"side{i}")(out))
        sides = [sides[0], *(upsample(side, sides[0]) for side in sides[1:])]
        fused = self.outconv(torch.cat(sides, 1))
        return (fused, *sides) if self.training else fused


def _pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2, stride=2, ceil_mode=True)


def u2net(num_classes: int, in_channels: int) -> U2Net:
    down = (
        Stage(7, in_channels, 32, 64),
        Stage(6, 64, 32, 128),
        Stage(5, 128, 64, 256),
        Stage(4, 256, 128, 512),
        Stage(4, 512, 256, 512, dilated=True),
        Stage(4, 512, 256, 512, dilated=True),
    )
    up = (
        Stage(4, 1024, 256, 512, dilated=True),
        Stage(4, 1024, 128, 256),
        Stage(5, 512, 64, 128),
        Stage(6, 256, 32, 64),
        Stage(7, 128, 16, 64),
    )
    return U2Net(num_classes, down, up)


def u2netp(num_classes: int, in_channels: int) -> U2Net:
    """Return the small variant of U^2-Net, 1.1 million parameters."""
    levels = ((7, False), (6, False), (5, False), (4, False), (4, True), (4, True))
    down = tuple(Stage(n, 64 if i else in_channels, 16, 64, dilated) for i, (n, dilated) in enumerate(levels))
    up = tuple(Stage(n, 128, 16, 64, dilated) for n, dilated in levels[4::-1])
    return U2Net(num_classes, down, up)
