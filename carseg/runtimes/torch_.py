"""The runtime that is always there: PyTorch in evaluation mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from carseg.errors import OptionError

if TYPE_CHECKING:
    from carseg.architectures.network import Network


def pick_device(name: str) -> torch.device:
    """``auto``: CUDA where there is one, then Apple's MPS, then the CPU.

    Raises:
        OptionError: no such device, or this machine has none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise OptionError(f"no such device {name!r}; auto, cpu, cuda, cuda:N and mps are") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise OptionError(f"device {name!r} was asked for, but torch sees no CUDA device; use device='cpu'")
    return device


def native_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 itself (on CPUs AVX512-BF16 or AMX), rather than emulating it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and torch.cpu._is_avx512_bf16_supported()


class TorchRuntime:
    """A network as a function from float32 (N, 3, h, w) to float32 logits (N, C, h', w').

    Args:
        precision: "float32", or "bfloat16" to run it under autocast.
    """

    name = "torch"

    def __init__(self, network: Network, device: torch.device, precision: str) -> None:
        self.device = device
        self.precision = precision
        self.network = network.eval().to(device, memory_format=torch.channels_last)

    @torch.inference_mode()
    def __call__(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        x = torch.from_numpy(batch).to(self.device, memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            logits = self.network(x)
        return logits.float().cpu().contiguous().numpy()
