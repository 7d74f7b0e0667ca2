"""MobileNetV2's blocks (Sandler et al. 2018, https://arxiv.org/abs/1801.04381), and encoders made of them.

Parameter names are those of timm's blocks. Padding is TensorFlow's SAME.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from carseg.architectures.depthwise_conv import DepthwiseConv


class SameConv(nn.Conv2d):
    """Convolution of stride 2 with TensorFlow's SAME padding."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(_pad_same(x, self.kernel_size[0]))


class SameDepthwiseConv(DepthwiseConv):
    """Depthwise convolution of stride 2 with TensorFlow's SAME padding."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__(channels, kernel, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(_pad_same(x, self.kernel_size[0]))


def _pad_same(x: Tensor, kernel: int) -> Tensor:
    """Return the image zero-padded for stride 2: one pixel less on the near end of an even side."""
    height, width = x.shape[-2:]
    far = kernel // 2
    return F.pad(x, (far - 1 + width % 2, far, far - 1 + height % 2, far))


def depthwise(channels: int, kernel: int, stride: int, dilation: int) -> DepthwiseConv:
    """Return a convolution of one filter per channel; with a stride of 2 it has no dilation."""
    if stride == 2:
        return SameDepthwiseConv(channels, kernel)
    return DepthwiseConv(channels, kernel, padding=kernel // 2 * dilation, dilation=dilation)


class DepthwiseSeparable(nn.Module):
    """The first stage's block, which does not expand: depthwise 3x3, linear 1x1."""

    def __init__(self, inputs: int, outputs: int, *, eps: float) -> None:
        super().__init__()
        self.conv_dw = depthwise(inputs, 3, 1, 1)
        self.bn1 = nn.BatchNorm2d(inputs, eps)
        self.conv_pw = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs, eps)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self.bn1(self.conv_dw(x)))
        return self.bn2(self.conv_pw(x))


class InvertedResidual(nn.Module):
    """Expand by a 1x1, filter depthwise, project by a linear 1x1; a shortcut where shapes agree (figure 4).

    Args:
        expansion: hidden channels per input channel.
        eps: of the batch norms.
    """

    def __init__(
        self, inputs: int, outputs: int, expansion: int, *, kernel: int, stride: int, dilation: int, eps: float
    ) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.conv_pw = nn.Conv2d(inputs, hidden, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden, eps)
        self.conv_dw = depthwise(hidden, kernel, stride, dilation)
        self.bn2 = nn.BatchNorm2d(hidden, eps)
        self.conv_pwl = nn.Conv2d(hidden, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs, eps)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.bn1(self.conv_pw(x)))
        y = F.relu6(self.bn2(self.conv_dw(y)))
        y = self.bn3(self.conv_pwl(y))
        return x + y if self.shortcut else y


class Stage(NamedTuple):
    """One stage of an encoder: blocks of the same width, of which the first may stride."""

    expansion: int  # hidden channels per input channel; 1: a block that does not expand
    channels: int
    blocks: int
    stride: int
    kernel: int = 3


class InvertedResidualEncoder(nn.Module):
    """Images (N, in_channels, H, W) to features at strides 2, 4, 8, 16, 32.

    With ``output_stride=16`` the last resolution keeps stride 16 and its convolutions are dilated instead.

    Args:
        stages: seven of them.
        eps: of the batch norms.
        dilate_first: the block that would have strided is dilated too. Otherwise its inputs stay as far apart as they
            were, which is what weights learned with the stride are used to.

    Attributes:
        channels: of the five features, from stride 2 to 32.
    """

    _TAPS = (0, 1, 2, 4, 6)  # the last stage at each resolution

    def __init__(
        self, stages: Sequence[Stage], in_channels: int, output_stride: int, *, eps: float, dilate_first: bool
    ) -> None:
        super().__init__()
        self.conv_stem = SameConv(in_channels, 32, 3)
        self.bn1 = nn.BatchNorm2d(32, eps)
        built: list[nn.Module] = []
        inputs, reached, dilation = 32, 2, 1
        for stage in stages:
            blocks: list[nn.Module] = []
            for i in range(stage.blocks):
                stride, spread = stage.stride if i == 0 else 1, dilation
                if stride * reached > output_stride:
                    stride, dilation = 1, dilation * 2
                    spread = dilation if dilate_first else spread
                reached *= stride
                if stage.expansion == 1:
                    blocks.append(DepthwiseSeparable(inputs, stage.channels, eps=eps))
                else:
                    shape = inputs, stage.channels, stage.expansion
                    blocks.append(
                        InvertedResidual(*shape, kernel=stage.kernel, stride=stride, dilation=spread, eps=eps)
                    )
                inputs = stage.channels
            built.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*built)
        self.channels = tuple(stages[i].channels for i in self._TAPS)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.relu6(self.bn1(self.conv_stem(x)))
        features = []
        for i, stage in enumerate(self.blocks):
            x = stage(x)
            if i in self._TAPS:
                features.append(x)
        return features
