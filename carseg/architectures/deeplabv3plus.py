"""DeepLabv3+ on a dilated ResNet-50: Chen et al. 2018, https://arxiv.org/abs/1802.02611.

As in github.com/VainF/DeepLabV3Plus-Pytorch with output stride 8, under its names: pyramid rates 12, 24, 36, and one
3x3 convolution (the paper has two) after joining the stride-4 features.
"""

from __future__ import annotations

import timm
import torch
from torch import Tensor, nn
from torchvision.models.segmentation.deeplabv3 import ASPP

from carseg.architectures.blocks import conv_bn_relu, upsample
from carseg.architectures.network import Network


class Head(nn.Module):
    """Head: features of stride 4 (N, 256, h, w) and of stride 8 (N, 2048, h', w') to logits (N, num_classes, h, w)."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.project = conv_bn_relu(256, 48, 1)
        self.aspp = ASPP(2048, (12, 24, 36))
        self.aspp.project[3] = nn.Dropout(0.1)  # torchvision's is 0.5
        self.classifier = nn.Sequential(*conv_bn_relu(48 + 256, 256, 3), nn.Conv2d(256, num_classes, 1))

    def forward(self, low_level: Tensor, deep: Tensor) -> Tensor:
        low_level = self.project(low_level)
        return self.classifier(torch.cat([low_level, upsample(self.aspp(deep), low_level)], 1))


class DeepLabV3Plus(Network):
    """DeepLabv3+: images (N, in_channels, H, W) to logits (N, num_classes, H, W)."""

    encoder_prefix = "backbone."
    timm_encoder = "resnet50"
    first_stage = ("backbone.conv1", "backbone.layer1")

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.backbone = timm.create_model(
            self.timm_encoder,
            features_only=True,
            out_indices=(1, 4),
            output_stride=8,
            in_chans=in_channels,
            zero_init_last=False,
        )
        self.classifier = Head(num_classes)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        logits = upsample(self.classifier(*self.backbone(x)), x)
        return (logits,) if self.training else logits
