"""Weights by name, resolved to a verified file on this machine.

A hub is a place with the layout of ``weights/`` (NAME/model.safetensors, NAME/config.json): a folder, an ``http(s)://``
base or ``hf://ORG/REPO@COMMIT``. A file is used only when its sha256 is the one in the manifest, or, for a name that
only the given hub has, the one in its ``config.json``; so it does not matter where it comes from. Copies on this
machine come before downloads. Order: the given hub, what came with the package, the cache, where the package was
installed from, the manifest's own hubs.

``CARSEG_HUB`` is the given hub where none is named, ``CARSEG_CACHE`` the folder of the cache; ``CARSEG_OFFLINE=1`` and
``HF_HUB_OFFLINE=1`` mean that no socket is opened.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from carseg._env import given_hub, is_offline
from carseg.errors import (
    HubError,
    ManifestError,
    OfflineError,
    OptionError,
    UnknownNameError,
    WeightsError,
    unknown_name,
)
from carseg.hub.cache import cache_dir, writing_cache
from carseg.hub.http import DownloadProgress, MissingFileError, UnavailableError, fetch
from carseg.hub.manifest import CONFIG, LARGEST_CONFIG, ROOT, find_config, load_manifest, read_config
from carseg.hub.model_info import ModelInfo, is_name
from carseg.hub.origins import HUGGING_FACE, Origin, installed_from, parse_origin
from carseg.hub.recommended import full_name
from carseg.hub.verify import hash_file, refuse_pickle, verify


@dataclass(frozen=True)
class ResolvedWeights:
    """Weights on this machine, verified.

    Attributes:
        info: what is known about them.
        path: the safetensors file.
    """

    info: ModelInfo
    path: Path


def resolve(
    name: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = None,
    hub: str | os.PathLike[str] | None = None,
    progress: DownloadProgress | None = None,
) -> ResolvedWeights:
    """Return the verified weights of a model, downloaded if they have to be.

    Args:
        name: a model of the manifest (its short name will do, see ``RECOMMENDED``) or of the given hub, or the folder
            of a fine-tuned network.
        weights: a safetensors file, a folder with one and its ``config.json``, or the folder of a training run, to use
            instead of the published file.
        hub: the hub to ask first; None: ``CARSEG_HUB``.
        progress: called with (bytes done, bytes in all) as a download goes on.

    Raises:
        UnknownNameError: no such model.
        HubError: no place has the weights.
        WeightsError: the given file or folder cannot be used.
        OptionError: ``hub`` is not a hub.
    """
    name = full_name(name)
    known = load_manifest().models
    folder = weights is None and name not in known and os.path.isdir(name)
    if folder and (find_config(Path(name)) or _given_hub(hub) is None):  # another folder hides no model of a hub
        weights = name
    if weights is not None:
        return _from_files(name, Path(weights))
    info = find_info(name, hub)
    return ResolvedWeights(info, _obtain(info, _given_hub(hub), progress))


def find_info(name: str, hub: str | os.PathLike[str] | None = None) -> ModelInfo:
    """Return what is known about a model of the manifest, or of the given hub.

    Raises:
        UnknownNameError: no such model.
        HubError: the hub cannot be reached.
        OptionError: ``hub`` is not a hub.
    """
    name = full_name(name)
    return load_manifest().models.get(name) or _info_of_hub(name, _given_hub(hub))


def copies(info: ModelInfo, hub: str | os.PathLike[str] | None = None) -> list[Path]:
    """Return the files on this machine that may be the weights, in the order in which they are used; not verified."""
    paths = (path for path in _candidates(info, _given_hub(hub)) if os.path.isfile(path))
    found: dict[Path, Path] = {}
    for path in paths:
        found.setdefault(path.resolve(), path)
    return list(found.values())


def _from_files(name: str, path: Path) -> ResolvedWeights:
    refuse_pickle(path)
    if path.is_dir():
        config = find_config(path)
        if config is None:
            raise WeightsError(f"{path} holds no weights: there is no {CONFIG} in it")
        info = read_config(config)
        verify(info, config.parent / info.file)
        return ResolvedWeights(info, config.parent / info.file)
    if not path.exists():
        raise WeightsError(f"{path}: no such file or folder")
    with suppress(ManifestError):  # another program's config.json
        if (path.parent / CONFIG).exists() and read_config(path.parent / CONFIG).file == path.name:
            return _from_files(name, path.parent)
    known = load_manifest().models
    if name not in known:
        raise unknown_name("model", name, known)
    return ResolvedWeights(replace(known[name].unmeasured(), sha256=hash_file(path), bytes=path.stat().st_size), path)


def _given_hub(hub: str | os.PathLike[str] | None) -> Origin | None:
    hub = hub or given_hub()
    if not hub:
        return None
    place = parse_origin(os.fspath(hub))
    if isinstance(place, Path) and not place.is_dir():
        raise OptionError(f"hub {hub}: no such folder; a hub is a folder, an http(s):// base or hf://ORG/REPO@COMMIT")
    return place


def _further_places() -> list[Origin]:
    return [*installed_from(), *map(parse_origin, load_manifest().hubs)]


def _candidates(info: ModelInfo, given: Origin | None) -> Iterator[Path]:
    """Yield the paths on this machine at which the file may be."""
    file = Path(info.name, info.file)
    if isinstance(given, Path):
        yield given / file
    yield ROOT / "weights" / file
    yield _cached(info)
    yield from (place / file for place in _further_places() if isinstance(place, Path))


def _cached(info: ModelInfo) -> Path:
    return cache_dir() / "weights" / f"{info.sha256}.safetensors"


def _obtain(info: ModelInfo, given: Origin | None, progress: DownloadProgress | None) -> Path:
    reasons = []
    for path in _candidates(info, given):
        if os.path.isfile(path):
            try:
                verify(info, path)
                return path
            except WeightsError as error:
                reasons.append(str(error))
    if is_offline():
        broken = f" ({'; '.join(reasons)})" if reasons else ""
        raise OfflineError(
            f"the weights of {info.name!r} are not on this machine{broken}, and CARSEG_OFFLINE or HF_HUB_OFFLINE "
            f"forbids to download them: run `carseg download {info.name}` without it, or copy {info.file} to "
            f"{_cached(info)}"
        )
    addresses = [place for place in (given, *_further_places()) if isinstance(place, str)]
    if addresses and _download(info, addresses, progress, reasons):
        return _cached(info)
    text = "; ".join(reasons) or "nothing says where they are"
    raise HubError(
        f"the weights of {info.name!r} cannot be had ({text}): check the network, name a hub that has them (hub=, "
        "--hub, CARSEG_HUB), or give the file (weights=, --weights)"
    )


def _download(info: ModelInfo, addresses: list[str], progress: DownloadProgress | None, reasons: list[str]) -> bool:
    """Download the file to the cache and return True, or append a reason for each address to ``reasons``."""
    with writing_cache("weights", info.sha256) as part:
        if os.path.isfile(_cached(info)) and hash_file(_cached(info)) == info.sha256:
            return True  # another process was faster
        for address in addresses:
            try:
                _fetch_verified(address, info, part, progress)
            except UnavailableError as error:
                reasons.append(f"{address}: {error}")
            else:
                part.replace(_cached(info))
                return True
    return False


def _fetch_verified(address: str, info: ModelInfo, part: Path, progress: DownloadProgress | None) -> None:
    while True:
        resumed = part.exists()
        fetch(address, f"{info.name}/{info.file}", part, info.bytes, progress)
        if hash_file(part) == info.sha256:
            return
        part.unlink()
        if not resumed:  # otherwise the part that was there before may be the wrong one
            raise UnavailableError("what it has under this name is another file (its sha256 differs)")


def _info_of_hub(name: str, hub: Origin | None) -> ModelInfo:
    """Return what a hub says about a model that the manifest does not have."""
    known = list(load_manifest().models)
    if hub is None or not is_name(name):
        raise unknown_name("model", name, known)
    if isinstance(hub, str):
        config = _config_of_hub(name, hub)
    else:
        config = hub / name / CONFIG
        if not config.is_file():
            raise unknown_name("model", name, {*known, *(path.parent.name for path in hub.glob(f"*/{CONFIG}"))})
    info = read_config(config)
    if info.name != name:
        raise ManifestError(f"{hub}: the {CONFIG} of {name!r} says that it is {info.name!r}")
    return info


def _config_of_hub(name: str, address: str) -> Path:
    """Return a cached copy of a model's ``config.json`` at an address.

    At a commit it is downloaded once; elsewhere it may change, so the copy is used only where a download fails or
    cannot be kept, as in a filled cache that is read-only.
    """
    path = cache_dir() / "configs" / f"{hashlib.sha256(f'{address}/{name}'.encode()).hexdigest()}.json"
    if path.exists() and (is_offline() or HUGGING_FACE.fullmatch(address)):
        return path
    if is_offline():
        raise OfflineError(f"{address} cannot be asked for {name!r}: CARSEG_OFFLINE or HF_HUB_OFFLINE forbids it")
    try:
        with writing_cache("configs", path.stem) as part:
            part.unlink(missing_ok=True)
            try:
                fetch(address, f"{name}/{CONFIG}", part, limit=LARGEST_CONFIG)
                read_config(part)  # raises where the answer is no config.json
            except MissingFileError:
                raise UnknownNameError(f"no model {name!r} at {address}, nor in the manifest") from None
            except (UnavailableError, ManifestError) as error:
                raise HubError(f"{address} cannot be asked for {name!r}: {error}") from None
            part.replace(path)
    except HubError:
        if not path.exists():
            raise
    return path
