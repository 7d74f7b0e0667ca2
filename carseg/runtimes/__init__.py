"""Runtimes of a network (torch, ONNX Runtime, OpenVINO) behind the same call, numpy in and numpy out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carseg._lazy import lazy_names
from carseg.runtimes.artifacts import onnx_model
from carseg.runtimes.calibration import Calibration, calibrate, int8_ranges, read_calibration
from carseg.runtimes.choose import AGREEMENT, FASTEST, check_runtime, installed, runs_here, start_runtime
from carseg.runtimes.graph import GRAPHS
from carseg.runtimes.memory import keep_memory
from carseg.runtimes.onnx import OnnxRuntime
from carseg.runtimes.openvino import from_model, library, read
from carseg.runtimes.processor import cpu
from carseg.runtimes.quantize import INPUT_PLACE, observe, quantize
from carseg.runtimes.runtime import Runtime

if TYPE_CHECKING:
    from carseg.runtimes.build import build_graph
    from carseg.runtimes.convert import to_program
    from carseg.runtimes.fuse import fuse_conv_bn
    from carseg.runtimes.processor import prepare_for_processor
    from carseg.runtimes.torch import TorchRuntime, native_bfloat16, pick_device, read_network

__all__ = [
    "AGREEMENT",
    "FASTEST",
    "GRAPHS",
    "INPUT_PLACE",
    "Calibration",
    "OnnxRuntime",
    "Runtime",
    "TorchRuntime",
    "build_graph",
    "calibrate",
    "check_runtime",
    "cpu",
    "from_model",
    "fuse_conv_bn",
    "installed",
    "int8_ranges",
    "keep_memory",
    "library",
    "native_bfloat16",
    "observe",
    "onnx_model",
    "pick_device",
    "prepare_for_processor",
    "quantize",
    "read",
    "read_calibration",
    "read_network",
    "runs_here",
    "start_runtime",
    "to_program",
]

# Loaded on first use, because they import torch.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "carseg.runtimes.build": ("build_graph",),
        "carseg.runtimes.convert": ("to_program",),
        "carseg.runtimes.fuse": ("fuse_conv_bn",),
        "carseg.runtimes.processor": ("prepare_for_processor",),
        "carseg.runtimes.torch": ("TorchRuntime", "native_bfloat16", "pick_device", "read_network"),
    },
)
