"""Lite R-ASPP on a MobileNetV2 encoder (Howard et al. 2019, https://arxiv.org/abs/1905.02244, section 6.4).

The lightest of the compact networks: a gated 1x1 at stride 16 and a 1x1 on the stride-8 features, summed as logits.
"""

from __future__ import annotations

from torch import Tensor, nn

from carseg.architectures.blocks import conv_bn_relu, upsample
from carseg.architectures.mobilenetv2 import MobileNetV2
from carseg.architectures.network import Network


class LRASPPMobileNetV2(Network):
    """Lite R-ASPP on MobileNetV2: images (N, in_channels, H, W) to logits (N, num_classes, h, w).

    h and w are H / 8 and W / 8, rounded up.
    """

    encoder_prefix = "encoder."
    timm_encoder = "mobilenetv2_100"

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.encoder = MobileNetV2(in_channels, output_stride=16)
        _, _, at8, _, last = self.encoder.channels
        self.local = conv_bn_relu(last, 128, 1)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(last, 128, 1, bias=False), nn.Sigmoid())
        self.low_classifier = nn.Conv2d(at8, num_classes, 1)
        self.high_classifier = nn.Conv2d(128, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        _, _, at8, _, last = self.encoder(x)
        context = self.local(last) * self.gate(last)
        logits = self.low_classifier(at8) + self.high_classifier(upsample(context, at8))
        return (logits,) if self.training else logits


def lraspp_mobilenetv2(num_classes: int, in_channels: int) -> Network:
    return LRASPPMobileNetV2(num_classes, in_channels)
