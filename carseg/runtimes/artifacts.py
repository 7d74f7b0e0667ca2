"""Networks as ONNX files: graphs of the package filled with weights, or converted through torch once and cached."""

from __future__ import annotations

import importlib.util
import json
import logging
from collections.abc import Callable
from typing import TypeVar

from carseg._version import __version__
from carseg.errors import require_extra
from carseg.hub import ModelInfo, Range, ResolvedWeights, cached, read_tensors
from carseg.runtimes.graph import find_graph
from carseg.runtimes.processor import cpu

_CONVERTERS = ("torch", "onnx", "onnxscript")  # packages without which no network is converted

_Loaded = TypeVar("_Loaded")
_log = logging.getLogger("carseg")


def onnx_model(
    resolved: ResolvedWeights,
    precision: str,
    extra: str,
    ranges: dict[str, Range] | None = None,
    *,
    load: Callable[[bytes], _Loaded],
) -> _Loaded:
    """Return the network as an ONNX file, from the cache or made now, loaded.

    Its input is float32 (N, channels, h, w), its output float32 (N, C, h', w'), with N, h and w free.

    Args:
        resolved: the weights.
        precision: "float32"; "bfloat16", whose float32 weights are mostly numbers that bfloat16 has too; "int8".
        extra: the extra of carseg that a MissingExtraError names.
        ranges: of the activations, for "int8".
        load: makes of the file's content what is returned; a cached file that it cannot load is made anew.

    Raises:
        MissingExtraError: a package that the conversion needs is not installed.
        OptionError: the ranges are those of another network.
        WeightsError: the weights do not fit the network.
    """

    info = resolved.info
    if ranges is not None:
        return cached(info, onnx_key(precision, ranges), lambda: _int8_model(resolved, ranges, extra), load)
    bfloat16 = precision == "bfloat16"
    graph = find_graph(info.architecture, info.input.channels, split=bfloat16 and cpu.has_amx())
    if graph is not None:
        return load(graph.fill(read_tensors(resolved.path), len(info.labels), resolved.path, bfloat16=bfloat16))
    return cached(info, onnx_key(precision, ranges), lambda: _convert(resolved, bfloat16, extra), load)


def starts_here(info: ModelInfo) -> bool:
    """Return whether ``onnx_model`` has what it needs for a float32 network."""
    graph = find_graph(info.architecture, info.input.channels)
    return graph is not None or all(importlib.util.find_spec(package) for package in _CONVERTERS)


def _int8_model(resolved: ResolvedWeights, ranges: dict[str, Range], extra: str) -> bytes:
    """Return the network as the content of an int8 ONNX file for this processor."""
    for package in ("onnx", "onnxruntime"):
        require_extra(package, extra, "making an int8 network")
    from carseg.runtimes.quantize import quantize

    def quantized(model: bytes) -> bytes:
        return quantize(model, ranges, seven_bits=not cpu.native_int8())

    return onnx_model(resolved, "float32", extra, load=quantized)


def _convert(resolved: ResolvedWeights, bfloat16: bool, extra: str) -> bytes:
    for package in _CONVERTERS:
        require_extra(package, extra, f"converting a network for {extra}")
    from carseg.runtimes.convert import to_onnx
    from carseg.runtimes.torch import read_network

    network = read_network(resolved)
    _log.info("%s is converted to ONNX first, which takes a while", resolved.info.name)
    return to_onnx(network, channels=resolved.info.input.channels, bfloat16=bfloat16)


def onnx_key(precision: str, ranges: dict[str, Range] | None) -> tuple[str, ...]:
    """Return the cache key of ``onnx_model``: all that the file depends on beside the weights."""
    key = "onnx", __version__, precision
    if precision == "bfloat16":
        return *key, str(cpu.has_amx())
    if precision == "int8":
        return *key, json.dumps(ranges), str(cpu.native_int8())
    return key
