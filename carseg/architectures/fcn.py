"""FCN on a dilated ResNet-50: "Fully Convolutional Networks for Semantic Segmentation", https://arxiv.org/abs/1411.4038.

The network is torchvision's own, under its names: output stride 8, a 3x3 head, auxiliary head on the third stage.
"""

from __future__ import annotations

from torchvision.models.segmentation import fcn_resnet50

from carseg.architectures.blocks import TorchvisionNetwork
from carseg.architectures.network import Network


class FCNResNet50(TorchvisionNetwork):
    """FCN: images (N, in_channels, H, W) to logits (N, num_classes, H, W), likewise the auxiliary output."""


def build(num_classes: int, in_channels: int) -> Network:
    return FCNResNet50(fcn_resnet50, num_classes, in_channels)
