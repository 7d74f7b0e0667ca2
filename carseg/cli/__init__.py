"""The command line: argv and printing, nothing that a Python caller could not do.

Exit status: 0 done; 1 inputs failed, or a check was not met; 2 wrong usage; 130 interrupted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from carseg._lazy import lazy_names
from carseg.cli.main import entry, main

if TYPE_CHECKING:
    from carseg.cli.commands import app

__all__ = ["app", "entry", "main"]

__getattr__, __dir__ = lazy_names(__name__, {"carseg.cli.commands": ("app",)})
