"""Car image segmentation networks, with weights.

    model = carseg.load("fpn-mobilenetv2-carparts")
    result = model.predict("img.jpg")
    result.parts, result.mask, result.overlay()

Names load on first use (PEP 562), so that ``import carseg`` costs next to nothing; torch comes with the first network.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from carseg import data
    from carseg.benchmarking import benchmark
    from carseg.catalog import info, list_models
    from carseg.errors import (
        CarsegError,
        DataError,
        ExportError,
        HubError,
        ManifestError,
        MissingExtraError,
        OfflineError,
        OptionError,
        OutputError,
        PictureError,
        PictureNotFoundError,
        TrainingError,
        UnknownNameError,
        WeightsError,
    )
    from carseg.exporting import export
    from carseg.finetuning import finetune
    from carseg.labels import LabelSet, label_set
    from carseg.options import Options
    from carseg.registry import create_model, list_architectures, register
    from carseg.result import Result
    from carseg.segmenter import Segmenter, load

__version__ = "0.1.0"

__all__ = [
    "CarsegError",
    "DataError",
    "ExportError",
    "HubError",
    "LabelSet",
    "ManifestError",
    "MissingExtraError",
    "OfflineError",
    "OptionError",
    "Options",
    "OutputError",
    "PictureError",
    "PictureNotFoundError",
    "Result",
    "Segmenter",
    "TrainingError",
    "UnknownNameError",
    "WeightsError",
    "__version__",
    "benchmark",
    "create_model",
    "data",
    "export",
    "finetune",
    "info",
    "label_set",
    "list_architectures",
    "list_models",
    "load",
    "register",
]

# The module of each name; what is not listed is an exception.
_HOMES = {
    "LabelSet": "labels",
    "Options": "options",
    "Result": "result",
    "Segmenter": "segmenter",
    "benchmark": "benchmarking",
    "create_model": "registry",
    "export": "exporting",
    "finetune": "finetuning",
    "info": "catalog",
    "label_set": "labels",
    "list_architectures": "registry",
    "list_models": "catalog",
    "load": "segmenter",
    "register": "registry",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "data":
        return importlib.import_module("carseg.data")
    value = getattr(importlib.import_module(f"carseg.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
