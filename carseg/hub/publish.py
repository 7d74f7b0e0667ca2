"""Hubs of one's own: the weights with their model cards in a folder, or in a repository of the Hugging Face Hub."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from carseg._files import replaceable, replacing, replacing_folder
from carseg.errors import ManifestError, OptionError, without_secrets
from carseg.hub.cache import cache_dir
from carseg.hub.card import hub_card, model_card
from carseg.hub.http import DownloadProgress
from carseg.hub.hugging_face import keep_commit, upload
from carseg.hub.manifest import CONFIG, ROOT, load_manifest, read_config, write_config
from carseg.hub.model_info import ModelInfo
from carseg.hub.origins import ASSET, ORG_REPO, asset_name
from carseg.hub.resolve import ResolvedWeights, resolve
from carseg.hub.verify import hash_file

MANIFEST = ROOT / "weights_manifest.json"
SUMS = "SHA256SUMS"
CARD = "README.md"


def mirror(
    folder: str | os.PathLike[str],
    names: Sequence[str] = (),
    *,
    hub: str | os.PathLike[str] | None = None,
    progress: DownloadProgress | None = None,
) -> list[Path]:
    """Write a hub to a folder, for ``hub=`` and ``CARSEG_HUB`` where there is no network, or to be served over http.

    The folder is replaced as a whole, or stays as it is. Beside the models it holds a file SHA256SUMS of all their
    files, which ``sha256sum -c`` reads.

    Args:
        folder: where to write; models of earlier calls and whatever else is in it stay.
        names: models of the manifest or of ``hub``; by default all of the manifest.
        hub: as for ``resolve``.
        progress: as for ``resolve``.

    Returns:
        The weights files.

    Raises:
        UnknownNameError, HubError: as ``resolve``.
        OptionError: the folder is no hub but has a README.md, which would be overwritten, or it cannot be replaced:
            it is a file, the working folder or the top of a disk.
        OSError: the folder, or the one it lies in, cannot be written.
    """
    target = _hub_folder(folder)
    models = [resolve(name, hub=hub, progress=progress) for name in names or load_manifest().weights]
    _write_hub(target, models)
    return [Path(folder, resolved.info.name, resolved.info.file) for resolved in models]


def publish(
    destination: str,
    *,
    address: str | None = None,
    manifest: Path = MANIFEST,
    progress: DownloadProgress | None = None,
) -> str | None:
    """Upload all models of the manifest to a hub and write its address into the manifest.

    A folder is replaced as a whole, or stays as it is, as by ``mirror``.

    Args:
        destination: a folder, or ``hf://ORG/REPO``, which needs the write token of ``hf auth login`` or ``HF_TOKEN``.
        address: address at which a folder will be served, ``https://...``. Where there are no folders, as among the
            assets of a release, it has ``{asset}`` in place of a file's name; NAME/FILE is then written as NAME.FILE.
        manifest: the file to write; the next release contains it.
        progress: as for ``resolve``.

    Returns:
        The address that was written, with the commit for the Hugging Face Hub; None for a folder without ``address``.

    Raises:
        OptionError: ``destination`` is an address of another kind, or ``address`` is not ``http(s)://``, has a password
            or a query, which all users would see, or is given beside ``hf://``, which has its own.
        HubError: the upload failed.
    """
    if address and (destination.startswith("hf://") or not address.startswith(("http://", "https://"))):
        raise OptionError(f"address {address}: must be https://... (or http://), of a folder")
    if address and address != without_secrets(address):
        raise OptionError(f"address {address}: the manifest is public, so it must have no password, query or fragment")
    if repository := re.fullmatch(ORG_REPO, destination):
        # Always the same, so that what a killed run left is found; a plain name, so that it leads nowhere else.
        folder = cache_dir() / "upload" / repository[1].replace("/", "--")
        try:
            shutil.rmtree(folder, ignore_errors=True)
            mirror(folder, progress=progress)
            commit = upload(folder, repository[1], message="Publish the weights")
            keep_commit(repository[1], None, commit)
            address = f"{destination}@{commit}"
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    elif "://" in destination:
        raise OptionError(f"cannot publish to {destination}: give a folder or hf://ORG/REPO")
    elif address and ASSET in address:
        target = _hub_folder(destination)
        _write_hub(target, [resolve(name, progress=progress) for name in load_manifest().weights], asset_name)
    else:
        mirror(destination, progress=progress)
    if address:
        old = load_manifest(manifest)
        others = [hub for hub in old.hubs if hub.split("@")[0] != address.split("@")[0]]
        dataclasses.replace(old, hubs=(address, *others)).save(manifest)
    return address


def _hub_folder(folder: str | os.PathLike[str]) -> Path:
    """Return the real path of a folder that may become a hub, and be replaced as a whole; raise OptionError if not."""
    path = replaceable(folder)
    if (path / CARD).exists() and not (path / SUMS).exists():
        raise OptionError(f"{folder} has a {CARD} and is not a hub: choose an empty folder")
    return path


def _write_hub(folder: Path, models: Sequence[ResolvedWeights], place: Callable[[str], str] = str) -> None:
    """Replace a folder by a hub: what it has, and these models; ``place`` gives the path of NAME/FILE in it."""
    with replacing_folder(folder, keep=True) as partial:
        for resolved in models:
            info = resolved.info
            file, config, card = (partial / place(f"{info.name}/{name}") for name in (info.file, CONFIG, CARD))
            file.parent.mkdir(exist_ok=True)
            if not file.exists() or hash_file(file) != info.sha256:
                with replacing(file) as new:
                    shutil.copyfile(resolved.path, new)
            write_config(config, info)
            _write(card, _card(info))
        infos, files = [], []
        for path in sorted(partial.glob(place(f"*/{CONFIG}"))):  # also models of earlier calls
            with suppress(ManifestError):  # another program's config.json
                info = read_config(path)
                names = [place(f"{info.name}/{name}") for name in sorted((info.file, CONFIG, CARD))]
                if (partial / place(f"{info.name}/{info.file}")).is_file():
                    infos.append(info)
                    files += [name for name in names if (partial / name).is_file()]
        _write(partial / SUMS, "".join(f"{hash_file(partial / name)}  {name}\n" for name in files))
        _write(partial / CARD, hub_card(infos))


def _card(info: ModelInfo) -> str:
    """Return the model card of ``weights/``, which has notes, for the manifest's own weights, else a new one."""
    own = ROOT / "weights" / info.name / CARD
    return (
        own.read_text("utf-8") if own.exists() and info == load_manifest().weights.get(info.name) else model_card(info)
    )


def _write(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, "utf-8")
