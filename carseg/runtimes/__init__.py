"""Runtimes of a network (torch, ONNX Runtime, OpenVINO) behind the same call, numpy in and numpy out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carseg._lazy import lazy_names
from carseg.runtimes import cpu
from carseg.runtimes.artifacts import int8_model, int8_ranges, onnx_model, put_int8_ranges
from carseg.runtimes.choose import AGREEMENT, FASTEST, Runtime, check_runtime, installed, runs_here, start_runtime
from carseg.runtimes.memory import keep_memory
from carseg.runtimes.onnx import OnnxRuntime
from carseg.runtimes.openvino import from_model, library, read
from carseg.runtimes.quantize import INPUT_PLACE, observe, quantize

if TYPE_CHECKING:
    from carseg.runtimes.convert import to_program
    from carseg.runtimes.fuse import fuse_conv_bn
    from carseg.runtimes.split import split_for_amx
    from carseg.runtimes.torch import TorchRuntime, native_bfloat16, pick_device, read_network

__all__ = [
    "AGREEMENT",
    "FASTEST",
    "INPUT_PLACE",
    "OnnxRuntime",
    "Runtime",
    "TorchRuntime",
    "check_runtime",
    "cpu",
    "from_model",
    "fuse_conv_bn",
    "installed",
    "int8_model",
    "int8_ranges",
    "keep_memory",
    "library",
    "native_bfloat16",
    "observe",
    "onnx_model",
    "pick_device",
    "put_int8_ranges",
    "quantize",
    "read",
    "read_network",
    "runs_here",
    "split_for_amx",
    "start_runtime",
    "to_program",
]

# Loaded on first use, because they import torch.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "carseg.runtimes.convert": ("to_program",),
        "carseg.runtimes.fuse": ("fuse_conv_bn",),
        "carseg.runtimes.split": ("split_for_amx",),
        "carseg.runtimes.torch": ("TorchRuntime", "native_bfloat16", "pick_device", "read_network"),
    },
)
