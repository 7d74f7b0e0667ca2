"""Quality of segmentations by one protocol: ``evaluate``, and figures with their intervals."""

from __future__ import annotations

from carseg.evaluation.bootstrap import resamples
from carseg.evaluation.boundary import boundary_f1
from carseg.evaluation.confusion import Floats, class_dice, class_iou
from carseg.evaluation.evaluate import Progress, add_predictions, evaluate, evaluate_network
from carseg.evaluation.metrics import Evaluation, Scores, to_metric

__all__ = [
    "Evaluation",
    "Floats",
    "Progress",
    "Scores",
    "add_predictions",
    "boundary_f1",
    "class_dice",
    "class_iou",
    "evaluate",
    "evaluate_network",
    "resamples",
    "to_metric",
]
