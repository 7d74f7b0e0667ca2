"""Weights by name, resolved to a verified file on this machine.

A hub is a place with the layout of ``weights/`` (NAME/model.safetensors, NAME/config.json): a folder, an ``http(s)://``
base or ``hf://ORG/REPO[@REVISION]``. A file is used only when its sha256 is the one in the manifest, or, for a name
that only the given hub has, the one in its ``config.json``; so it does not matter where it comes from. Copies on this
machine come before downloads. Order: the given hub, what came with the package, the cache, where the package was
installed from, the manifest's own hubs. ``hf://ORG/REPO[@REVISION]`` in place of a name is a repository with one model
at its root, which comes from there or from the cache. A repository stands for the commit that it had when something was
first needed from it.

``CARSEG_HUB`` is the given hub where none is named, ``CARSEG_CACHE`` the folder of the cache; ``CARSEG_OFFLINE=1`` and
``HF_HUB_OFFLINE=1`` mean that no socket is opened.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
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
from carseg.hub.http import DownloadProgress, fetch
from carseg.hub.hugging_face import pinned, pinned_if_known
from carseg.hub.manifest import CONFIG, LARGEST_CONFIG, ROOT, find_config, load_manifest, read_config
from carseg.hub.model_info import ModelInfo, is_name
from carseg.hub.obtain import cached_file, obtain
from carseg.hub.origins import (
    HUGGING_FACE,
    MissingFileError,
    Origin,
    UnavailableError,
    installed_from,
    parse_origin,
)
from carseg.hub.recommended import full_name, unknown_model
from carseg.hub.verify import hash_file, refuse_pickle, verify

SUFFIX = ".safetensors"  # ends the name of a file


@dataclass(frozen=True)
class Request:
    """What was asked for, so that another process, in another folder, can ask for it again.

    Attributes:
        name: as for ``resolve``; that of a repository has its commit; "" where ``weights`` says it all.
        weights: as for ``resolve``, an absolute path.
        hub: as for ``resolve`` or from ``CARSEG_HUB``; a folder as an absolute path, a repository with its commit where
            that is known.
    """

    name: str
    weights: str | None = None
    hub: str | None = None


@dataclass(frozen=True)
class ResolvedWeights:
    """Weights on this machine, verified.

    Attributes:
        info: what is known about them.
        path: the safetensors file.
        request: what they were resolved from.
    """

    info: ModelInfo
    path: Path
    request: Request = field(default=Request(""), compare=False, repr=False)  # an address may have a password


def resolve(
    name: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = None,
    hub: str | os.PathLike[str] | None = None,
    progress: DownloadProgress | None = None,
) -> ResolvedWeights:
    """Return the verified weights of a model, downloaded if they have to be.

    Args:
        name: a model of the manifest (its short name will do, see ``RECOMMENDED``) or of the given hub; the folder of a
            fine-tuned network or of its training run, or its safetensors file; or ``hf://ORG/REPO[@REVISION]``, a
            repository with one model, at the commit that it had when this machine first asked.
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
    if weights is None and _is_path(name, hub):
        name, weights = "", name
    if weights is not None:
        return replace(_from_files(name, Path(weights)), request=Request(name, os.path.abspath(weights)))
    if name.startswith(HUGGING_FACE):
        return _from_repository(name, progress)
    info, given = find_info(name, hub), _given_hub(hub)
    places = [place for place in (given, *_further_places()) if isinstance(place, str)]
    sources = [(place, f"{info.name}/{info.file}") for place in places]
    path = obtain(info, name, _candidates(info, given), sources, progress)
    return ResolvedWeights(info, path, Request(name, hub=_lasting(given)))


def resolve_again(resolved: ResolvedWeights) -> ResolvedWeights:
    """Return weights that another process resolved, perhaps on another machine, with their file on this one.

    Raises:
        WeightsError: what was asked for is another file by now, or its file is gone.
        UnknownNameError, HubError: as ``resolve``.
    """
    request, wanted = resolved.request, resolved.info
    found = resolve(request.name, weights=request.weights, hub=request.hub)
    if found.info.sha256 != wanted.sha256:
        raise WeightsError(
            f"{request.weights or request.name} is another file here (sha256 {found.info.sha256[:12]}...) than the one "
            f"that was pickled ({wanted.sha256[:12]}...): put that one back, or load the model anew and pickle it again"
        )
    return replace(resolved, path=found.path)


def find_info(name: str, hub: str | os.PathLike[str] | None = None) -> ModelInfo:
    """Return what is known about a model of the manifest or of the given hub, a repository or a safetensors file.

    Raises:
        UnknownNameError: no such model.
        WeightsError: the file cannot be used, or nothing is known about it.
        HubError: the hub cannot be reached.
        OptionError: ``hub`` is not a hub.
    """
    name = full_name(name)
    if name.startswith(HUGGING_FACE):
        return read_config(_config_of_hub("", name))
    if name.endswith(SUFFIX):
        return _from_files("", Path(name)).info
    return load_manifest().weights.get(name) or _info_of_hub(name, _given_hub(hub))


def copies(info: ModelInfo, hub: str | os.PathLike[str] | None = None) -> list[Path]:
    """Return the files on this machine that may be the weights, in the order in which they are used; not verified."""
    paths = (path for path in _candidates(info, _given_hub(hub)) if os.path.isfile(path))
    found: dict[Path, Path] = {}
    for path in paths:
        found.setdefault(path.resolve(), path)
    return list(found.values())


def _is_path(name: str, hub: str | os.PathLike[str] | None) -> bool:
    """Return whether a name is that of a file or folder; one without a network hides no model of a hub."""
    if name in load_manifest().weights or name.startswith(HUGGING_FACE):
        return False
    if name.endswith(SUFFIX):
        return True
    return os.path.exists(name) and (find_config(Path(name)) is not None or _given_hub(hub) is None)


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
    if not name:
        raise WeightsError(
            f"{path}: no {CONFIG} beside it says which network it is for: give the name of that, with the file as "
            "weights= (--weights)"
        )
    known = load_manifest().weights
    if name not in known:
        raise unknown_model(name, known)
    return ResolvedWeights(replace(known[name].unmeasured(), sha256=hash_file(path), bytes=path.stat().st_size), path)


def _from_repository(name: str, progress: DownloadProgress | None) -> ResolvedWeights:
    address = pinned(name)
    info = read_config(_config_of_hub("", address))
    path = obtain(info, name, [cached_file(info)], [(address, info.file)], progress)
    return ResolvedWeights(info, path, Request(address))


def _given_hub(hub: str | os.PathLike[str] | None) -> Origin | None:
    hub = hub or given_hub()
    if not hub:
        return None
    place = parse_origin(os.fspath(hub))
    if isinstance(place, Path) and not place.is_dir():
        raise OptionError(f"hub {hub}: no such folder; a hub is a folder, an http(s):// base or hf://ORG/REPO")
    return place


def _lasting(hub: Origin | None) -> str | None:
    """Return a hub for a process in another folder or on another machine."""
    if isinstance(hub, str):
        return pinned_if_known(hub) if hub.startswith(HUGGING_FACE) else hub
    return None if hub is None else os.path.abspath(hub)


def _further_places() -> list[Origin]:
    return [*installed_from(), *map(parse_origin, load_manifest().hubs)]


def _candidates(info: ModelInfo, given: Origin | None) -> Iterator[Path]:
    """Yield the paths on this machine at which the file may be."""
    file = Path(info.name, info.file)
    if isinstance(given, Path):
        yield given / file
    yield ROOT / "weights" / file
    yield cached_file(info)
    yield from (place / file for place in _further_places() if isinstance(place, Path))


def _info_of_hub(name: str, hub: Origin | None) -> ModelInfo:
    """Return what a hub says about a model that the manifest does not have."""
    known = list(load_manifest().models)
    if hub is None or not is_name(name):
        raise unknown_model(name, known)
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
    """Return a cached copy of a model's ``config.json`` at an address, "" for that of the one model at its root.

    In a repository it is that of a commit, and downloaded once; elsewhere it may change, so the copy is used only where
    a download fails or cannot be kept, as in a filled cache that is read-only.
    """
    at_commit = address.startswith(HUGGING_FACE)
    address = pinned(address) if at_commit else address
    wanted, file = (repr(name), f"{name}/{CONFIG}") if name else ("its model", CONFIG)
    path = cache_dir() / "configs" / f"{hashlib.sha256(f'{address}/{name}'.encode()).hexdigest()}.json"
    if path.exists() and (is_offline() or at_commit):
        return path
    if is_offline():
        raise OfflineError(f"{address} cannot be asked for {wanted}: CARSEG_OFFLINE or HF_HUB_OFFLINE forbids it")
    try:
        with writing_cache("configs", path.stem) as part:
            part.unlink(missing_ok=True)
            try:
                fetch(address, file, part, limit=LARGEST_CONFIG)
                read_config(part)  # raises where the answer is no config.json
            except MissingFileError:
                if name:
                    raise UnknownNameError(f"no model {name!r} at {address}, nor in the manifest") from None
                raise UnknownNameError(
                    f"{address} has no {CONFIG} at its root: a model in one of its folders is loaded by its name, with "
                    f"hub={address!r}"
                ) from None
            except (UnavailableError, ManifestError) as error:
                text = str(error).replace(str(part), file)
                raise HubError(f"{address} cannot be asked for {wanted}: {text}") from None
            part.replace(path)
    except HubError:
        if not path.exists():
            raise
    return path
