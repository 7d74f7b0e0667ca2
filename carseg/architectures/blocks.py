"""Building blocks that more than one architecture uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carseg.architectures.network import Network


def conv_bn_relu(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Return a convolution that leaves the size as it is, batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class DoubleConv(nn.Sequential):
    """Two padded 3x3 convolutions, each with batch norm and ReLU, under the layer names of the public U-Net."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        first, second = conv_bn_relu(in_channels, out_channels, 3), conv_bn_relu(out_channels, out_channels, 3)
        self.double_conv = nn.Sequential(*first, *second)


class TorchvisionNetwork(Network):
    """Base of torchvision's segmentation networks, with the forward pass that ``Network`` promises.

    torchvision's returns a dictionary and runs the auxiliary head in evaluation mode too.

    Args:
        make: torchvision's function that builds the network.
        num_classes: number of output channels.
        in_channels: number of input channels.
    """

    encoder_prefix = "backbone."
    timm_encoder = "resnet50"
    training_only = ("aux_classifier",)
    first_stage = ("backbone.conv1", "backbone.layer1")  # 2 to 3 % of the multiplications
    loss_weights = (1.0, 0.4)  # as PSPNet's paper chose them: Zhao et al. 2017, https://arxiv.org/abs/1612.01105

    aux_classifier: nn.Module | None

    def __init__(self, make: Callable[..., Any], num_classes: int, in_channels: int) -> None:
        super().__init__()
        net = make(weights=None, weights_backbone=None, num_classes=num_classes, aux_loss=True)
        self.backbone, self.classifier, self.aux_classifier = net.backbone, net.classifier, net.aux_classifier
        if in_channels != 3:
            self.backbone["conv1"] = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        features = self.backbone(x)
        logits = upsample(self.classifier(features["out"]), x)
        if not self.training:
            return logits
        if self.aux_classifier is None:
            return (logits,)
        return logits, upsample(self.aux_classifier(features["aux"]), x)


def upsample(x: Tensor, like: Tensor) -> Tensor:
    """Return ``x`` (N, C, h, w) at the height and width of ``like``: bilinear, align_corners False."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def fit_to(x: Tensor, height: int, width: int) -> Tensor:
    """Return ``x`` (N, C, h, w) at a size: cut at the bottom and right, or its last row and column repeated there."""
    # By index: padding and slicing would restrict an exported network to sizes that need as much of it as the example.
    rows = torch.arange(height, device=x.device).clamp(max=x.shape[-2] - 1)
    columns = torch.arange(width, device=x.device).clamp(max=x.shape[-1] - 1)
    return x.index_select(-2, rows).index_select(-1, columns)


def pad_small(x: Tensor, side: int) -> Tensor:
    """Return ``x`` (N, C, h, w) grown to at least ``side`` in height and width by repeating its last row and column."""
    height, width = x.shape[-2:]
    if height >= side and width >= side:
        return x
    return fit_to(x, max(height, side), max(width, side))
