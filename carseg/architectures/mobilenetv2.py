"""MobileNetV2, the encoder of the compact networks (Sandler et al. 2018, https://arxiv.org/abs/1801.04381).

Parameter names are those of timm's `mobilenetv2_100`, so its ImageNet weights load as they are; written out here
because importing timm takes seconds. Padding is TensorFlow's SAME, which the ImageNet weights of the zoo's recipes were
trained with. The weights that timm downloads were trained with equal padding on both sides: for them every convolution
of stride 2 is shifted by a pixel.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from carseg.architectures.inverted_residual import DepthwiseSeparable, InvertedResidual, SameConv

# (expansion, channels, blocks, stride) per stage: table 2 of the paper.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
# The last stage at each resolution, strides 2, 4, 8, 16, 32, and the channels of its result.
_TAPS = (0, 1, 2, 4, 6)
CHANNELS = tuple(_STAGES[i][1] for i in _TAPS)
_EPS = 1e-5  # of the batch norms


class MobileNetV2(nn.Module):
    """Encoder: images (N, in_channels, H, W) to features at strides 2, 4, 8, 16, 32 with 16, 24, 32, 96, 320 channels.

    With ``output_stride=16`` the last resolution stays at stride 16 and its convolutions are dilated instead.
    """

    def __init__(self, in_channels: int, output_stride: int = 32) -> None:
        super().__init__()
        self.conv_stem = SameConv(in_channels, 32, 3)
        self.bn1 = nn.BatchNorm2d(32, _EPS)
        stages: list[nn.Module] = []
        inputs, reached, dilation = 32, 2, 1
        for expansion, outputs, count, stride in _STAGES:
            blocks: list[nn.Module] = []
            for i in range(count):
                step = stride if i == 0 else 1
                if step * reached > output_stride:
                    step, dilation = 1, dilation * 2
                reached *= step
                if expansion == 1:
                    blocks.append(DepthwiseSeparable(inputs, outputs, eps=_EPS))
                else:
                    block = InvertedResidual(
                        inputs, outputs, expansion, kernel=3, stride=step, dilation=dilation, eps=_EPS
                    )
                    blocks.append(block)
                inputs = outputs
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.relu6(self.bn1(self.conv_stem(x)))
        features = []
        for i, stage in enumerate(self.blocks):
            x = stage(x)
            if i in _TAPS:
                features.append(x)
        return features
