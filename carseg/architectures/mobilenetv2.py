"""MobileNetV2, the encoder of the compact networks (Sandler et al. 2018, https://arxiv.org/abs/1801.04381).

Parameter names are those of timm's `mobilenetv2_100`, so its ImageNet weights load as they are; written out here
because importing timm takes seconds. Padding is TensorFlow's SAME, which the ImageNet weights of the zoo's recipes were
trained with. The weights that timm downloads were trained with equal padding on both sides: for them every convolution
of stride 2 is shifted by a pixel.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

# (expansion, channels, blocks, stride) per stage: table 2 of the paper.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
# The last stage at each resolution, strides 2, 4, 8, 16, 32, and the channels of its result.
_TAPS = (0, 1, 2, 4, 6)
CHANNELS = tuple(_STAGES[i][1] for i in _TAPS)


class SameConv(nn.Conv2d):
    """3x3 convolution with TensorFlow's SAME padding: with stride 2 an even side is padded on its far end only."""

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == (1, 1):
            return super().forward(x)
        height, width = x.shape[-2:]
        x = F.pad(x, (width % 2, 1, height % 2, 1))
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, 1, self.groups)


def _conv3x3(inputs: int, outputs: int, stride: int, dilation: int, groups: int) -> nn.Conv2d:
    kind = SameConv if stride == 2 else nn.Conv2d
    return kind(inputs, outputs, 3, stride, dilation, dilation, groups, bias=False)


class DepthwiseSeparable(nn.Module):
    """Block of the first stage, which does not expand: depthwise 3x3, linear 1x1."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_dw = _conv3x3(inputs, inputs, 1, 1, inputs)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv_pw = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self.bn1(self.conv_dw(x)))
        return self.bn2(self.conv_pw(x))


class InvertedResidual(nn.Module):
    """Block that expands by a 1x1, filters by a depthwise 3x3 and projects by a linear 1x1 (figure 4 of the paper).

    Where input and output have the same shape, the input is added.
    """

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, dilation: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.conv_pw = nn.Conv2d(inputs, hidden, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.conv_dw = _conv3x3(hidden, hidden, stride, dilation, hidden)
        self.bn2 = nn.BatchNorm2d(hidden)
        self.conv_pwl = nn.Conv2d(hidden, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.bn1(self.conv_pw(x)))
        y = F.relu6(self.bn2(self.conv_dw(y)))
        y = self.bn3(self.conv_pwl(y))
        return x + y if self.shortcut else y


class MobileNetV2(nn.Module):
    """Encoder: images (N, in_channels, H, W) to features at strides 2, 4, 8, 16, 32 with 16, 24, 32, 96, 320 channels.

    With ``output_stride=16`` the last resolution stays at stride 16 and its convolutions are dilated instead.
    """

    def __init__(self, in_channels: int, output_stride: int = 32) -> None:
        super().__init__()
        self.conv_stem = SameConv(in_channels, 32, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
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
                    blocks.append(DepthwiseSeparable(inputs, outputs))
                else:
                    blocks.append(InvertedResidual(inputs, outputs, expansion, step, dilation))
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
