"""The rows of a job in chunks of one size, in an order that is the same every time: of folders, lists, tables, tars.

Names are streamed: work begins before all are known, and of folders only one at a time is listed.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from carseg.errors import DataError, ImageNotFoundError, MissingExtraError, excerpt
from carseg.images import SUFFIXES
from carseg.scale.names import below, matching, suffix
from carseg.scale.opening import file_system, is_elsewhere, naming

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
        read = _rows_of_tar if suffix(self.file) == _TAR else _rows_of_table
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
        raise ImageNotFoundError(f"{excerpt(source)}: no image was found")


def _listed(source: str) -> Iterator[tuple[str, Iterable[tuple[str, str]]]]:
    """Yield key and path of images that are files, with "" for the file that they lie in; then tables and tars."""
    if suffix(source) == _LIST and not is_elsewhere(source):
        yield "", _lines(source)
        return
    system, path = file_system(source)
    with naming(source, DataError):
        folder = system.isdir(path)
        alone = not folder and system.exists(path)
    if folder:
        yield "", ((each.removeprefix(path).lstrip("/"), _address(system, each)) for each in below(system, path))
        return
    found = (_address(system, each) for each in ([path] if alone else matching(system, path)))
    holders: list[str] = []
    yield "", _images(found, holders)
    for name in holders:
        rows = _rows_of_tar(name) if suffix(name) == _TAR else _rows_of_table(name)
        yield name, ((row[_KEY], "") for row in rows)


def _images(found: Iterable[str], holders: list[str]) -> Iterator[tuple[str, str]]:
    """Yield key and path of what is an image itself, and add tables and tars to the holders of images."""
    for name in found:
        if suffix(name) in (_TABLE, _TAR):
            holders.append(name)
        else:
            yield name, name


def _address(system: Any, path: str) -> str:
    """Return what opens a file of a file system: of this machine its path."""
    address: str = system.unstrip_protocol(path)
    return address.removeprefix("file://")


def _lines(path: str) -> Iterator[tuple[str, str]]:
    with naming(f"{path} cannot be read as a list of images", DataError), open(path, encoding="utf-8") as file:
        for line in file:
            if name := line.rstrip("\r\n"):
                yield name, name


def _rows_of_table(path: str, start: int = 0, stop: int = 0) -> Iterator[Row]:
    """Yield the rows of a parquet file from ``start`` to ``stop``; without a ``stop`` all of them, and no contents.

    Without a column ``key`` they are called by their path or number.
    """
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("pyarrow", "table", "reading parquet") from error
    system, place = file_system(path)
    with (
        naming(f"{path} cannot be read as a table", DataError),
        system.open(place, "rb") as opened,
        pq.ParquetFile(opened) as table,
    ):
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


def _rows_of_tar(path: str, start: int = 0, stop: int = 0) -> Iterator[Row]:
    """Yield the images of a tar from ``start`` to ``stop``; without a ``stop`` all of them, and no contents."""
    system, place = file_system(path)
    with (
        naming(f"{path} cannot be read as a tar", DataError),
        system.open(place, "rb") as opened,
        tarfile.open(fileobj=opened) as tar,
    ):
        images = (member for member in tar if member.isfile() and suffix(member.name) in SUFFIXES)
        for member in islice(images, start, stop or None):
            file = tar.extractfile(member) if stop else None
            yield {_KEY: member.name} | ({_CONTENT: file.read()} if file else {})
