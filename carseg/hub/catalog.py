"""Catalog of the models and of what is known about them. Standard library only: nothing is loaded or downloaded."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path

from carseg.errors import unknown_name
from carseg.hub.manifest import find_config, load_manifest, read_config
from carseg.hub.model_info import ModelInfo

DEFAULT_MODEL = "fpn-mobilenetv2-carparts"  # of `carseg predict`; embedded in the wheel, so that it runs offline


def list_models(pattern: str | None = None) -> list[str]:
    """Return the names that ``carseg.load`` takes, sorted.

    Args:
        pattern: return only names that match it, such as ``"*carparts*"``.
    """
    return sorted(name for name in load_manifest().models if pattern is None or fnmatchcase(name, pattern))


def info(name: str | os.PathLike[str]) -> ModelInfo:
    """Return all that is known about a model: classes, input, figures, data, licence.

    Args:
        name: one of ``list_models()``, or the folder of a fine-tuned network or of its training run.

    Raises:
        UnknownNameError: no such model.
        ManifestError: the folder's ``config.json`` is not valid.
    """
    models = load_manifest().models
    if str(name) in models:
        return models[str(name)]
    config = find_config(Path(name))
    if config is None:
        raise unknown_name("model", str(name), models)
    return read_config(config)
