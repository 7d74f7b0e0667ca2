"""DeepLabv3 on a dilated ResNet-50: Chen et al. 2017, https://arxiv.org/abs/1706.05587.

The network is torchvision's own, under its names: output stride 8, pyramid rates 12, 24, 36, auxiliary head on the
third stage.
"""

from __future__ import annotations

from torchvision.models.segmentation import deeplabv3_resnet50

from carseg.architectures.blocks import TorchvisionNetwork
from carseg.architectures.network import Network


class DeepLabV3ResNet50(TorchvisionNetwork):
    """DeepLabv3: images (N, in_channels, H, W) to logits (N, num_classes, H, W), likewise the auxiliary output."""


def build(num_classes: int, in_channels: int) -> Network:
    return DeepLabV3ResNet50(deeplabv3_resnet50, num_classes, in_channels)
