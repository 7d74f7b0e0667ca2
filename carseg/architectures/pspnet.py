"""PSPNet on a dilated ResNet-50: "Pyramid Scene Parsing Network", Zhao et al. 2017, https://arxiv.org/abs/1612.01105.

As in github.com/hszhao/semseg, under its names: a stem of three 3x3 convolutions, every 3x3 of the last two stages
dilated (the first block of a stage too), pooling to 1, 2, 3, 6 cells, interpolation with align_corners True. That
interpolation needs sides of 8k + 1 pixels; others, which the reference refuses, are padded inside.
"""

from __future__ import annotations

from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carseg.architectures.blocks import conv_bn_relu, fit_to
from carseg.architectures.network import Network

_BINS = (1, 2, 3, 6)


class CellMeans(nn.AdaptiveAvgPool2d):
    """Adaptive average pooling, (N, C, h, w) to (N, C, cells, cells).

    In an exported network, and on Apple's GPUs, it is computed as two matrix products: ONNX has no adaptive pooling for
    free sizes, PyTorch of 2025 has none on Metal for sides that ``cells`` does not divide.
    """

    def __init__(self, cells: int) -> None:
        super().__init__(cells)
        self.cells = cells

    def forward(self, x: Tensor) -> Tensor:
        if not torch.compiler.is_compiling() and x.device.type != "mps":
            return super().forward(x)
        return self._weights(x.shape[-2], x) @ x @ self._weights(x.shape[-1], x).T

    def _weights(self, side: int, x: Tensor) -> Tensor:
        """Return each position's weight in each cell's mean, (cells, side); cells overlap where they do not fit."""
        cell = torch.arange(self.cells, device=x.device)[:, None]
        first, last = cell * side // self.cells, ((cell + 1) * side + self.cells - 1) // self.cells
        position = torch.arange(side, device=x.device)
        return ((position >= first) & (position < last)).to(x.dtype) / (last - first)


class PyramidPooling(nn.Module):
    """Pyramid pooling, (N, 2048, h, w) to (N, 4096, h, w): the features and four coarse summaries of them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        width = channels // len(_BINS)
        self.features = nn.ModuleList(
            nn.Sequential(CellMeans(cells), *conv_bn_relu(channels, width, 1)) for cells in _BINS
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, *(_stretch(pooled(x), *x.shape[-2:]) for pooled in self.features)], 1)


class PSPNet(Network):
    """PSPNet: images (N, in_channels, H, W) to logits (N, num_classes, H, W), likewise the auxiliary output."""

    encoder_prefix = "layer"
    training_only = ("aux",)
    loss_weights = (1.0, 0.4)

    aux: nn.Module | None

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        resnet: Any = timm.create_model("resnet50s", in_chans=in_channels, zero_init_last=False)
        self.layer0 = nn.Sequential(*resnet.conv1, resnet.bn1, resnet.act1, resnet.maxpool)
        self.layer1, self.layer2 = resnet.layer1, resnet.layer2
        self.layer3, self.layer4 = _dilate(resnet.layer3, 2), _dilate(resnet.layer4, 4)
        self.ppm = PyramidPooling(2048)
        self.cls = _head(4096, 512, num_classes)
        self.aux = _head(1024, 256, num_classes)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        height, width = x.shape[-2:]
        native = height + (1 - height) % 8, width + (1 - width) % 8
        third = self.layer3(self.layer2(self.layer1(self.layer0(fit_to(x, *native)))))
        logits = fit_to(_stretch(self.cls(self.ppm(self.layer4(third))), *native), height, width)
        if not self.training:
            return logits
        if self.aux is None:
            return (logits,)
        return logits, fit_to(_stretch(self.aux(third), *native), height, width)

    def timm_key(self, key: str) -> str:
        if key.startswith("layer0.7."):
            return key.replace("layer0.7.", "bn1.")
        return key.replace("layer0.", "conv1.")


def _head(channels: int, width: int, num_classes: int) -> nn.Sequential:
    return nn.Sequential(*conv_bn_relu(channels, width, 3), nn.Dropout2d(0.1), nn.Conv2d(width, num_classes, 1))


def _dilate(stage: Any, dilation: int) -> Any:
    """Replace the stride of a ResNet stage by dilation, in place, and return the stage."""
    for block in stage:
        block.conv2.stride, block.conv2.dilation, block.conv2.padding = (1, 1), (dilation,) * 2, (dilation,) * 2
    stage[0].downsample[0].stride = (1, 1)
    return stage


def _stretch(x: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(x, size=(height, width), mode="bilinear", align_corners=True)
