"""The verified file of weights that are known: where it is on this machine, or downloaded to the cache."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from carseg._env import is_offline
from carseg.errors import HubError, OfflineError, WeightsError
from carseg.hub.cache import cache_dir, writing_cache
from carseg.hub.http import DownloadProgress, fetch
from carseg.hub.model_info import ModelInfo
from carseg.hub.origins import UnavailableError
from carseg.hub.verify import hash_file, verify


def cached_file(info: ModelInfo) -> Path:
    """Return the path at which downloaded weights are kept."""
    return cache_dir() / "weights" / f"{info.sha256}.safetensors"


def obtain(
    info: ModelInfo,
    name: str,
    candidates: Iterable[Path],
    sources: Sequence[tuple[str, str]],
    progress: DownloadProgress | None,
) -> Path:
    """Return the first sound file among paths on this machine, else the cached one, downloaded.

    Args:
        info: what is known about the weights.
        name: what they were asked for by.
        candidates: where the file may be.
        sources: (address of a hub, path of the file in it).
        progress: as for ``resolve``.

    Raises:
        HubError: no place has it.
    """
    reasons = []
    for path in candidates:
        if os.path.isfile(path):
            try:
                verify(info, path)
                return path
            except WeightsError as error:
                reasons.append(str(error))
    if is_offline():
        broken = f" ({'; '.join(reasons)})" if reasons else ""
        raise OfflineError(
            f"the weights of {name!r} are not on this machine{broken}, and CARSEG_OFFLINE or HF_HUB_OFFLINE "
            f"forbids downloading them: run `carseg download {name}` without it, or copy {info.file} to "
            f"{cached_file(info)}"
        )
    if sources and _download(info, sources, progress, reasons):
        return cached_file(info)
    text = "; ".join(reasons) or "nothing says where they are"
    raise HubError(
        f"cannot get the weights of {name!r} ({text}): check the network, name a hub that has them (hub=, "
        "--hub, CARSEG_HUB), or give the file (weights=, --weights)"
    )


def _download(
    info: ModelInfo, sources: Sequence[tuple[str, str]], progress: DownloadProgress | None, reasons: list[str]
) -> bool:
    """Download the file to the cache and return True, or append a reason for each source to ``reasons``."""
    with writing_cache("weights", info.sha256) as part:
        if os.path.isfile(cached_file(info)) and hash_file(cached_file(info)) == info.sha256:
            return True  # another process was faster
        for address, file in sources:
            try:
                _fetch_verified(address, file, info, part, progress)
            except UnavailableError as error:
                reasons.append(f"{address}: {error}")
            else:
                part.replace(cached_file(info))
                return True
    return False


def _fetch_verified(address: str, file: str, info: ModelInfo, part: Path, progress: DownloadProgress | None) -> None:
    while True:
        resumed = part.exists()
        fetch(address, file, part, info.bytes, progress)
        if hash_file(part) == info.sha256:
            return
        part.unlink()
        if not resumed:  # otherwise the part that was there before may be the wrong one
            raise UnavailableError("its file of this name is a different one (its sha256 differs)")
