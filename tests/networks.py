"""Networks for tests, with random weights."""

from __future__ import annotations

import torch
from torch import nn

from carseg.architectures.network import Network
from carseg.hub.create import create_model

# The same code as a smaller network of the family, with more of it.
LARGER = {"u2net", "resnest101-unet", "resnest200-unet", *(f"segformer-b{i}" for i in range(1, 6))}


def shallow(name: str) -> Network:
    """Return a network for five classes with one of each run of blocks that are alike: all of its code, sooner run."""
    torch.manual_seed(0)
    network = create_model(name, 5)
    for blocks in [module for module in network.modules() if isinstance(module, nn.Sequential)]:
        shapes = [[parameter.shape for parameter in block.parameters()] for block in blocks]
        for i in reversed(range(1, len(shapes))):
            if shapes[i] and shapes[i] == shapes[i - 1]:
                del blocks[i]
    return network


def randomized(name: str) -> Network:
    """Return a network for five classes whose batch norms do something."""
    torch.manual_seed(0)
    network = create_model(name, 5).eval()
    give_norms_work(network)
    return network


def give_norms_work(network: nn.Module) -> None:
    """Give its batch norms random statistics, weights and biases."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.1, 0.1)
