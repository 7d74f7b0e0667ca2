"""Training: ``finetune``, its settings, and what it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carseg._lazy import lazy_names
from carseg.training.config import TrainingConfig
from carseg.training.hooks import Hook, Step
from carseg.training.log import LogRow, read_log
from carseg.training.run_folder import STATE, RunStart, read_start

if TYPE_CHECKING:
    from carseg.training.finetuning import finetune
    from carseg.training.fitting import Fitted, fit
    from carseg.training.splits import open_splits
    from carseg.training.start import start_network

__all__ = [
    "STATE",
    "Fitted",
    "Hook",
    "LogRow",
    "RunStart",
    "Step",
    "TrainingConfig",
    "finetune",
    "fit",
    "open_splits",
    "read_log",
    "read_start",
    "start_network",
]

# What needs torch.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "carseg.training.finetuning": ("finetune",),
        "carseg.training.fitting": ("Fitted", "fit"),
        "carseg.training.splits": ("open_splits",),
        "carseg.training.start": ("start_network",),
    },
)
