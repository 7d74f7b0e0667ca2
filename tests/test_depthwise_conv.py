"""Gradients of depthwise convolutions in training."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from carseg.architectures.depthwise_conv import DepthwiseConv


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(3, 1, 1), (5, 1, 1), (3, 2, 1), (5, 2, 1), (3, 1, 2), (5, 1, 2)]
)
@pytest.mark.parametrize("size", [(9, 14), (16, 16), (3, 1)])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_gradients_are_those_of_an_ordinary_convolution(
    kernel: int, stride: int, dilation: int, size: tuple[int, int], precision: torch.dtype
) -> None:
    torch.manual_seed(0)
    padding = 2 if stride == 2 else kernel // 2 * dilation
    conv = DepthwiseConv(6, kernel, stride=stride, padding=padding, dilation=dilation)
    x = torch.randn(2, 6, *size).to(memory_format=torch.channels_last).requires_grad_()
    exact = F.conv2d(x.double(), conv.weight.double(), None, stride, padding, dilation, 6)
    outer = torch.randn_like(exact)
    wanted = torch.autograd.grad(exact, (x, conv.weight), outer)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        y = conv(x)
    assert y.dtype == precision
    found = torch.autograd.grad(y, (x, conv.weight), outer.to(precision))
    tolerance = 1e-5 if precision == torch.float32 else 2e-2
    for ours, exact in zip(found, wanted, strict=True):
        assert ours.dtype == torch.float32
        scale = exact.abs().max()
        torch.testing.assert_close(ours / scale, exact / scale, rtol=0, atol=tolerance)
