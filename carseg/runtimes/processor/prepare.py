"""A network made ready for what computes it: the rounding of its weights, its float32 ends, convolutions in parts."""

from __future__ import annotations

import torch
from torch import nn

from carseg.architectures import Network
from carseg.runtimes.processor import cpu
from carseg.runtimes.processor.split import split_dilated
from carseg.runtimes.rounding import round_weights


def prepare_for_processor(
    network: Network, device: torch.device, precision: torch.dtype, *, last: nn.Module | None = None
) -> set[nn.Module]:
    """Change a network, in place, so that a device computes it well in a precision.

    In float32 nothing changes. The names of parameters never do.

    Args:
        network: the network; its weights stay float32.
        device: what will compute it.
        precision: what most of it will be computed in.
        last: the convolution that computes the logits, of a network that is not trained any more: its weights are
            rounded to numbers that bfloat16 has, so that the errors cancel. None: the weights stay as they are.

    Returns:
        The modules that have to compute in float32, whatever the precision: first stage and last convolution. What
        the first layers round all others multiply, and logits of bfloat16's 8 bits would often be equal for two
        classes.
    """
    ends: set[nn.Module] = set()
    if precision == torch.bfloat16 and last is not None:
        ends = _float32_ends(network, last)
        state = network.state_dict()
        weights = bfloat16_weights(network, last)
        rounded = round_weights({name: state[name].numpy() for name in weights}, weights)
        network.load_state_dict({name: torch.from_numpy(value) for name, value in rounded.items()}, strict=False)
    if precision == torch.bfloat16 and device.type == "cpu" and cpu.has_amx():
        split_dilated(network, but=ends)
    return ends


def bfloat16_weights(network: Network, last: nn.Module) -> dict[str, int]:
    """Return the weights that are rounded for bfloat16 by name, with the axis of each one's output channels.

    Args:
        network: the network, batch norms fused.
        last: the convolution that computes the logits.
    """
    ends = _float32_ends(network, last)
    return {
        f"{name}.weight": int(isinstance(module, nn.ConvTranspose2d))
        for name, module in network.named_modules()
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)) and module not in ends
    }


def _float32_ends(network: Network, last: nn.Module) -> set[nn.Module]:
    parts = (*map(network.get_submodule, network.first_stage), last)
    return {module for part in parts for module in part.modules()}
