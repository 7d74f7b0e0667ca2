"""Hubs of one's own: the weights with their model cards in a folder, or in a repository of the Hugging Face Hub."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from carseg._env import is_offline
from carseg._files import replacing
from carseg.errors import HubError, ManifestError, OfflineError, OptionError
from carseg.hub.card import hub_card, model_card
from carseg.hub.http import DownloadProgress
from carseg.hub.manifest import CONFIG, ROOT, load_manifest, read_config, write_config
from carseg.hub.model_info import ModelInfo
from carseg.hub.origins import ASSET, asset_name
from carseg.hub.resolve import resolve
from carseg.hub.verify import hash_file

MANIFEST = ROOT / "weights_manifest.json"
SUMS = "SHA256SUMS"
_REPOSITORY = re.compile(r"hf://([\w.-]+/[\w.-]+)")


def mirror(
    folder: str | os.PathLike[str],
    names: Sequence[str] = (),
    *,
    hub: str | os.PathLike[str] | None = None,
    progress: DownloadProgress | None = None,
) -> list[Path]:
    """Write a hub to a folder, for ``hub=`` and ``CARSEG_HUB`` where there is no network, or to be served over http.

    Beside the models it holds a file SHA256SUMS of all their files, which ``sha256sum -c`` reads.

    Args:
        folder: where to write; files that are right already stay.
        names: models of the manifest or of ``hub``; by default all of the manifest.
        hub: as for ``resolve``.
        progress: as for ``resolve``.

    Returns:
        The weights files.

    Raises:
        UnknownNameError, HubError: as ``resolve``.
        OptionError: the folder is no hub but has a README.md, which would be overwritten.
        OSError: the folder cannot be written; no file in it is half-written.
    """
    folder = Path(folder)
    if (folder / "README.md").exists() and not (folder / SUMS).exists():
        raise OptionError(f"{folder} has a README.md, and is no hub: choose an empty folder")
    models = [resolve(name, hub=hub, progress=progress) for name in names or load_manifest().models]
    written = []
    for resolved in models:
        target = folder / resolved.info.name / resolved.info.file
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or hash_file(target) != resolved.info.sha256:
            with replacing(target) as partial:
                shutil.copyfile(resolved.path, partial)
        write_config(target.parent / CONFIG, resolved.info)
        _write(target.parent / "README.md", _card(resolved.info))
        written.append(target)
    infos: dict[Path, ModelInfo] = {}
    for config in sorted(folder.glob(f"*/{CONFIG}")):  # also models of earlier calls
        with suppress(ManifestError):  # another program's config.json
            infos[config] = read_config(config)
    files = sorted(path for config in infos for path in config.parent.iterdir() if path.is_file())
    _write(folder / SUMS, "".join(f"{hash_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in files))
    _write(folder / "README.md", hub_card(list(infos.values())))
    return written


def publish(
    destination: str,
    *,
    address: str | None = None,
    manifest: Path = MANIFEST,
    progress: DownloadProgress | None = None,
) -> str | None:
    """Upload all models of the manifest to a hub and write its address into the manifest.

    Args:
        destination: a folder, or ``hf://ORG/REPO``, which needs the write token of ``hf auth login`` or ``HF_TOKEN``.
        address: address at which a folder will be served, ``https://...``. Where there are no folders, as among the
            assets of a release, it has ``{asset}`` in place of a file's name; NAME/FILE is then written as NAME.FILE.
        manifest: the file to write; the next release contains it.
        progress: as for ``resolve``.

    Returns:
        The address that was written, with the commit for the Hugging Face Hub; None for a folder without ``address``.

    Raises:
        OptionError: ``destination`` is an address of another kind, or ``address`` is not ``http(s)://`` or given beside
            ``hf://``, which has its own.
        HubError: the upload failed.
    """
    if address and (destination.startswith("hf://") or not address.startswith(("http://", "https://"))):
        raise OptionError(f"address {address}: must be https://... (or http://), of a folder")
    if repository := _REPOSITORY.fullmatch(destination):
        with tempfile.TemporaryDirectory() as folder:
            mirror(folder, progress=progress)
            address = f"{destination}@{_upload(Path(folder), repository[1])}"
    elif "://" in destination:
        raise OptionError(f"cannot publish to {destination}: give a folder or hf://ORG/REPO")
    else:
        mirror(destination, progress=progress)
        if address and ASSET in address:
            _flatten(Path(destination))
    if address:
        old = load_manifest(manifest)
        others = [hub for hub in old.hubs if hub.split("@")[0] != address.split("@")[0]]
        dataclasses.replace(old, hubs=(address, *others)).save(manifest)
    return address


def _flatten(folder: Path) -> None:
    """Move the files of a hub out of their folders, under the names of ``asset_name``."""
    sums = [line.split("  ", 1) for line in (folder / SUMS).read_text("utf-8").splitlines()]
    for _, file in sums:
        (folder / file).replace(folder / asset_name(file))
    for name in {file.split("/")[0] for _, file in sums}:
        (folder / name).rmdir()
    _write(folder / SUMS, "".join(f"{digest}  {asset_name(file)}\n" for digest, file in sums))


def _upload(folder: Path, repository: str) -> str:
    """Upload a folder to a repository of the Hugging Face Hub and return the commit."""
    if is_offline():
        raise OfflineError(f"cannot publish to hf://{repository}: CARSEG_OFFLINE or HF_HUB_OFFLINE forbids it")
    from huggingface_hub import HfApi

    api = HfApi(library_name="carseg")
    try:
        api.create_repo(repository, exist_ok=True)
        return api.upload_folder(repo_id=repository, folder_path=folder, commit_message="Publish the weights").oid
    except Exception as error:  # also those of its HTTP library, which differs between its versions
        reason = f"{type(error).__name__} {error}".splitlines()[0]
        raise HubError(
            f"cannot publish to hf://{repository}: {reason}; is there a token that may write (hf auth login)?"
        ) from None


def _card(info: ModelInfo) -> str:
    """Return the model card of ``weights/``, which has notes, for the manifest's own weights, else a new one."""
    own = ROOT / "weights" / info.name / "README.md"
    return (
        own.read_text("utf-8") if own.exists() and info == load_manifest().models.get(info.name) else model_card(info)
    )


def _write(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, "utf-8")
