"""All that depends on the processor behind one door: what it can, and what that changes about a network.

``prepare_for_processor`` is for whoever computes a PyTorch network or converts it. Networks in OpenVINO and ranges for
int8 are no PyTorch networks any more: ``mark_float32_ends`` and ``leave_a_bit_unused`` are the same for them. What each
piece gains is measured in docs/performance.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from carseg._lazy import lazy_names
from carseg.runtimes.processor import cpu
from carseg.runtimes.processor.seven_bits import leave_a_bit_unused

if TYPE_CHECKING:
    from carseg.runtimes.processor.openvino_ends import FLOAT32_UNTIL, mark_float32_ends
    from carseg.runtimes.processor.prepare import bfloat16_weights, prepare_for_processor
    from carseg.runtimes.processor.split import split_dilated

__all__ = [
    "FLOAT32_UNTIL",
    "bfloat16_weights",
    "cpu",
    "leave_a_bit_unused",
    "mark_float32_ends",
    "prepare_for_processor",
    "split_dilated",
]

# Loaded on first use, because they import torch or are needed only where a network is converted.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "carseg.runtimes.processor.openvino_ends": ("FLOAT32_UNTIL", "mark_float32_ends"),
        "carseg.runtimes.processor.prepare": ("bfloat16_weights", "prepare_for_processor"),
        "carseg.runtimes.processor.split": ("split_dilated",),
    },
)
