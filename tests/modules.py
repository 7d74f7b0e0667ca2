"""Modules of carseg by name, to be patched: a room's door may have a function of the same name."""

from __future__ import annotations

import importlib
from types import ModuleType


def module(name: str) -> ModuleType:
    """Return ``carseg.NAME``."""
    return importlib.import_module(f"carseg.{name}")
