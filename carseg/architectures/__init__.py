"""Published network architectures, one per file, and their registry; no weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carseg._lazy import lazy_names
from carseg.architectures.registry import find_builder, list_architectures, register

if TYPE_CHECKING:
    from carseg.architectures.convert import convert_public_state_dict
    from carseg.architectures.network import Network, State

__all__ = ["Network", "State", "convert_public_state_dict", "find_builder", "list_architectures", "register"]

# Loaded on first use, because they import torch.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "carseg.architectures.convert": ("convert_public_state_dict",),
        "carseg.architectures.network": ("Network", "State"),
    },
)
