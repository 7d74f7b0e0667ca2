"""U-Net: "U-Net: Convolutional Networks for Biomedical Image Segmentation", Ronneberger et al. 2015,
https://arxiv.org/abs/1505.04597.

The variant most people use: padded convolutions, batch norm, transposed 2x2 convolutions on the way up, logits at full
size. Layer names are those of github.com/milesial/Pytorch-UNet (with ``bilinear=False``).
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carseg.architectures.blocks import DoubleConv, pad_small
from carseg.architectures.network import Network, State

_WIDTHS = (64, 128, 256, 512, 1024)
_LEAST_SIDE = 16  # four poolings leave nothing of a smaller image


class Down(nn.Module):
    """Stage of the encoder, which halves height and width (rounded down)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(in_channels, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.maxpool_conv(x)


class Up(nn.Module):
    """Stage of the decoder: doubles height and width, pads to those of the encoder's features, concatenates both.

    Without ``skip`` the encoder's features only give the size.
    """

    def __init__(self, in_channels: int, out_channels: int, *, skip: bool) -> None:
        super().__init__()
        self.skip = skip
        self.up = nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2)
        self.conv = DoubleConv(in_channels if skip else out_channels, out_channels)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        x = self.up(x)
        bottom, right = features.shape[-2] - x.shape[-2], features.shape[-1] - x.shape[-1]
        x = F.pad(x, (right // 2, right - right // 2, bottom // 2, bottom - bottom // 2))
        return self.conv(torch.cat([features, x], 1) if self.skip else x)


class UNet(Network):
    """U-Net: images (N, in_channels, H, W) to logits (N, num_classes, H, W); pads sides below 16 pixels inside."""

    def __init__(self, num_classes: int, in_channels: int, *, skip: bool = True) -> None:
        super().__init__()
        self.inc = DoubleConv(in_channels, _WIDTHS[0])
        for i in range(1, 5):
            self.add_module(f"down{i}", Down(_WIDTHS[i - 1], _WIDTHS[i]))
        for i in range(1, 5):
            self.add_module(f"up{i}", Up(_WIDTHS[5 - i], _WIDTHS[4 - i], skip=skip))
        self.outc = nn.Sequential(OrderedDict(conv=nn.Conv2d(_WIDTHS[0], num_classes, 1)))

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        height, width = x.shape[-2:]
        features = [self.inc(pad_small(x, _LEAST_SIDE))]
        for i in range(1, 5):
            features.append(self.get_submodule(f"down{i}")(features[-1]))
        out = features.pop()
        for i in range(1, 5):
            out = self.get_submodule(f"up{i}")(out, features.pop())
        logits = self.outc(out)[..., :height, :width]
        return (logits,) if self.training else logits


def convert_public(state: State) -> State:
    """Return the weights of milesial/Pytorch-UNet, whose checkpoints also hold the label values of their masks."""
    return {key: value for key, value in state.items() if key != "mask_values"}


def unet(num_classes: int, in_channels: int) -> UNet:
    return UNet(num_classes, in_channels)


def unet_noskip(num_classes: int, in_channels: int) -> UNet:
    """Return U-Net without its skip connections (the paper's copy-and-crop), an ablation of them."""
    return UNet(num_classes, in_channels, skip=False)
