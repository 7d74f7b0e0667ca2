"""Names to verified files to networks: the only room with a socket or the cache.

A hub is a place with the layout of ``weights/`` (NAME/model.safetensors, NAME/config.json): a folder, an ``http(s)://``
base or ``hf://ORG/REPO``. ``CARSEG_HUB`` is the given hub where none is named, ``CARSEG_CACHE`` the folder of
the cache; ``CARSEG_OFFLINE=1`` and ``HF_HUB_OFFLINE=1`` mean that no socket is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from carseg._lazy import lazy_names
from carseg.hub._schema import Record, convert, from_plain, require, to_plain
from carseg.hub.cache import cache_dir, cached
from carseg.hub.card import escape_markdown, model_card
from carseg.hub.catalog import DEFAULT_MODEL, info, list_models, list_weights
from carseg.hub.create import create_model
from carseg.hub.http import media_type, read_pieces, read_url
from carseg.hub.licence import licence_notice
from carseg.hub.manifest import CONFIG, ROOT, Manifest, load_manifest, read_config, write_config
from carseg.hub.model_info import (
    MODEL_SCHEMA,
    Confusion,
    DataSource,
    InputSpec,
    Int8,
    Metric,
    ModelInfo,
    Provenance,
    Range,
    require_ranges,
)
from carseg.hub.origins import web_address
from carseg.hub.publish import mirror, publish
from carseg.hub.push import push
from carseg.hub.recommended import FOR_SALE, RECOMMENDED, Recommendation, full_name
from carseg.hub.resolve import ResolvedWeights, copies, find_info, resolve, resolve_again
from carseg.hub.verify import verify

if TYPE_CHECKING:
    from carseg.hub.checkpoint import load_into, read_state, rename_classes, replace_head
    from carseg.hub.pretrained import copy_encoder, load_encoder, load_imagenet_encoder
    from carseg.hub.save import save_model
    from carseg.hub.tensors import Array, Kind, check_fit, kinds, read_tensors

__all__ = [
    "CONFIG",
    "DEFAULT_MODEL",
    "FOR_SALE",
    "MODEL_SCHEMA",
    "RECOMMENDED",
    "ROOT",
    "Array",
    "Confusion",
    "DataSource",
    "InputSpec",
    "Int8",
    "Kind",
    "Manifest",
    "Metric",
    "ModelInfo",
    "Provenance",
    "Range",
    "Recommendation",
    "Record",
    "ResolvedWeights",
    "cache_dir",
    "cached",
    "check_fit",
    "convert",
    "copies",
    "copy_encoder",
    "create_model",
    "escape_markdown",
    "find_info",
    "from_plain",
    "full_name",
    "info",
    "kinds",
    "licence_notice",
    "list_models",
    "list_weights",
    "load_encoder",
    "load_imagenet_encoder",
    "load_into",
    "load_manifest",
    "media_type",
    "mirror",
    "model_card",
    "publish",
    "push",
    "read_config",
    "read_pieces",
    "read_state",
    "read_tensors",
    "read_url",
    "rename_classes",
    "replace_head",
    "require",
    "require_ranges",
    "resolve",
    "resolve_again",
    "save_model",
    "to_plain",
    "verify",
    "web_address",
    "write_config",
]

# Loaded on first use, because they import torch or numpy.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "carseg.hub.checkpoint": ("load_into", "read_state", "rename_classes", "replace_head"),
        "carseg.hub.pretrained": ("copy_encoder", "load_encoder", "load_imagenet_encoder"),
        "carseg.hub.save": ("save_model",),
        "carseg.hub.tensors": ("Array", "Kind", "check_fit", "kinds", "read_tensors"),
    },
)
