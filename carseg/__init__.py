"""Car image segmentation networks, with weights.

    model = carseg.load("fpn-mobilenetv2-carparts")
    result = model.predict("img.jpg")
    result.parts, result.mask, result.overlay()

Names load on first use, so that ``import carseg`` costs next to nothing; torch comes with the first network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from carseg._lazy import lazy_names
from carseg._version import __version__

if TYPE_CHECKING:  # past the doors where a file has its function's name: mypy may take one for the other there
    from carseg import data, hub
    from carseg.architectures import list_architectures, register
    from carseg.benchmarking.benchmark import benchmark
    from carseg.errors import (
        CarNotFoundError,
        CarsegError,
        ClosedError,
        DataError,
        ExportError,
        ForkError,
        HubError,
        ImageError,
        ImageNotFoundError,
        ManifestError,
        MissingExtraError,
        OfflineError,
        OptionError,
        OutputError,
        PartNotFoundError,
        TrainingError,
        UnknownNameError,
        WeightsError,
    )
    from carseg.evaluation.evaluate import evaluate
    from carseg.exporting.export import export
    from carseg.hub import create_model, info, list_models
    from carseg.inference import Result, Segmenter, Video, load
    from carseg.labels import LabelSet, label_set
    from carseg.scale import Batch
    from carseg.training import TrainingConfig, finetune
    from carseg.workflows.cutout import cutout
    from carseg.workflows.label import label
    from carseg.workflows.report import report

__all__ = [
    "Batch",
    "CarNotFoundError",
    "CarsegError",
    "ClosedError",
    "DataError",
    "ExportError",
    "ForkError",
    "HubError",
    "ImageError",
    "ImageNotFoundError",
    "LabelSet",
    "ManifestError",
    "MissingExtraError",
    "OfflineError",
    "OptionError",
    "OutputError",
    "PartNotFoundError",
    "Result",
    "Segmenter",
    "TrainingConfig",
    "TrainingError",
    "UnknownNameError",
    "Video",
    "WeightsError",
    "__version__",
    "benchmark",
    "create_model",
    "cutout",
    "data",
    "evaluate",
    "export",
    "finetune",
    "hub",
    "info",
    "label",
    "label_set",
    "list_architectures",
    "list_models",
    "load",
    "register",
    "report",
]

_ERRORS = tuple(name for name in __all__ if name.endswith("Error"))
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "carseg.architectures": ("list_architectures", "register"),
        "carseg.benchmarking": ("benchmark",),
        "carseg.data": ("data",),
        "carseg.errors": _ERRORS,
        "carseg.evaluation": ("evaluate",),
        "carseg.exporting": ("export",),
        "carseg.hub": ("hub", "create_model", "info", "list_models"),
        "carseg.inference": ("Result", "Segmenter", "Video", "load"),
        "carseg.labels": ("LabelSet", "label_set"),
        "carseg.scale": ("Batch",),
        "carseg.training": ("TrainingConfig", "finetune"),
        "carseg.workflows": ("cutout", "label", "report"),
    },
)
