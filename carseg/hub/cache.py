"""Cache of downloads and of what is made from weights once, such as compiled networks.

A file made from weights begins with a sha256 of what it was made from and of its content: one that is truncated,
damaged, or another's is made anew, as is one that cannot be loaded. A cache that cannot be written costs time, no more.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import secrets
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from carseg._env import cache_folder
from carseg._files import replacing
from carseg.errors import CarsegError, HubError
from carseg.hub.model_info import ModelInfo

_DIGEST = 32  # bytes of a sha256
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)  # as file systems say it

_Loaded = TypeVar("_Loaded")
_log = logging.getLogger("carseg")


def cache_dir() -> Path:
    """Return the folder of everything that carseg caches from one run to the next; it need not exist."""
    return cache_folder()


@contextmanager
def writing_cache(kind: str, key: str) -> Iterator[Path]:
    """Yield a file to download to, for one process at a time; a failed download leaves it for the next to resume.

    Where the file system has no locks it is a file of this process alone, which nobody resumes.

    Raises:
        HubError: the cache cannot be written; nothing half-written is left.
    """
    part = cache_dir() / kind / f"{key}.part"
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with _locked(part.with_suffix(".lock")) as locked:
            if not locked:
                part = part.with_name(f"{key}-{secrets.token_hex(4)}.part")
            try:
                yield part
            finally:
                if part.exists() and not (locked and part.stat().st_size):
                    part.unlink()
    except CarsegError:
        raise
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        shutil.rmtree(part.with_suffix(".hf"), ignore_errors=True)
        raise HubError(
            f"the cache {cache_dir()} cannot be written ({error.strerror or error}): free some space, or set "
            "CARSEG_CACHE to another folder"
        ) from None


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Wait until no other process has the lock, saying so, and hold it; yield whether this file system has locks."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # filelock's, where it locks by the mere existence of a file
                lock.acquire(timeout=0)
        except Timeout:
            _log.warning("another process is downloading the same file; waiting until it is done")
            lock.acquire()
    except (OSError, NotImplementedError) as error:  # the second: of filelock's older versions
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def cached(
    info: ModelInfo, key: tuple[str, ...], make: Callable[[], bytes], load: Callable[[bytes], _Loaded]
) -> _Loaded:
    """Return ``load`` of what ``make`` returns, or returned earlier for the same in this or another process.

    Args:
        info: the weights that it is made from.
        key: all else that it depends on.
        make: returns the content to be cached.
        load: returns what the content stands for. Where it cannot do so with cached content, that is made anew.
    """
    identity = json.dumps([info.sha256, info.architecture, *key]).encode()
    path = cache_dir() / "compiled" / f"{info.sha256[:24]}-{hashlib.sha256(identity).hexdigest()[:24]}"
    content = _read(path, identity)
    if content is not None:
        try:
            return load(content)
        except CarsegError:  # about something else than the content
            raise
        except Exception as error:  # libraries raise what they like
            _log.debug("%s in the cache cannot be loaded (%s): it is made anew", path, error)
    content = make()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.write_bytes(_digest(identity, content) + content)
    return load(content)


def _read(path: Path, identity: bytes) -> bytes | None:
    """Return the content of a cached file; None where there is none, it is damaged, or was made from something else."""
    try:
        stored = path.read_bytes()
    except OSError:
        return None
    content = stored[_DIGEST:]
    if stored[:_DIGEST] == _digest(identity, content):
        return content
    _log.debug("%s in the cache is damaged or was made from something else: it is made anew", path)
    return None


def _digest(identity: bytes, content: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(identity).digest() + content).digest()
