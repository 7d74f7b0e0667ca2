"""Catalog of the models and of what is known about them. Standard library only: no weights are loaded or downloaded."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path

from carseg.hub.manifest import find_config, load_manifest, read_config
from carseg.hub.model_info import ModelInfo
from carseg.hub.origins import HUGGING_FACE
from carseg.hub.recommended import RECOMMENDED, full_name, unknown_model
from carseg.hub.resolve import SUFFIX, find_info

DEFAULT_MODEL = RECOMMENDED["parts"].model  # of `carseg predict`


def list_models(pattern: str | None = None) -> list[str]:
    """Return the full names of all models, sorted; ``carseg.load`` takes them.

    Args:
        pattern: return only names that match it, such as ``"*carparts*"``.
    """
    return sorted(name for name in load_manifest().models if pattern is None or fnmatchcase(name, pattern))


def list_weights() -> list[str]:
    """Return the names of all weights, sorted: models, and networks that refine what models answer."""
    return sorted(load_manifest().weights)


def info(name: str | os.PathLike[str]) -> ModelInfo:
    """Return everything that is known about a model: classes, input, figures, data, licence.

    Args:
        name: one of ``list_models()``, a short name, the folder of a fine-tuned network or of its training run, its
            safetensors file, or ``hf://ORG/REPO[@REVISION]``, whose ``config.json`` is downloaded once.

    Raises:
        UnknownNameError: the model does not exist.
        HubError: the repository does not answer.
        WeightsError: the file cannot be used, or has no ``config.json`` beside it.
        ManifestError: the folder's ``config.json`` is not valid.
    """
    manifest, name = load_manifest(), full_name(name)
    if name in manifest.weights:
        return manifest.weights[name]
    if name.startswith(HUGGING_FACE) or name.endswith(SUFFIX):
        return find_info(name)
    config = find_config(Path(name))
    if config is None:
        raise unknown_model(name, manifest.models)
    return read_config(config)
