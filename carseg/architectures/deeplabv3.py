"""DeepLabv3 on a dilated ResNet-50: Chen et al. 2017, https://arxiv.org/abs/1706.05587.

The network is torchvision's own, under its names: output stride 8, pyramid rates 12, 24, 36, auxiliary head on the
third stage.
"""

from __future__ import annotations

from torch import nn
from torchvision.models.segmentation import DeepLabV3, deeplabv3_resnet50

from carseg.architectures.blocks import TorchvisionNetwork
from carseg.architectures.network import Network
from carseg.registry import register


class DeepLabV3ResNet50(TorchvisionNetwork, DeepLabV3):
    """Input (N, in_channels, H, W), logits (N, num_classes, H, W); the auxiliary output has that size too."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        net = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=num_classes, aux_loss=True)
        if in_channels != 3:
            net.backbone["conv1"] = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        super().__init__(net.backbone, net.classifier, net.aux_classifier)


@register("deeplabv3-resnet50")
def build(num_classes: int, in_channels: int) -> Network:
    return DeepLabV3ResNet50(num_classes, in_channels)
