"""Splitting of dilated convolutions of many channels into parts, which AMX computes faster.

With AMX, oneDNN multiplies bfloat16 at a fraction of its speed where a convolution is dilated and has many input
channels. From 2048 to 256 channels at 40x40 positions, rates 12 to 36, it takes 48 to 64 ms on two cores; four parts of
512 channels, whose results are added, take 11 to 13 ms. Without AMX the difference is
a few per cent, either way.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from torch import Tensor, nn

PART = 512  # input channels per part


class SplitConv2d(nn.Conv2d):
    """Convolution as the sum of convolutions of ``PART`` input channels each."""

    def forward(self, x: Tensor) -> Tensor:
        first, *others = zip(x.split(PART, 1), self.weight.split(PART, 1), strict=True)
        result = self._conv_forward(*first, self.bias)
        for part in others:
            result = result + self._conv_forward(*part, None)
        return result


def split_dilated(network: nn.Module, but: Collection[nn.Module] = ()) -> int:
    """Split the dilated convolutions of more than ``PART`` input channels, in place, except those in ``but``.

    The names of parameters do not change. Returns how many were split.
    """
    modules = network.named_modules()
    found = [name for name, module in modules if type(module) is nn.Conv2d and module not in but and _gains(module)]
    for name in found:
        network.set_submodule(name, _split(network.get_submodule(name)))
    return len(found)


def _gains(conv: nn.Conv2d) -> bool:
    return max(conv.dilation) > 1 and conv.in_channels > PART and conv.groups == 1


def _split(conv: nn.Module) -> SplitConv2d:
    assert isinstance(conv, nn.Conv2d)
    settings: dict[str, Any] = {
        name: getattr(conv, name) for name in ("kernel_size", "stride", "padding", "dilation", "padding_mode")
    }
    new = SplitConv2d(conv.in_channels, conv.out_channels, bias=conv.bias is not None, device="meta", **settings)
    new.weight, new.bias = conv.weight, conv.bias
    return new.train(conv.training)
