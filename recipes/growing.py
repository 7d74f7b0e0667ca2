"""Weights for a larger network of a family with which it computes what a smaller one does.

"Net2Net: Accelerating Learning via Knowledge Transfer", Chen et al. 2016, https://arxiv.org/abs/1511.05641. Every
channel gets as many copies as the larger network needs. A layer that read a channel reads its copies in random shares,
so that training makes different channels of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Generator, Size, Tensor

from carseg.architectures import Network, State
from carseg.errors import OptionError

_JOINS = re.compile(r"rebnconv\dd\.|stage\dd\.rebnconvin\.")  # in U^2-Net, what reads two tensors, one after the other
_STEM_READER = "decoder.3.double_conv.0.weight"  # in the ResNeSt U-Net, what reads the stem beside its own features
_OWN = 64  # its own features among what that reads


def grown(network: Network, smaller: State, generator: Generator) -> State:
    """Return weights for a network with which it computes what a smaller one of its family does.

    Args:
        network: the larger network.
        smaller: state dict of a network of the same family, classes and input.
        generator: the source of the random shares.

    Raises:
        OptionError: networks of this family do not grow.
    """
    family = type(network).__name__
    if family == "U2Net":  # wider: its widths are multiples of the smaller network's
        return {key: _wider_u2net(key, smaller[key], own, generator) for key, own in network.state_dict().items()}
    if family == "ResNestUNet":
        return _deeper_resnest(network.state_dict(), smaller, generator)
    raise OptionError(f"{family} cannot grow from a smaller network")


def _wider_u2net(key: str, tensor: Tensor, like: Tensor, generator: Generator) -> Tensor:
    reads = [(tensor.shape[1] // 2, like.shape[1] // 2)] * 2 if _JOINS.search(key) and tensor.ndim > 1 else []
    return widen(tensor, like.shape, generator, reads)


def _deeper_resnest(state: State, smaller: State, generator: Generator) -> State:
    """Return ``state`` with the smaller network's weights; blocks that it lacks add nothing to their input at first."""
    for key, tensor in state.items():
        if key in smaller:
            narrow = smaller[key]
            reads = [(_OWN, _OWN), (narrow.shape[1] - _OWN, tensor.shape[1] - _OWN)] if key == _STEM_READER else []
            state[key] = widen(narrow, tensor.shape, generator, reads)
        elif key.endswith("bn3.weight"):  # the last layer of a residual branch
            state[key] = torch.zeros_like(tensor)
    return state


def widen(tensor: Tensor, shape: Size, generator: Generator, reads: Sequence[tuple[int, int]] = ()) -> Tensor:
    """Return a weight, bias or statistic in the shape of a wider layer; what has that shape already stays as it is.

    Args:
        tensor: (outputs, inputs, height, width), or (outputs,).
        shape: the same with multiples of these outputs and inputs.
        generator: the source of the random shares.
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
    """Return a weight for ``inputs``, copies of its own: what it had for each is shared out to the copies."""
    share = torch.rand(inputs // weight.shape[1], weight.shape[1], 1, 1, generator=generator) + 0.5
    return (weight.unsqueeze(1) * (share / share.sum(0))).flatten(1, 2)
