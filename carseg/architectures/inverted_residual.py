"""The blocks of MobileNetV2 (Sandler et al. 2018, https://arxiv.org/abs/1801.04381) and of the networks after it.

Parameter names are those of timm's blocks. Padding is TensorFlow's SAME.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class SameConv(nn.Conv2d):
    """Convolution of stride 2 with TensorFlow's SAME padding: one pixel less on the near end of an even side."""

    def __init__(self, inputs: int, outputs: int, kernel: int, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, 2, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        far = self.kernel_size[0] // 2
        return super().forward(F.pad(x, (far - 1 + width % 2, far, far - 1 + height % 2, far)))


def depthwise(channels: int, kernel: int, stride: int, dilation: int) -> nn.Conv2d:
    """Return a convolution of one filter per channel; with a stride of 2 it has no dilation."""
    if stride == 2:
        return SameConv(channels, channels, kernel, channels)
    padding = kernel // 2 * dilation
    return nn.Conv2d(channels, channels, kernel, 1, padding, dilation, channels, bias=False)


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
