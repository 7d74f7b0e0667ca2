"""Images that rows name or hold, and files elsewhere than on this machine, which fsspec opens."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from carseg.errors import CarsegError, DataError, MissingExtraError, OptionError, excerpt
from carseg.hub import web_address

_AT_ONCE = 8  # files that are fetched together, for a store takes long to answer and much at once
_FIX = "mend that and run it again, and it goes on"
_WITH_BUCKETS = ("s3://", "s3a://", "gs://", "gcs://", "az://", "abfs://")  # an object is missing, or its bucket is


def is_elsewhere(address: str) -> bool:
    """Return whether an address is one that fsspec opens: ``s3://``, ``gs://``, but not ``http(s)``."""
    return "://" in address and web_address(address) is None


def file_system(address: str) -> tuple[Any, str]:
    """Return the file system of an address, or of this machine for a path, and the path in it.

    Raises:
        MissingExtraError: fsspec is not installed, or lacks the package for such addresses.
        OptionError: fsspec knows no such addresses.
    """
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtraError("fsspec", "table", address) from error
    try:
        return fsspec.core.url_to_fs(address)
    except ImportError as error:
        package = getattr(error.__cause__, "name", None) or error.name or "its package"
        raise MissingExtraError(package, None, excerpt(address)) from error
    except ValueError as error:
        raise OptionError(f"{address} cannot be opened: {error}") from error


@contextmanager
def naming(place: str, kind: type[CarsegError]) -> Iterator[None]:
    """Raise one error that names a place for the many that disks and stores raise, each store those of its package.

    Raises:
        CarsegError: of the kind given, but for carseg's own errors, which stay as they are.
    """
    try:
        yield
    except CarsegError:
        raise
    except Exception as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise kind(f"{excerpt(place)}: {excerpt(reason, 200).rstrip('.')}; {_FIX}") from error


class NamedBytes(BytesIO):
    """The bytes of an image file, with the name that errors call it."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


class Unreadable:
    """Stands for the file of an image that cannot be had: whoever reads it is told why."""

    def __init__(self, name: str, error: Exception) -> None:
        self.name, self.error = name, error

    def read(self, size: int = -1) -> bytes:
        """Raise the error."""
        raise self.error


def fetched(sources: Iterable[Any]) -> Iterator[Any]:
    """Yield the sources of images, with files in the place of addresses that fsspec opens, some fetched ahead.

    An object that is missing costs its image alone. A store that does not answer, refuses, or has lost a whole bucket
    is no image's fault: it is an error of all, so that a job can be run again when the store is well.

    Raises:
        DataError: of the store.
        MissingExtraError: as ``file_system``.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting: deque[Any] = deque()
        for source in sources:
            there = isinstance(source, str) and is_elsewhere(source)
            waiting.append(pool.submit(_fetch, source) if there else source)
            if len(waiting) > _AT_ONCE:
                yield _arrived(waiting.popleft())
        while waiting:
            yield _arrived(waiting.popleft())


def _arrived(source: Any) -> Any:
    return source.result() if isinstance(source, Future) else source


def _fetch(address: str) -> NamedBytes | Unreadable:
    try:
        system, path = file_system(address)
    except OptionError as error:
        return Unreadable(address, error)
    bucket = path.partition("/")[0] if address.startswith(_WITH_BUCKETS) else ""
    with naming(address, DataError):
        try:
            return NamedBytes(system.cat_file(path), address)
        except FileNotFoundError as error:
            if bucket and not system.exists(bucket):
                raise DataError(f"{address}: the bucket {bucket} is not there; {_FIX}") from error
            return Unreadable(address, error)
