"""A ResNet's weights for one whose stem is three 3x3 convolutions instead of one 7x7: it computes the very same.

Two 3x3 convolutions, the first of stride 2, see what a 7x7 one of stride 2 sees. The first hands on the pixels, once as
they are and once negated, as its ReLU keeps only what is positive; the second computes what the 7x7 one does. The third
hands that on twice, and the layers that read it share their weights out to the two copies, as in Net2Net (`growing`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from carseg.architectures import Network, State
from carseg.hub import load_encoder
from recipes.growing import widen

_STEM = ("conv1.", "bn1.")
_NORM = ("weight", "bias", "running_mean", "running_var")
_READERS = ("layer1.0.conv1.weight", "layer1.0.downsample.0.weight")
_EPS = 1e-5  # of the batch norms
# Each row or column of the 7x7 window comes from one of three windows of the first convolution, and a place there. They
# overlap; chosen are those that the image has: beyond its edges the second convolution sees zeros, not windows.
_WINDOWS, _PLACES = (0, 0, 0, 1, 1, 2, 2), (0, 1, 2, 1, 2, 1, 2)


def fit_pspnet(network: Network, state: State, source: str) -> None:
    """Fill PSPNet's encoder with weights of a ResNet-50 under timm's names; one with a 7x7 stem is computed alike.

    Args:
        network: the PSPNet.
        state: the weights of the ResNet-50.
        source: what to call the weights in an error.

    Raises:
        WeightsError: they are those of another encoder.
    """
    if has_plain_stem(state):
        state = deepen(state, network.timm_state())
    load_encoder(network, state, source)


def has_plain_stem(state: State) -> bool:
    """Return True if these are weights of a ResNet of bottlenecks with a 7x7 stem, under timm's names."""
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    return (
        shapes.get("conv1.weight") == (64, 3, 7, 7)
        and all(shapes.get(f"bn1.{key}") == (64,) for key in _NORM)
        and [shapes.get(key) for key in _READERS] == [(64, 64, 1, 1), (256, 64, 1, 1)]
    )


def deepen(state: State, own: State) -> State:
    """Return weights under the names of timm's ``resnet50s`` for those of its ``resnet50`` (``has_plain_stem``).

    Args:
        state: weights of the ``resnet50``.
        own: the state dict that they are for: what its spare channels hand on stays as it is, and is not read yet.
    """
    first, second, third = (own[f"conv1.{i}.weight"].clone() for i in (0, 3, 6))
    kernel = state["conv1.weight"]
    pixels, copies = kernel.shape[1] * 9, len(third) // len(kernel)
    first[: 2 * pixels] = torch.cat([torch.eye(pixels), -torch.eye(pixels)]).view(-1, *first.shape[1:])
    spread = first.square().sum((1, 2, 3))  # what comes of pixels of mean 0 and variance 1
    second.zero_()
    for row in range(7):
        for column in range(7):
            place = torch.arange(kernel.shape[1]) * 9 + _PLACES[row] * 3 + _PLACES[column]
            for sign, start in ((1, 0), (-1, pixels)):
                second[:, start + place, _WINDOWS[row], _WINDOWS[column]] = sign * kernel[:, :, row, column]
    third.zero_()
    third[:, :, 1, 1] = torch.eye(len(kernel)).repeat(copies, 1)

    mean, var = _rectified(state["bn1.weight"].abs(), state["bn1.bias"])
    generator = torch.Generator().manual_seed(0)
    return {
        **{key: value for key, value in own.items() if key.startswith(_STEM)},  # for the counters of its batch norms
        **{key: value for key, value in state.items() if not key.startswith(_STEM)},
        **{key: widen(state[key], own[key].shape, generator) for key in _READERS},
        "conv1.0.weight": first,
        **_identity("conv1.1", torch.zeros(len(first)), spread),
        "conv1.3.weight": second,
        **{f"conv1.4.{key}": state[f"bn1.{key}"] for key in _NORM},
        "conv1.6.weight": third,
        **_identity("bn1", mean.repeat(copies), var.repeat(copies)),
    }


def _rectified(std: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of what a ReLU leaves of normally distributed values."""
    z = mean / std.clamp(min=_EPS)
    below, density = (1 + torch.erf(z / math.sqrt(2))) / 2, torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    rectified = mean * below + std * density
    return rectified, (mean**2 + std**2) * below + mean * std * density - rectified**2


def _identity(norm: str, mean: Tensor, var: Tensor) -> State:
    """Return a batch norm that leaves values of such statistics as they are."""
    var = var.clamp(min=_EPS)
    return {
        f"{norm}.weight": (var + _EPS).sqrt(),
        f"{norm}.bias": mean,
        f"{norm}.running_mean": mean,
        f"{norm}.running_var": var,
    }
