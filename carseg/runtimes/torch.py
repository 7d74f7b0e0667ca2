"""Runtime that is always there: PyTorch in eager mode, channels last, batch norms fused.

A process that was forked lacks the threads that torch had started, for which torch would wait for ever, and a GPU's
memory. Whether torch had started any cannot be asked, so a process counts as lacking them from the moment in which this
module had been imported before the fork.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch
from torch import nn

from carseg._arrays import Float32Array
from carseg.errors import ForkError, OptionError
from carseg.hub import create_model, load_into
from carseg.runtimes.fuse import fuse_conv_bn
from carseg.runtimes.processor import cpu, prepare_for_processor
from carseg.runtimes.runtime import Restartable

if TYPE_CHECKING:
    from carseg.architectures import Network
    from carseg.hub import ResolvedWeights


_used = {"cpu"}  # kinds of devices that networks ran on in this process
_lost: set[str] = set()  # those that they ran on in the process that this one was forked from

if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=lambda: _lost.update(_used))


def start(resolved: ResolvedWeights, device: str, precision: str, threads: int | None) -> TorchRuntime:
    """Return the torch runtime of resolved weights in "float32" or "bfloat16"; for ``start_runtime``."""
    chosen = pick_device(device)
    _refuse_lost(chosen, threads)
    if threads is not None:
        torch.set_num_threads(threads)
    network = read_network(resolved)
    last = fuse_conv_bn(network, resolved.info.input.channels)
    if precision == "bfloat16":
        exact = prepare_for_processor(network, chosen, torch.bfloat16, last=last)
        _lower(network, exact, last)
    return TorchRuntime(network, chosen, precision)


def read_network(resolved: ResolvedWeights) -> Network:
    """Return the network of resolved weights, in evaluation mode on the CPU.

    Raises:
        WeightsError: the weights do not fit the network.
        ForkError: this process was forked, and lacks torch's threads.
    """
    _refuse_lost(torch.device("cpu"))
    info = resolved.info
    with torch.device("meta"):  # initializing weights, only to replace them, would take up to seconds
        network = create_model(info.architecture, len(info.labels), in_channels=info.input.channels)
    load_into(network, resolved.path)
    return network.eval()


class TorchRuntime(Restartable):
    """Network as a function on arrays; see ``carseg.runtimes.Runtime``.

    Args:
        network: the network, which is put into evaluation mode and moved to the device.
        device: the device to run on.
        precision: the precision in which the network computes, given float32 images.
    """

    name = "torch"

    def __init__(self, network: Network, device: torch.device, precision: str) -> None:
        self.precision, self.device = precision, str(device)
        self.network = network.eval().to(device).to(memory_format=torch.channels_last)
        self.batch_size = 1 if device.type == "cpu" else 8
        _used.add(device.type)

    @property
    def threads(self) -> int:
        """CPU threads: those of the whole process."""
        return torch.get_num_threads()

    @torch.inference_mode()
    def __call__(self, batch: Float32Array) -> Float32Array:
        _refuse_lost(torch.device(self.device))
        x = torch.from_numpy(batch).to(self.device, memory_format=torch.channels_last)
        return self.network(x).float().cpu().contiguous().numpy()


def _refuse_lost(device: torch.device, threads: int | None = None) -> None:
    """Raise ForkError where this process lacks what torch needs to compute on a device; one thread needs no others."""
    if device.type in _lost and (device.type != "cpu" or (threads or torch.get_num_threads()) > 1):
        one = ", or let it use one thread (threads=1, torch.set_num_threads(1))" if device.type == "cpu" else ""
        raise ForkError(
            f"torch cannot compute on {device} in process {os.getpid()}, which was forked from one that had loaded a "
            f"network: start the process by spawn or forkserver and load or unpickle the network in it{one}"
        )


def _lower(network: Network, exact: set[nn.Module], last: nn.Module) -> None:
    """Make a network compute in bfloat16, except what is in ``exact`` and unfused batch norms."""
    for module in network.modules():
        if module not in exact and not isinstance(module, nn.BatchNorm2d):
            for value in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
                if value.is_floating_point():
                    value.data = value.data.bfloat16()
    if network.first_stage:
        network.get_submodule(network.first_stage[-1]).register_forward_hook(lambda *passed: passed[-1].bfloat16())
    else:
        network.register_forward_pre_hook(lambda _, inputs: (inputs[0].bfloat16(),))
    last.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))


def pick_device(name: str) -> torch.device:
    """Return a device by name; "auto" is CUDA where there is one, then Apple's MPS, then the CPU.

    Raises:
        OptionError: no such device, or this machine has none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise OptionError(f"unknown device {name!r}; use auto, cpu, cuda, cuda:N or mps") from None
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (device.index or 0) >= there.get(device.type, 0):
        raise OptionError(f"device {name!r}: torch finds no such device on this machine; use cpu")
    return device


def native_bfloat16(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 natively (a CPU by AVX512-BF16 or AMX) rather than emulating it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and cpu.native_bfloat16()
