"""Data sets of labelled pictures: ``carseg.data.open(path)`` recognises the format; names load on first use (PEP 562)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from carseg.data.dataset import Dataset, Sample
    from carseg.data.opening import open

__all__ = ["Dataset", "Sample", "open"]

_HOMES = {
    "Dataset": "dataset",
    "Sample": "dataset",
    "open": "opening",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
