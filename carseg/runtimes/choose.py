"""Choice of a runtime: the fastest that is installed and agrees with torch float32, or the one that was asked for."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

from carseg.errors import MissingExtraError, OptionError, unknown_name
from carseg.runtimes.artifacts import starts_here
from carseg.runtimes.calibration import int8_ranges
from carseg.runtimes.processor import cpu
from carseg.runtimes.runtime import Runtime, Settings

if TYPE_CHECKING:
    from carseg.hub import ModelInfo, ResolvedWeights

PRECISIONS = ("auto", "float32", "bfloat16", "int8")
AGREEMENT = 0.999  # "auto" takes runtimes whose share of labels equal to torch float32 is at least this
NAMES = ("torch", "openvino", "onnx")  # also the names of their files in this folder
_PACKAGES = {"torch": "torch", "openvino": "openvino", "onnx": "onnxruntime"}
FASTEST = (
    ("openvino", "bfloat16"),
    ("torch", "bfloat16"),
    ("openvino", "float32"),
    ("onnx", "float32"),
    ("torch", "float32"),
)


def check_runtime(
    name: str, precision: str, threads: int | None, calibration: str | os.PathLike[str] | None = None
) -> None:
    """Raise unless the arguments, which are those of ``carseg.load``, are valid for some runtime.

    Raises:
        UnknownNameError: there is no such runtime or precision.
        OptionError: fewer than one thread, or a calibration of something else than int8.
    """
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    if threads is not None and threads < 1:
        raise OptionError(f"threads must be at least 1, got {threads}")
    if name != "auto" and name not in NAMES:
        raise unknown_name("runtime", name, ("auto", *NAMES))
    if calibration is not None and precision != "int8":
        raise OptionError(
            f"a calibration is for int8, not for precision {precision}: use int8, or leave the calibration out"
        )


def start_runtime(
    resolved: ResolvedWeights,
    name: str,
    device: str,
    precision: str,
    threads: int | None,
    calibration: str | os.PathLike[str] | None = None,
) -> Runtime:
    """Return the network of resolved weights, ready to run; the other arguments are those of ``carseg.load``.

    Raises:
        MissingExtraError: the package of the runtime is not installed.
    """
    check_runtime(name, precision, threads, calibration)
    name, precision = choose(resolved.info, name, device, precision)
    if name == "torch" and not installed(name):
        way_out = " (the runtimes openvino and onnx work without it)" if starts_here(resolved.info) else ""
        raise MissingExtraError("torch", None, f"{resolved.info.name} through torch{way_out}")
    ranges = int8_ranges(resolved.info, calibration) if precision == "int8" else None
    return Settings(resolved, name, device, precision, threads, ranges).start()


def choose(info: ModelInfo, name: str, device: str, precision: str) -> tuple[str, str]:
    """Return runtime and precision; "auto" is the fastest that is installed and agrees with torch float32.

    The agreement was measured when the weights were published (``ModelInfo.runtimes``). int8 is chosen only on request.

    Raises:
        OptionError: int8 through torch, or on another device than the CPU.
    """
    if (name, precision) == ("auto", "int8") and device in ("auto", "cpu"):  # no other device runs int8
        return ("openvino" if installed("openvino") or not installed("onnx") else "onnx"), precision
    if device == "cpu" or (device == "auto" and not (installed("torch") and cpu.may_have_accelerator())):
        for fast, kind in FASTEST:
            if name in ("auto", fast) and precision in ("auto", kind) and _suits(info, fast, kind):
                return fast, kind
    if precision == "int8" and name in ("auto", "torch"):
        raise OptionError(
            "int8 runs through OpenVINO or ONNX Runtime on a CPU, not through torch; leave runtime and device out"
        )
    return ("torch" if name == "auto" else name), ("float32" if precision == "auto" else precision)


def _suits(info: ModelInfo, name: str, precision: str) -> bool:
    agreement = info.runtimes.get(name, {}).get(precision, 0.0)
    return agreement >= AGREEMENT and runs_here(name, precision) and (name == "torch" or starts_here(info))


def runs_here(name: str, precision: str) -> bool:
    """Return whether a runtime is installed and, for bfloat16, the processor multiplies it natively."""
    return installed(name) and (precision != "bfloat16" or cpu.native_bfloat16())


def installed(name: str) -> bool:
    """Return whether the package of a runtime is installed."""
    return importlib.util.find_spec(_PACKAGES[name]) is not None
