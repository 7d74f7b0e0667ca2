"""The runtime that is always there: PyTorch, eagerly, channels last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from carseg import checkpoint
from carseg.errors import OptionError
from carseg.registry import create_model

if TYPE_CHECKING:
    from carseg.architectures.network import Network
    from carseg.hub import Located


def start(located: Located, device: str, precision: str, threads: int | None) -> TorchRuntime:
    """See ``carseg.runtimes.start``; "auto" precision is float32, int8 needs another runtime."""
    if precision == "int8":
        raise OptionError("int8 runs through OpenVINO or ONNX Runtime, not through torch")
    if threads is not None:
        torch.set_num_threads(threads)
    network = create_model(located.entry.architecture, len(located.entry.labels))
    checkpoint.load_into(network, located.path)
    return TorchRuntime(network, pick_device(device), "float32" if precision == "auto" else precision)


class TorchRuntime:
    """A network as a function on arrays; see ``carseg.runtimes.Runtime``.

    Args:
        network: is put into evaluation mode and moved to the device.
        precision: "float32", or "bfloat16" to run it under autocast.
    """

    def __init__(self, network: Network, device: torch.device, precision: str) -> None:
        self.device = device
        self.precision = precision
        self.network = network.eval().to(device).to(memory_format=torch.channels_last)
        self.description = f"torch {precision} on {device}"
        self.batch_size = 1 if device.type == "cpu" else 8

    @torch.inference_mode()
    def __call__(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        x = torch.from_numpy(batch).to(self.device, memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            logits = self.network(x)
        return logits.float().cpu().contiguous().numpy()


def pick_device(name: str) -> torch.device:
    """A device by name; "auto" is CUDA where there is one, then Apple's MPS, then the CPU.

    Raises:
        OptionError: no such device, or this machine has none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise OptionError(f"no device is called {name!r}; auto, cpu, cuda, cuda:N and mps are") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise OptionError(f"device {name!r}: torch sees no CUDA device here; use cpu")
    return device


def native_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 itself (a CPU by AVX512-BF16 or AMX) rather than emulating it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.backends.mkldnn.is_available() and torch.cpu._is_avx512_bf16_supported()
