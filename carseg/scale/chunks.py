"""The rows of a job in chunks of one size, in an order that is the same every time: of folders, lists, tables, tars.

Names are streamed: work begins before all are known, and of folders only one at a time is listed.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from carseg.errors import DataError, ImageNotFoundError, MissingExtraError, excerpt
from carseg.images import SUFFIXES
from carseg.scale.opening import file_system, is_elsewhere

Row = dict[str, Any]  # "key", and "path" or "bytes"
_TABLE, _TAR, _LIST = ".parquet", ".tar", ".txt"
_CONTENT, _PATH, _KEY = "bytes", "path", "key"  # columns of tables


@dataclass(frozen=True)
class Chunk:
    """Rows that are done together and make one file of results.

    Attributes:
        number: its place, from 0.
        keys: what the rows are called.
        paths: of the images, where each is a file of its own; else they lie in ``file``.
        file: the table or tar that the rows lie in; "" where each is a file.
        start: place of the first of them there.
    """

    number: int
    keys: tuple[str, ...]
    paths: tuple[str, ...] = ()
    file: str = ""
    start: int = 0

    @property
    def digest(self) -> str:
        """The sha256 of what the rows are called and where they lie."""
        lines = [self.file, str(self.start), *self.keys, *self.paths]
        return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()

    def rows(self) -> Iterator[Row]:
        """Yield the rows, with the bytes of those that lie in a table or a tar.

        Raises:
            DataError: the table or tar cannot be read any more.
        """
        if not self.file:
            return ({_KEY: key, _PATH: path} for key, path in zip(self.keys, self.paths, strict=True))
        read = _rows_of_tar if _suffix(self.file) == _TAR else _rows_of_table
        return read(self.file, self.start, self.start + len(self.keys))


def chunks(source: str, size: int) -> Iterator[Chunk]:
    """Yield the rows of a source in chunks of ``size``; the last of a table or tar may have fewer.

    Args:
        source: a folder of images, whose keys are the paths below it, or a pattern of images, here or where fsspec
            finds them (``s3://``); a text file (.txt) with a path or address per line; a parquet file, or a pattern of
            such, with a column ``bytes`` or ``path`` and perhaps ``key``; a tar of images (WebDataset), or a pattern.
        size: rows of a chunk.

    Raises:
        ImageNotFoundError: there is no such thing, or no image in it.
        DataError: a list, table or tar cannot be read, or a table has neither column.
        MissingExtraError: fsspec or pyarrow is needed and not installed.
    """
    number = 0
    for file, rows in _listed(source):
        start = 0
        rows = iter(rows)
        while part := list(islice(rows, size)):
            keys, paths = zip(*part, strict=True)
            yield Chunk(number, keys, () if file else paths, file, start)
            number, start = number + 1, start + len(part)
    if not number:
        raise ImageNotFoundError(f"{excerpt(source)}: no image is there")


def _listed(source: str) -> Iterator[tuple[str, Iterable[tuple[str, str]]]]:
    """Yield key and path of images that are files, with "" for the file that they lie in; then tables and tars."""
    if _suffix(source) == _LIST and not is_elsewhere(source):
        yield "", _lines(source)
        return
    system, path = file_system(source)
    try:
        if system.isdir(path):
            yield "", _below(system, path)
            return
        if any(sign in path for sign in "*?["):
            found = sorted(each for each in system.glob(path) if not PurePosixPath(each).name.startswith("."))
        else:
            found = [path] if system.exists(path) else []
    except OSError as error:
        raise DataError(f"{excerpt(source)} cannot be read: {error}") from error
    names = [_address(system, each) for each in found]
    yield "", [(name, name) for name in names if _suffix(name) not in (_TABLE, _TAR)]
    for name in names:
        if _suffix(name) in (_TABLE, _TAR):
            rows = _rows_of_tar(name) if _suffix(name) == _TAR else _rows_of_table(name)
            yield name, ((row[_KEY], "") for row in rows)


def _address(system: Any, path: str) -> str:
    """Return what opens a file of a file system: of this machine its path."""
    address: str = system.unstrip_protocol(path)
    return address.removeprefix("file://")


def _below(system: Any, folder: str) -> Iterator[tuple[str, str]]:
    """Yield the visible images at any depth below a folder, folder by folder, each sorted."""
    for place, inner, names in _walk(system, folder):
        visible = sorted(name for name in inner if not name.startswith("."))
        if isinstance(inner, dict):  # fsspec goes on into those that are left in it
            left = {name: inner[name] for name in visible}
            inner.clear()
            inner.update(left)
        else:
            inner[:] = visible
        for name in sorted(names):
            if not name.startswith(".") and _suffix(name) in SUFFIXES:
                path = f"{place}/{name}"
                yield path.removeprefix(folder).lstrip("/"), _address(system, path)


def _walk(system: Any, folder: str) -> Iterator[tuple[str, Any, Iterable[str]]]:
    """Yield each folder with the names in it; a folder that cannot be looked into is an error."""

    def stop(error: OSError) -> None:
        raise DataError(f"{folder} cannot be read: {error}") from error

    if "file" in system.protocol:  # fsspec would ask for the size of every file
        yield from os.walk(folder, onerror=stop)
    else:
        yield from system.walk(folder, detail=True, on_error=stop)


def _lines(path: str) -> Iterator[tuple[str, str]]:
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                if name := line.rstrip("\r\n"):
                    yield name, name
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a list of images: {error}") from error


def _rows_of_table(path: str, start: int = 0, stop: int = 0) -> Iterator[Row]:
    """Yield the rows of a parquet file from ``start`` to ``stop``; without a ``stop`` all of them, and no contents.

    Without a column ``key`` they are called by their path or number.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("pyarrow", "table", "reading parquet") from error
    system, place = file_system(path)
    try:
        with system.open(place, "rb") as opened, pq.ParquetFile(opened) as table:
            there = table.schema_arrow.names
            if _CONTENT not in there and _PATH not in there:
                raise DataError(f"{path} has neither a column {_CONTENT} nor {_PATH}, but {', '.join(there)}")
            wanted = [name for name in (_KEY, _PATH, _CONTENT) if name in there and (stop or name != _CONTENT)]
            number = 0
            for group in range(table.num_row_groups):
                end = number + table.metadata.row_group(group).num_rows
                if end <= start or (stop and number >= stop):
                    number = end
                    continue
                for batch in table.iter_batches(64, row_groups=[group], columns=wanted or there[:1]):
                    for row in batch.to_pylist():
                        if start <= number and (not stop or number < stop):
                            called = row.get(_KEY) or row.get(_PATH) or f"{path}, row {number}"
                            yield {**{name: row[name] for name in wanted}, _KEY: str(called)}
                        number += 1
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as a table: {error}") from error


def _rows_of_tar(path: str, start: int = 0, stop: int = 0) -> Iterator[Row]:
    """Yield the images of a tar from ``start`` to ``stop``; without a ``stop`` all of them, and no contents."""
    system, place = file_system(path)
    try:
        with system.open(place, "rb") as opened, tarfile.open(fileobj=opened) as tar:
            images = (member for member in tar if member.isfile() and _suffix(member.name) in SUFFIXES)
            for member in islice(images, start, stop or None):
                file = tar.extractfile(member) if stop else None
                yield {_KEY: member.name} | ({_CONTENT: file.read()} if file else {})
    except (OSError, tarfile.TarError) as error:
        raise DataError(f"{path} cannot be read as a tar: {error}") from error


def _suffix(name: str) -> str:
    return PurePosixPath(name.replace(os.sep, "/")).suffix.lower()
