"""Quality of segmentations by one protocol: figures with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carseg._lazy import lazy_names
from carseg.evaluation.bootstrap import resamples
from carseg.evaluation.boundary import boundary_f1
from carseg.evaluation.confusion import Floats, class_dice, class_iou
from carseg.evaluation.metrics import Evaluation, Scores, to_metric

if TYPE_CHECKING:
    from carseg.evaluation.evaluate import evaluate_network

__all__ = [
    "Evaluation",
    "Floats",
    "Scores",
    "boundary_f1",
    "class_dice",
    "class_iou",
    "evaluate_network",
    "resamples",
    "to_metric",
]

# Loaded on first use, because it imports torch.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "carseg.evaluation.evaluate": ("evaluate_network",),
    },
)
