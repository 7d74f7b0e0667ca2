"""Graphs of architectures, made by converting a network with random weights and taking those out again.

A tensor of the converted network is recognized by its value, as no two random weights are equal: the exporter renames
some, and turns matrices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from carseg.architectures import Network, find_builder
from carseg.hub import Array
from carseg.runtimes.convert import export_prepared
from carseg.runtimes.fuse import find_norms, fuse_conv_bn
from carseg.runtimes.graph import COUNTER, Graph, Size, Sizes
from carseg.runtimes.processor import bfloat16_weights, split_dilated

if TYPE_CHECKING:
    from onnx import ModelProto

CLASSES = 89  # what is a multiple of it is a number of classes: no width of a network is
_CONSTANT = 16  # numbers that a tensor may have that is no weight


def build_graph(architecture: str, *, channels: int = 3, split: bool = False) -> Graph | None:
    """Return an architecture's graph.

    Args:
        architecture: its name.
        channels: those of its images.
        split: with convolutions in parts, see ``carseg.runtimes.processor``; None is returned where that is the same.

    Raises:
        ValueError: it computes with weights in a way that a graph cannot say.
    """
    network = _randomized(architecture, channels)
    state = {name: _sizes(value.shape) for name, value in network.state_dict().items()}
    norms, _ = find_norms(network, channels)
    rounded = bfloat16_weights(network, fuse_conv_bn(network, channels))
    if split and not split_dilated(network):
        return None
    model = export_prepared(network, channels)
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    tensors, numbers = _take_out(model, weights)
    del model.graph.value_info[:]  # sizes, which depend on the classes
    return Graph(
        input=_take_sizes(model.graph.input),
        output=_take_sizes(model.graph.output),
        content=model.SerializeToString(),
        training_only=network.training_only,
        state=state,
        norms=norms,
        rounded=rounded,
        tensors=tensors,
        numbers=numbers,
    )


@torch.no_grad()
def _randomized(architecture: str, channels: int) -> Network:
    """Return a network without training heads, all of whose weights are random."""
    torch.manual_seed(0)
    network = find_builder(architecture)(CLASSES, channels).eval()
    network.drop_training_heads()
    for name, value in network.state_dict().items():
        if not name.endswith(COUNTER):
            value.uniform_(0.5, 1.5)
    return network


def _sizes(shape: Any) -> Sizes:
    return tuple(_size(int(size)) for size in shape)


def _size(size: int) -> Size:
    if size == 0 or size % CLASSES:
        return size
    return "C" if size == CLASSES else f"{size // CLASSES}C"


def _take_out(
    model: ModelProto, weights: dict[str, Array]
) -> tuple[dict[str, tuple[str, tuple[int, ...]]], dict[str, Sizes]]:
    """Remove the tensors that are weights and the numbers that depend on the classes; return where they come from."""
    from onnx.numpy_helper import to_array

    tensors, numbers = {}, {}
    for tensor in list(model.graph.initializer):
        value = to_array(tensor)
        source = _source(tensor.name, value, weights)
        if source is not None:
            tensors[tensor.name] = source
        elif value.dtype == np.int64 and any(isinstance(size, str) for size in _sizes(value.ravel())):
            assert value.ndim == 1, f"{tensor.name} is no list of numbers"
            numbers[tensor.name] = _sizes(value)
        elif value.size > _CONSTANT:
            raise ValueError(f"tensor {tensor.name} {value.shape} is made of weights in an unknown way")
        else:
            continue
        model.graph.initializer.remove(tensor)
    return tensors, numbers


def _source(name: str, value: Array, weights: dict[str, Array]) -> tuple[str, tuple[int, ...]] | None:
    """Return the weight that a tensor is, and the order of its axes; None where it is no weight."""
    if value.dtype != np.float32 or value.ndim == 0:
        return None
    as_it_is, turned = tuple(range(value.ndim)), tuple(range(value.ndim))[::-1]
    for key in (name, *weights):
        for axes in (as_it_is, turned):
            weight = weights.get(key)
            if weight is not None and weight.ndim == value.ndim and np.array_equal(weight.transpose(axes), value):
                return key, axes
    return None


def _take_sizes(declared: Any) -> Sizes:
    """Return the sizes of the only input or output, and remove it."""
    [value] = declared
    sizes = [dim.dim_param or _size(dim.dim_value) for dim in value.type.tensor_type.shape.dim]
    declared.remove(value)
    return tuple(sizes)
