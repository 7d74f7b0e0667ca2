"""DeepLabv3+ on a MobileNetV2 encoder, output stride 16 (Chen et al. 2018, https://arxiv.org/abs/1802.02611, section
4.2).

Atrous separable convolutions with rates 6, 12, 18 in the pyramid and in the decoder, as the paper's mobile variant has
them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carseg.architectures.mobilenetv2 import CHANNELS, MobileNetV2
from carseg.architectures.network import Network
from carseg.registry import register


def _conv_bn_relu(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _separable(inputs: int, outputs: int, dilation: int = 1) -> nn.Sequential:
    depthwise = nn.Conv2d(inputs, inputs, 3, padding=dilation, dilation=dilation, groups=inputs, bias=False)
    return nn.Sequential(depthwise, nn.BatchNorm2d(inputs), nn.ReLU(inplace=True), *_conv_bn_relu(inputs, outputs))


class DeepLabV3PlusMobileNetV2(Network):
    """Logits at stride 4."""

    encoder_prefix = "encoder."
    timm_encoder = "mobilenetv2_100"

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        _, at4, _, _, last = CHANNELS
        self.encoder = MobileNetV2(in_channels, output_stride=16)
        self.aspp = nn.ModuleList([_conv_bn_relu(last, 256), *(_separable(last, 256, rate) for rate in (6, 12, 18))])
        self.pooled = nn.Conv2d(last, 256, 1)  # no batch norm: a batch of one has no statistics after pooling
        self.project = nn.Sequential(_conv_bn_relu(5 * 256, 256), nn.Dropout(0.1))
        self.low_level = _conv_bn_relu(at4, 48)
        self.classifier = nn.Sequential(_separable(256 + 48, 256), _separable(256, 256), nn.Conv2d(256, num_classes, 1))

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        _, at4, _, _, last = self.encoder(x)
        pooled = F.relu(self.pooled(last.mean((2, 3), keepdim=True))).expand(-1, -1, *last.shape[-2:])
        context = self.project(torch.cat([*(branch(last) for branch in self.aspp), pooled], 1))
        context = F.interpolate(context, size=at4.shape[-2:], mode="bilinear", align_corners=False)
        logits = self.classifier(torch.cat([self.low_level(at4), context], 1))
        return (logits,) if self.training else logits


@register("deeplabv3plus-mobilenetv2")
def deeplabv3plus_mobilenetv2(num_classes: int, in_channels: int) -> Network:
    return DeepLabV3PlusMobileNetV2(num_classes, in_channels)
