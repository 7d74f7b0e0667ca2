"""Fusing of a network's batch norms into the convolutions before them.

Which batch norm follows which convolution is observed in a forward pass: a pair is fused only where the convolution
runs once and the norm alone reads its result.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from carseg.runtimes.norms import Norm, fuse_norms

_SIDE = 64  # pixels of the observed image, whose content does not matter


class _Watch(TorchFunctionMode):
    """Recorder of the convolutions of a forward pass and of what reads their results.

    Norms without weights or statistics of their own are left alone.

    Attributes:
        calls: convolutions in the order in which they ran.
        readers: per call the operations that read its result: a batch norm, or None for anything else.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.owners = {
            id(module.weight): module
            for module in network.modules()
            if isinstance(module, nn.Conv2d) or (type(module) is nn.BatchNorm2d and _has_tensors(module))
        }
        self.calls: list[nn.Conv2d] = []
        self.readers: list[list[nn.Module | None]] = []
        self.results: list[Tensor] = []  # referenced, so that no other tensor gets the same id
        self.calls_of_results: dict[int, int] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not isinstance(result, (Tensor, tuple, list)) or isinstance(result, torch.Size):
            return result  # a question about a tensor, such as its shape
        tensors = list(_tensors((args, kwargs)))
        owner = next((self.owners[id(tensor)] for tensor in tensors if id(tensor) in self.owners), None)
        for tensor in tensors:
            call = self.calls_of_results.get(id(tensor))
            if call is not None:
                self.readers[call].append(owner if isinstance(owner, nn.BatchNorm2d) else None)
        if isinstance(owner, nn.Conv2d) and func is torch.conv2d and isinstance(result, Tensor):
            self.calls_of_results[id(result)] = len(self.calls)
            self.calls.append(owner)
            self.readers.append([])
            self.results.append(result)
        return result


def _has_tensors(norm: nn.BatchNorm2d) -> bool:
    return norm.affine and norm.track_running_stats


def _tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested arguments."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


@torch.no_grad()
def find_norms(network: nn.Module, channels: int = 3) -> tuple[dict[str, Norm], str]:
    """Return the batch norms that can be fused, each by the name of the convolution before it, and the last one's name.

    Args:
        network: the network, in evaluation mode.
        channels: number of channels of its images.
    """
    with _Watch(network) as watch:
        network(torch.zeros(1, channels, _SIDE, _SIDE))
    names = {module: name for name, module in network.named_modules()}
    norms = [reader for readers in watch.readers for reader in readers]
    found = {}
    for conv, readers in zip(watch.calls, watch.readers, strict=True):
        [norm] = readers if len(readers) == 1 else [None]
        if isinstance(norm, nn.BatchNorm2d) and watch.calls.count(conv) == norms.count(norm) == 1:
            found[names[conv]] = Norm(names[norm], norm.eps)
    return found, names[watch.calls[-1]]


def fuse_conv_bn(network: nn.Module, channels: int = 3) -> nn.Module:
    """Fuse the batch norms of a network into its convolutions, in place, wherever that is possible.

    Args:
        network: the network, in evaluation mode, on the CPU.
        channels: number of channels of its images.

    Returns:
        The convolution that runs last.
    """
    norms, last = find_norms(network, channels)
    tensors = fuse_norms({name: value.numpy() for name, value in network.state_dict().items()}, norms)
    for name, norm in norms.items():
        conv = network.get_submodule(name)
        for kind in ("weight", "bias"):
            setattr(conv, kind, nn.Parameter(torch.from_numpy(tensors[f"{name}.{kind}"])))
        network.set_submodule(norm.name, nn.Identity())
    return network.get_submodule(last)
