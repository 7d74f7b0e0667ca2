"""Cache of downloads and of what is made from weights once, such as compiled networks and ranges of activations.

A cached file is the sha256 of its content and then the content: a truncated or damaged one is made anew. A cache that
cannot be written costs time, no more.
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

from carseg._env import cache_folder
from carseg._files import replacing
from carseg.errors import CarsegError, HubError
from carseg.hub.model_info import ModelInfo

_DIGEST = 32  # bytes of a sha256
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)  # as file systems say it

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


def cached(info: ModelInfo, key: tuple[str, ...], make: Callable[[], bytes]) -> bytes:
    """Return what ``make`` returns, or returned earlier for these weights and this key, in this or another process."""
    content = read_cached(info, key)
    if content is None:
        content = make()
        with suppress(OSError):
            write_cached(info, key, content)
    return content


def read_cached(info: ModelInfo, key: tuple[str, ...]) -> bytes | None:
    """Return what is cached for these weights and this key; None where nothing is, or it is damaged."""
    with suppress(OSError):
        stored = _cached_path(info, key).read_bytes()
        digest, content = stored[:_DIGEST], stored[_DIGEST:]
        if hashlib.sha256(content).digest() == digest:
            return content
    return None


def write_cached(info: ModelInfo, key: tuple[str, ...], content: bytes) -> None:
    """Cache the content that ``cached`` and ``read_cached`` return for these weights and this key from now on.

    Raises:
        OSError: the cache cannot be written.
    """
    path = _cached_path(info, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_bytes(hashlib.sha256(content).digest() + content)


def _cached_path(info: ModelInfo, key: tuple[str, ...]) -> Path:
    text = json.dumps([info.architecture, *key])
    return cache_dir() / "compiled" / f"{info.sha256[:24]}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"
