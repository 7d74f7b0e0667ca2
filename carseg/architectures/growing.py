"""Tensors of a network for a wider one that computes the same: "Net2Net: Accelerating Learning via Knowledge Transfer",
Chen et al. 2016, https://arxiv.org/abs/1511.05641.

Every channel has so many copies as it takes. Who reads a channel reads its copies in random shares, so that training
makes different channels of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Size, Tensor


def widen(tensor: Tensor, shape: Size, generator: Generator, reads: Sequence[tuple[int, int]] = ()) -> Tensor:
    """A weight, bias or statistic in the shape of a wider layer; what has that shape already stays as it is.

    Args:
        tensor: (outputs, inputs, height, width), or (outputs,).
        shape: the same with multiples of these outputs and inputs.
        reads: channels before and after of each tensor that it reads, where several are joined.
    """
    if tensor.ndim > 1 and tensor.shape[1] != shape[1]:
        reads = reads or [(tensor.shape[1], shape[1])]
        parts = tensor.split([narrow for narrow, _ in reads], 1)
        tensor = torch.cat([_share(part, wide, generator) for part, (_, wide) in zip(parts, reads, strict=True)], 1)
    if tensor.ndim:
        tensor = tensor.repeat(shape[0] // tensor.shape[0], *[1] * (tensor.ndim - 1))
    return tensor


def _share(weight: Tensor, inputs: int, generator: Generator) -> Tensor:
    """A weight for so many inputs, copies of its own: what it had for each is dealt out to the copies."""
    share = torch.rand(inputs // weight.shape[1], weight.shape[1], 1, 1, generator=generator) + 0.5
    return (weight.unsqueeze(1) * (share / share.sum(0))).flatten(1, 2)
