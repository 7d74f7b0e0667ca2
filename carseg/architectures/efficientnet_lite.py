"""EfficientNet-Lite, an encoder: EfficientNet (Tan and Le 2019, https://arxiv.org/abs/1905.11946) for small devices,
with ReLU6 and without squeeze-and-excitation.

After https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite, whose ImageNet weights are under
Apache-2.0. Parameter names are those of timm's `tf_efficientnet_lite0`, `1` and `2`, so these weights load as they are;
written out here because importing timm takes seconds. Padding is TensorFlow's SAME.
"""

from __future__ import annotations

import math

from carseg.architectures.inverted_residual import InvertedResidualEncoder, Stage

# What multiplies the channels and the blocks of a stage.
_VARIANTS = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
_STAGES = (
    Stage(1, 16, 1, 1, 3),
    Stage(6, 24, 2, 2, 3),
    Stage(6, 40, 2, 2, 5),
    Stage(6, 80, 3, 2, 3),
    Stage(6, 112, 3, 1, 5),
    Stage(6, 192, 4, 2, 5),
    Stage(6, 320, 1, 1, 3),
)


class EfficientNetLite(InvertedResidualEncoder):
    """Encoder of the variant "lite0", "lite1" or "lite2"."""

    def __init__(self, variant: str, in_channels: int, output_stride: int = 32) -> None:
        width, depth = _VARIANTS[variant]
        stages = []
        for number, stage in enumerate(_STAGES):
            inner = number not in (0, len(_STAGES) - 1)  # the first and the last stage keep their one block
            blocks = math.ceil(stage.blocks * depth) if inner else stage.blocks
            stages.append(stage._replace(channels=_rounded(stage.channels * width), blocks=blocks))
        super().__init__(stages, in_channels, output_stride, eps=1e-3, dilate_first=False)


def _rounded(channels: float) -> int:
    """Return the nearest multiple of 8, or the next one where that would lose more than a tenth."""
    nearest = int(channels + 4) // 8 * 8
    return nearest if nearest >= 0.9 * channels else nearest + 8
