"""MobileNetV2, the encoder of the compact networks (Sandler et al. 2018, https://arxiv.org/abs/1801.04381).

Parameter names are those of timm's `mobilenetv2_100`, so its ImageNet weights load as they are; written out here
because importing timm takes seconds. Padding is TensorFlow's SAME, which the ImageNet weights of the zoo's recipes were
trained with. The weights that timm downloads were trained with equal padding on both sides: for them every convolution
of stride 2 is shifted by a pixel.
"""

from __future__ import annotations

from carseg.architectures.inverted_residual import InvertedResidualEncoder, Stage

# Table 2 of the paper.
_STAGES = (
    Stage(1, 16, 1, 1),
    Stage(6, 24, 2, 2),
    Stage(6, 32, 3, 2),
    Stage(6, 64, 4, 2),
    Stage(6, 96, 3, 1),
    Stage(6, 160, 3, 2),
    Stage(6, 320, 1, 1),
)


class MobileNetV2(InvertedResidualEncoder):
    """Encoder with features of 16, 24, 32, 96 and 320 channels."""

    def __init__(self, in_channels: int, output_stride: int = 32) -> None:
        super().__init__(_STAGES, in_channels, output_stride, eps=1e-5, dilate_first=True)
