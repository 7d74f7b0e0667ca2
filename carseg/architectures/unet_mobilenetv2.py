"""U-Net decoder on a MobileNetV2 encoder.

The encoder's five resolutions meet in a U-Net decoder (Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597) that
stops at stride 4, with ParseNet's pooled context (Liu et al. 2015, https://arxiv.org/abs/1506.04579) at the bottom:
which side of a car is seen is a question about the whole image. Full convolutions in the decoder, because on a CPU
they cost little more than depthwise ones at these sizes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carseg.architectures.blocks import conv_bn_relu, upsample
from carseg.architectures.mobilenetv2 import MobileNetV2
from carseg.architectures.network import Network


class Context(nn.Module):
    """Pooled context: projects every position and adds a projection of the mean over the whole image."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.local = conv_bn_relu(inputs, outputs, 1)
        self.pooled = nn.Conv2d(inputs, outputs, 1)  # no batch norm: a batch of one has no statistics after pooling

    def forward(self, x: Tensor) -> Tensor:
        return self.local(x) + F.relu(self.pooled(x.mean((2, 3), keepdim=True)))


class Up(nn.Module):
    """Stage of the decoder: upsamples to the size of the skip features, concatenates both, convolves twice."""

    def __init__(self, inputs: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(conv_bn_relu(inputs + skip, outputs, 3), conv_bn_relu(outputs, outputs, 3))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.conv(torch.cat([skip, upsample(x, skip)], 1))


class UNetMobileNetV2(Network):
    """U-Net decoder on MobileNetV2: images (N, in_channels, H, W) to logits (N, num_classes, h, w).

    h and w are H / 4 and W / 4, rounded up.
    """

    encoder_prefix = "encoder."
    timm_encoder = "mobilenetv2_100"

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.encoder = MobileNetV2(in_channels)
        _, at4, at8, at16, at32 = self.encoder.channels
        self.context = Context(at32, 192)
        self.up16 = Up(192, at16, 128)
        self.up8 = Up(128, at8, 96)
        self.up4 = Up(96, at4, 64)
        self.dropout = nn.Dropout2d(0.1)
        self.classifier = nn.Conv2d(64, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        _, at4, at8, at16, at32 = self.encoder(x)
        x = self.up16(self.context(at32), at16)
        x = self.up4(self.up8(x, at8), at4)
        logits = self.classifier(self.dropout(x))
        return (logits,) if self.training else logits


def unet_mobilenetv2(num_classes: int, in_channels: int) -> Network:
    return UNetMobileNetV2(num_classes, in_channels)
