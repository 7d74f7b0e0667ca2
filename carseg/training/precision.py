"""The number type that a training computes in."""

from __future__ import annotations

import torch

from carseg.errors import unknown_name
from carseg.runtimes import native_bfloat16


def training_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the type that a training computes in; "auto" is bfloat16 where the device has it natively.

    Raises:
        UnknownNameError: no such precision.
    """
    if name == "auto":
        return torch.bfloat16 if native_bfloat16(device) else torch.float32
    types = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if name not in types:
        raise unknown_name("training precision", name, types)
    return types[name]
