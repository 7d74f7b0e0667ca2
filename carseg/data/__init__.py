"""Labelled pictures: ``carseg.data.open(path)`` recognises the format; names load on first use (PEP 562)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from carseg.data.checking import Findings, check
    from carseg.data.classes import parse_mapping
    from carseg.data.converting import convert
    from carseg.data.dataset import Dataset, Sample
    from carseg.data.opening import open, open_all
    from carseg.data.splitting import split_train_val

__all__ = [
    "Dataset",
    "Findings",
    "Sample",
    "check",
    "convert",
    "open",
    "open_all",
    "parse_mapping",
    "split_train_val",
]

_HOMES = {
    "Dataset": "dataset",
    "Findings": "checking",
    "Sample": "dataset",
    "check": "checking",
    "convert": "converting",
    "open": "opening",
    "open_all": "opening",
    "parse_mapping": "classes",
    "split_train_val": "splitting",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
