"""weights_manifest.json as frozen dataclasses, validated. Standard library only, so that listing models is quick.

    {"schema": 1, "hubs": [HUB, ...], "models": {NAME: {the fields of ModelInfo, without its name}, ...},
     "refiners": {likewise}}

A hub's ``config.json`` has the fields of one model and its name, and may have the ``schema`` of such a document. A
field that is missing, unknown, of the wrong type or out of range is a ManifestError that names the model, the field and
the reason.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carseg._files import read_json, replacing, to_json
from carseg.errors import ManifestError
from carseg.hub._schema import Record, from_plain, require, shown
from carseg.hub.model_info import ModelInfo

SCHEMA = 1
CONFIG = "config.json"
LARGEST_CONFIG = 1 << 20  # bytes; the largest of this project has 52 kB,
_MOST_VALUES = 10_000  # 1857 values,
_DEEPEST = 8  # and is nested 4 deep
_LARGEST_MANIFEST = 1 << 24  # bytes
_PACKAGE = Path(__file__).parents[1]
# The folder of weights_manifest.json and weights/: the package in a wheel, the top level in a checkout.
ROOT = _PACKAGE if (_PACKAGE / "weights_manifest.json").exists() else _PACKAGE.parent


@dataclass(frozen=True)
class Manifest(Record):
    """Manifest of all models of a version.

    Attributes:
        hubs: places with the layout of ``weights/``, where a release puts its files.
        models: by name.
        refiners: by name, networks that no one is asked for: they refine the answers of models.
    """

    hubs: tuple[str, ...]
    models: dict[str, ModelInfo]
    schema: int = SCHEMA
    refiners: dict[str, ModelInfo] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.schema == SCHEMA, "schema", f"must be {SCHEMA}, got {self.schema}")
        twice = sorted(self.models.keys() & self.refiners.keys())
        require(not twice, "refiners", f"{shown(twice)} are models too")

    @property
    def weights(self) -> dict[str, ModelInfo]:
        """All weights that are stored, verified and handed on, by name: models and refiners."""
        return self.models | self.refiners

    def save(self, path: Path) -> None:
        """Write the file that ``load_manifest`` reads."""
        models, refiners = (
            {name: info.to_dict() for name, info in sorted(infos.items())} for infos in (self.models, self.refiners)
        )
        more = {"refiners": refiners} if refiners else {}
        _write_json(path, {"schema": self.schema, "hubs": self.hubs, "models": models, **more})


def load_manifest(path: Path | None = None) -> Manifest:
    """Return the manifest at ``path``, or the one this version came with, which is read once.

    Raises:
        ManifestError: the file cannot be read or is not valid.
    """
    return _read_manifest(path) if path else _own_manifest()


@functools.cache
def _own_manifest() -> Manifest:
    return _read_manifest(ROOT / "weights_manifest.json")


def _read_manifest(path: Path) -> Manifest:
    data = _read_json(path, _LARGEST_MANIFEST)
    try:
        require(isinstance(data, dict) and isinstance(data.get("models"), dict), "models", "must be an object")
        refiners = data.get("refiners", {})
        require(isinstance(refiners, dict), "refiners", "must be an object")
        models, refiners = (
            {name: ModelInfo.from_dict(name, fields) for name, fields in infos.items()}
            for infos in (data["models"], refiners)
        )
        return from_plain(Manifest, {**data, "models": models, "refiners": refiners})
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from None


def find_config(folder: Path) -> Path | None:
    """Return the ``config.json`` of a hub entry, or of the best or last weights of a training run; None without one."""
    places = (folder / CONFIG, folder / "best" / CONFIG, folder / "last" / CONFIG)
    return next((path for path in places if path.is_file()), None)


def read_config(path: Path) -> ModelInfo:
    """Return what a hub's ``config.json`` says about its model.

    Raises:
        ManifestError: the file cannot be read or is not valid.
    """
    data = _read_json(path, LARGEST_CONFIG)
    try:
        _refuse_large(data)
        name = data.pop("name", None) if isinstance(data, dict) else None
        if not isinstance(name, str):
            raise ManifestError(f"name: must be text, got {shown(name)}")
        return ModelInfo.from_dict(name, data)
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from None


def write_config(path: Path, info: ModelInfo) -> None:
    """Write the ``config.json`` that ``read_config`` reads."""
    _write_json(path, {"name": info.name, **info.to_dict()})


def _read_json(path: Path, limit: int) -> Any:
    """Return the JSON in a file, which may be anybody's: it is read in no time or refused."""
    try:
        return read_json(path, limit=limit)
    except ValueError as error:
        raise ManifestError(f"{path} cannot be read: {error}") from None


def _refuse_large(data: Any) -> None:
    """Raise ManifestError for JSON that takes its time to look through."""
    level, count = [data], 1
    for _ in range(_DEEPEST):
        level = [inner for value in level for inner in _values(value)]
        count += len(level)
        require(count <= _MOST_VALUES, "the file", f"must have at most {_MOST_VALUES} values")
    require(not level, "the file", f"must be nested at most {_DEEPEST} deep")


def _values(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _write_json(path: Path, data: dict[str, Any]) -> None:
    with replacing(path) as partial:
        partial.write_text(to_json(data, indent=2, ensure_ascii=False) + "\n", "utf-8")
