"""What the processor can do. Standard library only: nothing heavy is imported to choose a runtime."""

from __future__ import annotations

import functools
import os
import platform
import sys
from pathlib import Path

# Device files of NVIDIA's driver, of Windows' graphics inside WSL, and of AMD's driver.
_ACCELERATORS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


def native_bfloat16() -> bool:
    """Whether it multiplies bfloat16 itself (AVX512-BF16, AMX), and oneDNN's variable does not forbid it."""
    cap = _cap()
    allowed = cap in ("", "ALL", "DEFAULT") or any(name in cap for name in ("BF16", "FP16", "AMX", "AVX10"))
    return allowed and not _features().isdisjoint({"avx512_bf16", "amx_bf16"})


def fingerprint() -> str:
    """A text that differs where compiled networks have to differ."""
    return " ".join([platform.machine(), sys.platform, _cap(), *sorted(_features())])


def may_have_accelerator() -> bool:
    """Whether it is worth asking torch for a GPU."""
    return sys.platform != "linux" or any(os.path.exists(path) for path in _ACCELERATORS)


def _cap() -> str:
    """The instruction set that users of oneDNN (torch, OpenVINO) must not go beyond; "" for none."""
    return (os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "").upper()


@functools.cache
def _features() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:  # only Linux tells
        return frozenset()
    return frozenset(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), ()))
