"""Depthwise convolution whose gradients avoid the slow kernels of oneDNN on a CPU.

Three gradients have no fast kernel there in torch 2.14 (on one core with AVX-512 and bfloat16, eight images): both of a
dilated convolution (47 ms, here 24), that of the input of a strided one in bfloat16 (50 ms, here 5), and that of the
weights of a kernel above 3x3 in bfloat16 (30 ms, here 8). The values differ by rounding alone.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class DepthwiseConv(nn.Conv2d):
    """Convolution by one square filter per channel, zero-padded, without a bias.

    Outside training, and on accelerators, it is the ordinary one.
    """

    def __init__(self, channels: int, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1) -> None:
        super().__init__(channels, channels, kernel, stride, padding, dilation, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or x.device.type != "cpu":
            return super().forward(x)
        if torch.is_autocast_enabled("cpu"):
            x = x.to(torch.get_autocast_dtype("cpu"))
        y: Tensor = _Depthwise.apply(x, self.weight, self.stride[0], self.padding[0], self.dilation[0])
        return y


class _Depthwise(torch.autograd.Function):
    """x (N, C, H, W) of any float type, weight float32 (C, 1, K, K); each gradient has the type of its tensor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: int, dilation: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = stride, padding, dilation
        return F.conv2d(x, weight.to(x.dtype), None, stride, padding, dilation, len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, padding, dilation = ctx.geometry
        height, width = x.shape[-2:]
        if dilation > 1:
            x, gradient, padding = _phases(x, dilation), _phases(gradient, dilation), padding // dilation

        def gradients(wanted: list[bool], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
            tensors = gradient.to(dtype), x.to(dtype), weight.to(dtype)
            geometry = [stride] * 2, [padding] * 2, [1, 1], False, [0, 0]
            found = torch.ops.aten.convolution_backward(*tensors, None, *geometry, len(weight), [*wanted, False])
            return found[0], found[1]

        by_x = by_weight = None
        if ctx.needs_input_grad[0]:
            by_x, _ = gradients([True, False], x.dtype if stride == 1 else torch.float32)
            by_x = by_x.to(x.dtype)
            if dilation > 1:
                by_x = _join_phases(by_x, dilation, height, width)
        if ctx.needs_input_grad[1]:
            _, by_weight = gradients([False, True], x.dtype if weight.shape[-1] <= 3 else torch.float32)
            by_weight = by_weight.to(weight.dtype)
        return by_x, by_weight, None, None, None


def _phases(x: Tensor, dilation: int) -> Tensor:
    """Return every D-th row and column as its own image: (N, C, H, W) to (D * D * N, C, ceil(H / D), ceil(W / D)).

    A dilated convolution is an undilated one of each. Where the size is no multiple of D, zeros are added.
    """
    height, width = x.shape[-2:]
    x = F.pad(x, (0, -width % dilation, 0, -height % dilation)).permute(0, 2, 3, 1)
    count, height, width, channels = x.shape
    x = x.reshape(count, height // dilation, dilation, width // dilation, dilation, channels)
    x = x.permute(2, 4, 0, 1, 3, 5).reshape(-1, height // dilation, width // dilation, channels)
    return x.permute(0, 3, 1, 2)


def _join_phases(x: Tensor, dilation: int, height: int, width: int) -> Tensor:
    """Return the images (N, C, ``height``, ``width``) whose phases these are."""
    x = x.permute(0, 2, 3, 1).unflatten(0, (dilation, dilation, -1)).permute(2, 3, 0, 4, 1, 5)
    x = x.flatten(3, 4).flatten(1, 2)
    return x[:, :height, :width].permute(0, 3, 1, 2)
