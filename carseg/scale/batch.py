"""A callable over batches of rows, as the engines for large data hand them out: images in, parts out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from carseg.errors import OptionError
from carseg.inference import Segmenter, is_video, load
from carseg.scale.opening import NamedBytes, fetched
from carseg.scale.rows import OWN, arrow_fields, check_columns, row_of

_BYTES, _PATH, _KEY = "bytes", "path", "key"  # columns of what comes in


class Batch:
    """A callable that segments batches of rows, for engines that send it to their workers.

    Ray Data's ``map_batches`` takes the class or an instance, Dask's ``map_partitions`` an instance, and Spark's
    ``mapInPandas`` ``lambda frames: map(batch, frames)``. A pickle carries the sha256 of the weights, the runtime and
    the precision, so all workers compute the same; a worker with others raises a WeightsError or an OptionError.

    Args:
        model: a name or path as for ``carseg.load``, or a loaded model.
        columns: columns to add to the rows: "parts", "cars", "mask" (a PNG).
        threads: CPU threads of the network, and number of images read and finished at the same time; engines run one
            worker per core.
        hub: as for ``carseg.load``, like ``cars``, ``device``, ``runtime`` and ``precision``.
        batch_size: as for ``Segmenter.stream``.
        sides: as for ``Segmenter.predict``.
        threshold: as for ``Segmenter.predict``.
        min_area: as for ``Segmenter.predict``.
        max_pixels: as for ``Segmenter.predict``.

    Raises:
        UnknownNameError, HubError, WeightsError, OptionError: as for ``carseg.load``. OptionError also if a column is
            unknown, or "cars" is asked of classes that do not show cars.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Segmenter,
        *,
        columns: Sequence[str] = ("parts",),
        threads: int | None = 1,
        hub: str | os.PathLike[str] | None = None,
        cars: str | os.PathLike[str] | None = None,
        device: str = "auto",
        runtime: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
        sides: str = "consistent",
        threshold: float | None = None,
        min_area: float | None = None,
        max_pixels: int | None = None,
    ) -> None:
        self.columns = check_columns(columns)
        self.segmenter = (
            model
            if isinstance(model, Segmenter)
            else load(model, hub=hub, cars=cars, device=device, runtime=runtime, precision=precision, threads=threads)
        )
        self.settings: dict[str, Any] = {
            "batch_size": batch_size,
            "jobs": threads,
            "sides": sides,
            "threshold": threshold,
            "min_area": min_area,
            "max_pixels": max_pixels,
        }
        self._try_settings()

    def _try_settings(self) -> None:
        """Raise now what would otherwise be every row's error."""
        blank = self.segmenter.stream([np.zeros((8, 8, 3), np.uint8)], **self.settings)
        row_of(next(blank), self.columns)

    def __call__(self, rows: Any) -> Any:
        """Return the rows with ``error``, ``width``, ``height`` and the columns, without their ``bytes``.

        Args:
            rows: a dict of arrays, a pandas DataFrame, or a pyarrow Table or RecordBatch, with the images as a column
                ``bytes`` (whole files) or ``path`` (files, ``http(s)``, or what fsspec opens, such as ``s3://``). If a
                row has both, the bytes are used. A column ``key`` names images in errors. An image that cannot be
                read becomes a row with an ``error``.

        Returns:
            The same kind of table.

        Raises:
            OptionError: the table is of another kind, or has neither column.
            DataError: the store of a ``path`` does not answer, denies access, or has lost the bucket.
            MissingExtraError: fsspec, or its package for the store, is not installed.
        """
        kind = type(rows).__module__.partition(".")[0]
        if isinstance(rows, Mapping):
            return {**_without_bytes(rows), **_objects(self._results({name: list(rows[name]) for name in rows}))}
        if kind == "pandas":
            found = self._results({name: list(rows[name]) for name in rows.columns})
            return rows.drop(columns=_BYTES, errors="ignore").assign(**_objects(found))
        if kind == "pyarrow":
            return self._to_arrow(rows)
        raise OptionError(
            f"rows must be a dict of arrays, a pandas DataFrame or a pyarrow Table, got {type(rows).__name__}"
        )

    def _to_arrow(self, rows: Any) -> Any:
        import pyarrow as pa

        wanted = [name for name in (_BYTES, _PATH, _KEY) if name in rows.schema.names]
        found = self._results({name: rows.column(name).to_pylist() for name in wanted})
        kept = {name: rows.column(name) for name in rows.schema.names if name != _BYTES}
        added = {name: pa.array(found[name], kind) for name, kind in arrow_fields(self.columns)}
        return type(rows).from_pydict({**kept, **added})

    def _results(self, rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        if _BYTES not in rows and _PATH not in rows:
            raise OptionError(f"rows need a column bytes or path, got {', '.join(rows) or 'none'}")
        sources = self.segmenter.stream(fetched(_sources(rows)), on_error="yield", **self.settings)
        found = [row_of(result, self.columns) for result in sources]
        return {name: [row[name] for row in found] for name in (*OWN, *self.columns)}


def _sources(rows: dict[str, list[Any]]) -> Iterator[Any]:
    """Yield the image of each row, as ``Segmenter.stream`` takes it, or its address elsewhere."""
    count = len(next(iter(rows.values())))
    contents, paths, keys = (rows.get(name) or [None] * count for name in (_BYTES, _PATH, _KEY))
    for number, (content, path, key) in enumerate(zip(contents, paths, keys, strict=True)):
        there = isinstance(path, (str, os.PathLike))  # pandas has a float NaN for what is missing
        name = str(key or (path if there else f"row {number}"))
        if isinstance(content, (bytes, bytearray, memoryview)):
            yield NamedBytes(bytes(content), name)
        elif not there:
            yield NamedBytes(b"", name)
        elif is_video(path):  # of which there would be a row for each frame
            yield NamedBytes(b"a video", name)
        else:
            yield path


def _without_bytes(rows: Mapping[str, Any]) -> dict[str, Any]:
    return {name: rows[name] for name in rows if name != _BYTES}


def _objects(columns: dict[str, list[Any]]) -> dict[str, np.ndarray]:
    """Return columns as arrays of objects: numpy would make arrays of more dimensions of lists of one length."""
    arrays = {}
    for name, values in columns.items():
        arrays[name] = np.empty(len(values), object)
        arrays[name][:] = values
    return arrays
