"""Settings of the whole process, which only a command may change."""

from __future__ import annotations

import logging
import warnings

from carseg.cli.terminal import err, warn
from carseg.runtimes import keep_memory


class _LogLines(logging.Handler):
    """Handler that writes what is logged to stderr, one line each."""

    def emit(self, record: logging.LogRecord) -> None:
        err(f"carseg: {record.getMessage()}")


def prepare() -> None:
    """Prepare the process to run a network: freed memory is kept for the next image, warnings and what takes its
    time become one line each.
    """
    warnings.showwarning = warn  # type: ignore[assignment]
    logger = logging.getLogger("carseg")
    logger.setLevel(logging.INFO)
    logger.handlers = [_LogLines()]
    logging.getLogger("PIL").setLevel(logging.CRITICAL)  # repeats without a name what an error then says with it
    keep_memory()
