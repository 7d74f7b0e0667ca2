"""Batch norms folded into the convolutions before them.

In evaluation mode a batch norm multiplies and adds constants a channel, which a convolution's weight and bias can do as
well. Which batch norm follows which convolution is seen by watching a forward pass: a pair is folded only where the
norm is the one reader of the convolution's one result.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_SIDE = 64  # of the image that is shown to the network; what it holds does not matter


class _Watch(TorchDispatchMode):
    """Sees every operation of a forward pass.

    Attributes:
        calls: convolutions in the order in which they ran.
        readers: for each of those calls what read its result: a batch norm, or None for anything else.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # torch would import its compiler, for a second, to keep it from compiling what nobody compiles

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.owners = {
            id(module.weight): module
            for module in network.modules()
            if type(module) is nn.BatchNorm2d or isinstance(module, nn.Conv2d)
        }
        self.calls: list[nn.Conv2d] = []
        self.readers: list[list[nn.Module | None]] = []
        self.results: list[Tensor] = []  # held, so that no other tensor gets the same id
        self.calls_of_results: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        owner = next((self.owners[id(tensor)] for tensor in tensors if id(tensor) in self.owners), None)
        for tensor in tensors:
            call = self.calls_of_results.get(id(tensor))
            if call is not None:
                self.readers[call].append(owner if isinstance(owner, nn.BatchNorm2d) else None)
        result = func(*args, **(kwargs or {}))
        if isinstance(owner, nn.Conv2d) and func is torch.ops.aten.convolution.default:
            self.calls_of_results[id(result)] = len(self.calls)
            self.calls.append(owner)
            self.readers.append([])
            self.results.append(result)
        return result


@torch.no_grad()
def fuse_conv_bn(network: nn.Module, channels: int = 3) -> nn.Module:
    """Folds what can be folded, in place.

    Args:
        network: in evaluation mode; takes images (N, channels, H, W).

    Returns:
        The convolution that runs last.
    """
    with _Watch(network) as watch:
        network(torch.zeros(1, channels, _SIDE, _SIDE))
    names = {module: name for name, module in network.named_modules()}
    norms = [reader for readers in watch.readers for reader in readers]
    for conv, readers in zip(watch.calls, watch.readers, strict=True):
        [norm] = readers if len(readers) == 1 else [None]
        if isinstance(norm, nn.BatchNorm2d) and watch.calls.count(conv) == 1 and norms.count(norm) == 1:
            mean, variance = norm.running_mean, norm.running_var
            assert mean is not None and variance is not None
            conv.weight, conv.bias = fuse_conv_bn_weights(
                conv.weight, conv.bias, mean, variance, norm.eps, norm.weight, norm.bias
            )
            network.set_submodule(names[norm], nn.Identity())
    return watch.calls[-1]
