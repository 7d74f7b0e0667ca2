"""Feature pyramid decoder on a small encoder: carseg's compact networks.

Lateral 1x1 convolutions are added on the way down from stride 16 to 4, as in a semantic FPN (Kirillov et al. 2019,
https://arxiv.org/abs/1901.02446), each sum followed by a residual 3x3; at the top stands Lite R-ASPP's gated context
(Howard et al. 2019, https://arxiv.org/abs/1905.02244), because which side of a car is seen is a question about the
whole image. Sums make the way from the loss to every resolution of the encoder short, so it learns from few images in
little time.
"""

from __future__ import annotations

from torch import Tensor, nn

from carseg.architectures.blocks import conv_bn_relu, upsample
from carseg.architectures.efficientnet_lite import EfficientNetLite
from carseg.architectures.inverted_residual import InvertedResidualEncoder
from carseg.architectures.mobilenetv2 import MobileNetV2
from carseg.architectures.network import Network


class Merge(nn.Module):
    """Top-down step: upsamples to the size of the lateral features, adds them, refines the sum by a residual 3x3."""

    def __init__(self, inputs: int, lateral: int, outputs: int) -> None:
        super().__init__()
        self.reduce = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)
        self.lateral = nn.Sequential(nn.Conv2d(lateral, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.refine = conv_bn_relu(outputs, outputs, 3)

    def forward(self, x: Tensor, lateral: Tensor) -> Tensor:
        x = upsample(self.reduce(x), lateral) + self.lateral(lateral)
        return x + self.refine(x)


class FPN(Network):
    """Logits at stride 4.

    Args:
        encoder: of output stride 16.
        timm_encoder: what timm calls the encoder.
    """

    encoder_prefix = "encoder."

    def __init__(self, encoder: InvertedResidualEncoder, timm_encoder: str, num_classes: int) -> None:
        super().__init__()
        self.timm_encoder = timm_encoder
        _, at4, at8, _, last = encoder.channels
        self.encoder = encoder
        self.local = conv_bn_relu(last, 128, 1)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(last, 128, 1, bias=False), nn.Sigmoid())
        self.merge8 = Merge(128, at8, 128)
        self.merge4 = Merge(128, at4, 96)
        self.dropout = nn.Dropout2d(0.1)
        self.classifier = nn.Conv2d(96, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        _, at4, at8, _, last = self.encoder(x)
        context = self.local(last) * self.gate(last)
        x = self.merge4(self.merge8(context, at8), at4)
        logits = self.classifier(self.dropout(x))
        return (logits,) if self.training else logits


def fpn_mobilenetv2(num_classes: int, in_channels: int) -> Network:
    return FPN(MobileNetV2(in_channels, output_stride=16), "mobilenetv2_100", num_classes)


def fpn_efficientnet_lite1(num_classes: int, in_channels: int) -> Network:
    return FPN(EfficientNetLite("lite1", in_channels, output_stride=16), "tf_efficientnet_lite1", num_classes)
