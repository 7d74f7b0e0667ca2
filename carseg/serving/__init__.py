"""The HTTP service and its page: every answer comes from a ``Segmenter``. Needs ``carseg[serve]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carseg._lazy import lazy_names

if TYPE_CHECKING:
    from carseg.serving.app import create_app
    from carseg.serving.label_studio import LabelStudio
    from carseg.serving.limits import Limits
    from carseg.serving.metrics import Metrics
    from carseg.serving.run import Address, serve

__all__ = ["Address", "LabelStudio", "Limits", "Metrics", "create_app", "serve"]

# Loaded on first use, because they import FastAPI.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "carseg.serving.app": ("create_app",),
        "carseg.serving.label_studio": ("LabelStudio",),
        "carseg.serving.limits": ("Limits",),
        "carseg.serving.metrics": ("Metrics",),
        "carseg.serving.run": ("Address", "serve"),
    },
)
