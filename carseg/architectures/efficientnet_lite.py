"""EfficientNet-Lite, an encoder: EfficientNet (Tan and Le 2019, https://arxiv.org/abs/1905.11946) for small devices,
with ReLU6 and without squeeze-and-excitation.

After https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite, whose ImageNet weights are under
Apache-2.0. Parameter names are those of timm's `tf_efficientnet_lite0`, `1` and `2`, so these weights load as they are;
written out here because importing timm takes seconds. Padding is TensorFlow's SAME.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from carseg.architectures.inverted_residual import DepthwiseSeparable, InvertedResidual, SameConv

# What multiplies the channels and the blocks of a stage.
_VARIANTS = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
# (expansion, channels, blocks, stride, kernel) of each stage.
_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
# The last stage at each resolution: strides 2, 4, 8, 16, 32.
_TAPS = (0, 1, 2, 4, 6)
_EPS = 1e-3  # of the batch norms


class EfficientNetLite(nn.Module):
    """Images (N, in_channels, H, W) to features at strides 2, 4, 8, 16, 32.

    With ``output_stride=16`` the last resolution keeps stride 16 and its convolutions are dilated instead.

    Attributes:
        channels: of the five features, from stride 2 to 32.
    """

    def __init__(self, variant: str, in_channels: int, output_stride: int = 32) -> None:
        super().__init__()
        width, depth = _VARIANTS[variant]
        self.conv_stem = SameConv(in_channels, 32, 3)
        self.bn1 = nn.BatchNorm2d(32, _EPS)
        stages: list[nn.Module] = []
        widths: list[int] = []
        inputs, reached, dilation = 32, 2, 1
        for number, (expansion, channels, count, stride, kernel) in enumerate(_STAGES):
            outputs = _rounded(channels * width)
            inner = number not in (0, len(_STAGES) - 1)  # the first and the last stage keep their one block
            blocks: list[nn.Module] = []
            for i in range(math.ceil(count * depth) if inner else count):
                step, spread = stride if i == 0 else 1, dilation
                if step * reached > output_stride:
                    # This block's inputs stay as far apart as they were; those after it are twice as dense.
                    step, dilation = 1, dilation * 2
                reached *= step
                if expansion == 1:
                    blocks.append(DepthwiseSeparable(inputs, outputs, eps=_EPS))
                else:
                    block = InvertedResidual(
                        inputs, outputs, expansion, kernel=kernel, stride=step, dilation=spread, eps=_EPS
                    )
                    blocks.append(block)
                inputs = outputs
            stages.append(nn.Sequential(*blocks))
            widths.append(outputs)
        self.blocks = nn.Sequential(*stages)
        self.channels = tuple(widths[i] for i in _TAPS)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.relu6(self.bn1(self.conv_stem(x)))
        features = []
        for i, stage in enumerate(self.blocks):
            x = stage(x)
            if i in _TAPS:
                features.append(x)
        return features


def _rounded(channels: float) -> int:
    """Return the nearest multiple of 8, or the next one where that would lose more than a tenth."""
    nearest = int(channels + 4) // 8 * 8
    return nearest if nearest >= 0.9 * channels else nearest + 8
