"""Abilities of the processor, and the GPUs beside it. Standard library only, so that choosing a runtime is quick."""

from __future__ import annotations

import functools
import os
import platform
import sys
from pathlib import Path

from carseg._env import onednn_cap

# Device files of NVIDIA's driver, of Windows' graphics inside WSL, and of AMD's driver.
_ACCELERATORS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
_NVIDIA = Path("/proc/driver/nvidia")  # where NVIDIA's driver describes itself


def native_bfloat16() -> bool:
    """Return whether it multiplies bfloat16 natively (AVX512-BF16, AMX) and oneDNN's variable does not forbid it."""
    return _may_use("BF16", "FP16", "AMX", "AVX10") and not _features().isdisjoint({"avx512_bf16", "amx_bf16"})


def has_amx() -> bool:
    """Return whether it multiplies tiles of bfloat16 (AMX) and oneDNN's variable does not forbid it."""
    return _may_use("AMX") and "amx_bf16" in _features()


def native_int8() -> bool:
    """Return whether it adds products of int8 in 32 bits (VNNI, AMX, any ARM) and oneDNN's variable allows it.

    Older processors of the x86 family add two products in 16 bits, which overflow.
    """
    if platform.machine().lower() not in ("x86_64", "amd64", "i386", "i686"):
        return True
    return _may_use("VNNI", "BF16", "FP16", "AMX", "AVX10") and not _features().isdisjoint(
        {"avx512_vnni", "avx_vnni", "amx_int8"}
    )


def fingerprint() -> str:
    """Return a text that differs between processors for which compiled networks differ."""
    return " ".join([platform.machine(), sys.platform, onednn_cap(), *sorted(_features())])


def name() -> str:
    """Return the processor's name, as it states it."""
    return _info("model name") or platform.processor() or platform.machine()


def may_have_accelerator() -> bool:
    """Return whether there may be a GPU, so that it is worth importing torch to ask."""
    return sys.platform != "linux" or any(os.path.exists(path) for path in _ACCELERATORS)


def gpus() -> list[str]:
    """Return the names of the GPUs and the version of the driver, as NVIDIA's driver for Linux states them; else []."""
    found = []
    for pattern, start in (("gpus/*/information", "Model:"), ("version", "NVRM version:")):
        for path in sorted(_NVIDIA.glob(pattern)):
            lines = path.read_text("utf-8").splitlines()
            found += [line.removeprefix(start).strip() for line in lines if line.startswith(start)]
    return found


def _may_use(*sets: str) -> bool:
    """Return whether oneDNN's cap allows one of these instruction sets."""
    cap = onednn_cap()
    return cap in ("", "ALL", "DEFAULT") or any(name in cap for name in sets)


def _features() -> frozenset[str]:
    return frozenset(_info("flags").split())


@functools.cache
def _info(field: str) -> str:
    """Return a field that Linux states about the first core; "" elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")
