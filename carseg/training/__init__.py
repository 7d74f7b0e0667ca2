"""Training: ``finetune``, its settings, and what it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carseg._lazy import lazy_names
from carseg.training.config import TrainingConfig

if TYPE_CHECKING:
    from carseg.training.finetune import finetune
    from carseg.training.log import read_log
    from carseg.training.run_folder import STATE, RunStart, read_start
    from carseg.training.splits import open_splits
    from carseg.training.start import start_network
    from carseg.training.trainer import Trainer

__all__ = [
    "STATE",
    "RunStart",
    "Trainer",
    "TrainingConfig",
    "finetune",
    "open_splits",
    "read_log",
    "read_start",
    "start_network",
]

# What needs torch.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "carseg.training.finetune": ("finetune",),
        "carseg.training.log": ("read_log",),
        "carseg.training.run_folder": ("STATE", "RunStart", "read_start"),
        "carseg.training.splits": ("open_splits",),
        "carseg.training.start": ("start_network",),
        "carseg.training.trainer": ("Trainer",),
    },
)
