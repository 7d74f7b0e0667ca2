"""Images that rows name or hold, and files elsewhere than on this machine, which fsspec opens."""

from __future__ import annotations

from functools import cached_property
from io import BytesIO
from typing import Any

from carseg.errors import MissingExtraError, OptionError
from carseg.hub import web_address


def is_elsewhere(address: str) -> bool:
    """Return whether an address is one that fsspec opens: ``s3://``, ``gs://``, but not ``http(s)``."""
    return "://" in address and web_address(address) is None


def file_system(address: str) -> tuple[Any, str]:
    """Return the file system of an address, or of this machine for a path, and the path in it.

    Raises:
        MissingExtraError: fsspec is not installed.
        OptionError: fsspec lacks the package for such addresses, or knows none.
    """
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtraError("fsspec", "table", address) from error
    try:
        return fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise OptionError(f"{address} cannot be opened: {error}") from error


class NamedBytes(BytesIO):
    """The bytes of an image file, with the name that errors call it."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


class RemoteFile:
    """A file elsewhere, as a binary file that is fetched when it is first read: so that one that is missing, or whose
    store is, costs that image alone.
    """

    def __init__(self, address: str) -> None:
        self.name = address

    @cached_property
    def _file(self) -> BytesIO:
        system, path = file_system(self.name)
        return BytesIO(system.cat_file(path))

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        return self._file.read(size)

    def seek(self, place: int, whence: int = 0) -> int:
        """Go to a place, and return it."""
        return self._file.seek(place, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()
