"""Settings of the whole process, which only a command may change."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import warnings

from carseg.cli.terminal import say, warn

# glibc's name of each setting, mallopt's number for it (malloc.h), and its value.
_MALLOC = (
    ("mmap_threshold", -3, 1 << 30),  # large tensors come from the heap too,
    ("trim_threshold", -1, (1 << 31) - 1),  # which is not given back
    ("top_pad", -2, 256 << 20),  # and grows in large pieces
)


class _Told(logging.Handler):
    """Says what is logged, as all talk is said."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"carseg: {record.getMessage()}")


def prepare() -> None:
    """Settings for a command that runs a network: memory is kept for the next picture, warnings and what takes its time
    become one line each.

    glibc would map and unmap every activation anew; a third of a network's time on the CPU then goes into page faults.
    Processes that the command starts find the same settings in their environment.
    """
    warnings.showwarning = warn  # type: ignore[assignment]
    logger = logging.getLogger("carseg")
    logger.setLevel(logging.INFO)
    logger.handlers = [_Told()]
    logging.getLogger("PIL").setLevel(logging.CRITICAL)  # repeats without a name what an error then says with it
    if sys.platform == "linux":
        tunables = ":".join(f"glibc.malloc.{name}={value}" for name, _, value in _MALLOC)
        os.environ.setdefault("GLIBC_TUNABLES", tunables)
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            for _, number, value in _MALLOC:
                mallopt(number, value)
