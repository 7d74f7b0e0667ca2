"""Rounding of weights to fewer bits so that the errors cancel.

A rounded weight's error is passed on to the next weight of the same output, as dithering does with pixels (Floyd and
Steinberg 1976). Activations are mostly positive and neighbouring ones alike, so that mainly the sum of the errors
changes a result. It stays below half a step in each run of weights that pass errors on to one another; rounding each
weight by itself lets it grow with the number of weights.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_RUN = 32  # weights that pass errors on to one another; runs are computed side by side


def pass_on(weight: Tensor, rounding: Callable[[Tensor], Tensor]) -> Tensor:
    """Return a weight, rounded so that errors cancel, as float32 of the same shape.

    Args:
        weight: float32 (outputs, ...).
        rounding: returns a tensor with each element rounded to the nearest representable value.
    """
    flat = weight.flatten(1)
    runs = F.pad(flat, (0, -flat.shape[1] % _RUN)).unflatten(1, (-1, _RUN)).movedim(2, 0).contiguous()
    error = torch.zeros_like(runs[0])
    for values in runs:
        wanted = values + error
        values.copy_(rounding(wanted))
        error = wanted - values
    return runs.movedim(0, 2).flatten(1)[:, : flat.shape[1]].reshape(weight.shape)


@torch.no_grad()
def round_weights(network: nn.Module, but: Collection[nn.Module]) -> None:
    """Round the float32 weights of convolutions and linear layers to numbers that bfloat16 has, in place.

    Args:
        network: the network to change; its weights stay float32.
        but: modules that stay as they are.
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)) and module not in but:
            outputs = int(isinstance(module, nn.ConvTranspose2d))  # the axis of the output channels
            rounded = pass_on(module.weight.movedim(outputs, 0), lambda x: x.bfloat16().float())
            module.weight.copy_(rounded.movedim(0, outputs))
