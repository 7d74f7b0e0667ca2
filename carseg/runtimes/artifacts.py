"""Artifacts made from weights once and cached: networks as ONNX, ranges of activations.

Imports torch only to make an ONNX file.
"""

from __future__ import annotations

import json
import logging

from carseg._version import __version__
from carseg.errors import OptionError, require_extra
from carseg.hub import ModelInfo, Range, ResolvedWeights, cached, read_cached, write_cached
from carseg.runtimes import cpu

_RANGES = ("int8 ranges",)
_log = logging.getLogger("carseg")


def onnx_model(resolved: ResolvedWeights, precision: str, extra: str) -> bytes:
    """Return the network as the content of an ONNX file, from the cache or made now.

    Its input is float32 (N, 3, h, w), its output float32 (N, C, h', w'), with N, h and w free.

    Args:
        resolved: the weights.
        precision: "float32"; "bfloat16", whose float32 weights are mostly numbers that bfloat16 has too; "int8".
        extra: the extra of carseg that a MissingExtraError names.

    Raises:
        OptionError: "int8" for a network that was never calibrated.
        MissingExtraError: a package that the conversion needs is not installed.
        WeightsError: the weights do not fit the network.
    """

    def convert() -> bytes:
        for package in ("onnx", "onnxscript", *(["onnxruntime"] if precision == "int8" else [])):
            require_extra(package, extra, f"converting a network for {extra}")
        if precision == "int8":
            return int8_model(resolved, int8_ranges(resolved.info), extra)
        from carseg.runtimes.convert import to_onnx
        from carseg.runtimes.torch import read_network

        network = read_network(resolved)
        _log.info("%s is converted to ONNX first, which takes a while", resolved.info.name)
        return to_onnx(network, bfloat16=precision == "bfloat16")

    return cached(resolved.info, onnx_key(resolved.info, precision), convert)


def int8_model(resolved: ResolvedWeights, ranges: dict[str, Range], extra: str) -> bytes:
    """Return the network as the content of an int8 ONNX file for this processor; ``ranges`` are of its activations."""
    from carseg.runtimes.quantize import quantize

    return quantize(onnx_model(resolved, "float32", extra), ranges, seven_bits=not cpu.native_int8())


def onnx_key(info: ModelInfo, precision: str) -> tuple[str, ...]:
    """Return the cache key of ``onnx_model`` in a precision: all that the file depends on beside the weights."""
    key = "onnx", __version__, precision
    if precision == "bfloat16":
        return *key, str(cpu.has_amx())
    if precision == "int8":
        return *key, json.dumps(int8_ranges(info)), str(cpu.native_int8())
    return key


def int8_ranges(info: ModelInfo) -> dict[str, Range]:
    """Return the ranges of a network's activations: calibrated on this machine, else those stored with the weights.

    Raises:
        OptionError: there are none.
    """
    own = read_cached(info, _RANGES)
    if own is not None:
        return {place: (low, high) for place, (low, high) in json.loads(own).items()}
    if info.int8 is None:
        raise OptionError(
            f"{info.name} was published without int8 and not calibrated on this machine: run "
            f"`carseg export {info.name} --format onnx --precision int8 --calib DIR` with a folder of images once"
        )
    return info.int8.ranges


def put_int8_ranges(info: ModelInfo, ranges: dict[str, Range]) -> None:
    """Cache the ranges that ``int8_ranges`` returns for these weights from now on.

    Raises:
        OSError: the cache cannot be written.
    """
    write_cached(info, _RANGES, json.dumps(ranges).encode())
