"""Checks that a weights file is the right one, by its sha256, and that it is no pickle."""

from __future__ import annotations

import functools
from pathlib import Path

from carseg._files import digest_file
from carseg.errors import WeightsError
from carseg.hub.model_info import ModelInfo

_PICKLES = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".tar")


def verify(info: ModelInfo, path: Path) -> None:
    """Raise unless a file is the one that ``info`` describes; within a process an unchanged file is read only once.

    Raises:
        WeightsError: its sha256 differs, or it cannot be read.
    """
    if hash_file(path) != info.sha256:
        raise WeightsError(f"{path} is not the file of {info.name!r} (its sha256 differs): delete it, or get it again")


def hash_file(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        status = path.stat()
        return _hash(path, status.st_size, status.st_mtime_ns, status.st_ino)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from None


@functools.lru_cache(maxsize=256)
def _hash(path: Path, size: int, changed: int, inode: int) -> str:
    return digest_file(path).hex()


def refuse_pickle(path: Path) -> None:
    """Raise WeightsError for a file that is a pickle by its name: loading one can run any code."""
    if path.suffix.lower() in _PICKLES:
        target = str(path.with_suffix(".safetensors"))
        raise WeightsError(
            f'{path} is a pickle, which can run any code when it is loaded; convert it first: python -c "import torch, '
            f"safetensors.torch as s; s.save_file(torch.load({str(path)!r}, 'cpu', weights_only=True), {target!r})\""
        )
