"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def eventually(true: Callable[[], bool]) -> None:
    """Wait until something is true, such as that an answer is counted and logged, which its client may have before."""
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
