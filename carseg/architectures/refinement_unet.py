"""Small U-Net that redraws the outline of an object in a window of an image, given a coarse answer as another channel.

The idea is that of boundary patch refinement (Tang et al. 2021, https://arxiv.org/abs/2104.05239) and of the refiner in
background matting v2 (Lin et al. 2020, https://arxiv.org/abs/2012.07810). The first layer leaves full resolution at
once and the last one returns to it, so that a window costs a quarter of what a U-Net at full resolution would; the way
up adds (as in an FPN) instead of concatenating, for the same reason.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from carseg.architectures.blocks import conv_bn_relu, fit_to, upsample
from carseg.architectures.network import Network

_CHANNELS = (32, 48, 64, 96)  # at stride 2, 4, 8 and 16


class RefinementUNet(Network):
    """Logits at full resolution.

    Args:
        in_channels: those of the image and of the coarse answer together.
    """

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        first = _CHANNELS[0]
        self.stem = _down(in_channels, first, 5)
        self.down = nn.ModuleList(_down(a, b, 3) for a, b in pairwise(_CHANNELS))
        self.encode = nn.ModuleList(conv_bn_relu(width, width, 3) for width in _CHANNELS)
        self.reduce = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(_CHANNELS))
        self.decode = nn.ModuleList(conv_bn_relu(width, width, 3) for width in _CHANNELS[:-1])
        self.num_classes = num_classes
        self.classifier = nn.Conv2d(first, 4 * num_classes, 1)  # all classes of one of four pixels, then of the next

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        height, width = x.shape[-2:]
        y, levels = x, []
        for down, encode in zip((self.stem, *self.down), self.encode, strict=True):
            y = encode(down(y))
            levels.append(y)
        for level, reduce, decode in reversed([*zip(levels[:-1], self.reduce, self.decode, strict=True)]):
            y = decode(level + upsample(reduce(y), level))
        pixels = self.classifier(y).unflatten(1, (4, self.num_classes)).transpose(1, 2).flatten(1, 2)
        logits = fit_to(functional.pixel_shuffle(pixels, 2), height, width)
        return (logits,) if self.training else logits


def _down(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=2, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
