"""U-Net with a ResNeSt encoder: "ResNeSt: Split-Attention Networks", Zhang et al. 2020, https://arxiv.org/abs/2004.08955.

The encoder is timm's, under timm's names, so that its ImageNet weights load. The decoder is a plain U-Net one:
upsample, join the encoder's features of that size, two convolutions; five times, up to full size, where there is
nothing to join.
"""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor, nn

from carseg.architectures.blocks import DoubleConv, upsample
from carseg.architectures.network import Network

_WIDTHS = (256, 128, 64, 32, 16)  # of the decoder, at strides 16, 8, 4, 2, 1


class ResNestUNet(Network):
    """U-Net with a ResNeSt encoder: images (N, in_channels, H, W) to logits (N, num_classes, H, W)."""

    encoder_prefix = "encoder."

    def __init__(self, timm_encoder: str, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.timm_encoder = timm_encoder
        # zero_init_last would leave the convolutions of every residual branch without a gradient at first.
        encoder: Any = timm.create_model(timm_encoder, features_only=True, in_chans=in_channels, zero_init_last=False)
        self.encoder = encoder
        *skips, deepest = encoder.feature_info.channels()
        inputs = [deepest, *_WIDTHS[:-1]]
        joined = [*reversed(skips), 0]
        self.decoder = nn.ModuleList(DoubleConv(a + b, c) for a, b, c in zip(inputs, joined, _WIDTHS, strict=True))
        self.classifier = nn.Conv2d(_WIDTHS[-1], num_classes, 1)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        *skips, out = self.encoder(x)
        *blocks, last = self.decoder
        for block, skip in zip(blocks, reversed(skips), strict=True):
            out = block(torch.cat([upsample(out, skip), skip], 1))
        logits = self.classifier(last(upsample(out, x)))
        return (logits,) if self.training else logits


def resnest50_unet(num_classes: int, in_channels: int) -> Network:
    return ResNestUNet("resnest50d", num_classes, in_channels)


def resnest101_unet(num_classes: int, in_channels: int) -> Network:
    return ResNestUNet("resnest101e", num_classes, in_channels)


def resnest200_unet(num_classes: int, in_channels: int) -> Network:
    return ResNestUNet("resnest200e", num_classes, in_channels)
