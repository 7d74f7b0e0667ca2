"""Environment variables that switch something on."""

from __future__ import annotations

import os


def is_on(variable: str) -> bool:
    """Whether it is set, and not to 0, false, no or off."""
    return os.environ.get(variable, "").lower() not in ("", "0", "false", "no", "off")
