"""The results of a job: a parquet file per chunk, what the job is, and in the end what was done.

A file is there whole or not at all, and says which rows it is of, so that a job goes on where it was killed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

from carseg._files import replacing, to_json
from carseg.errors import MissingExtraError, OptionError, OutputError
from carseg.scale.batch import Batch
from carseg.scale.chunks import Chunk
from carseg.scale.opening import file_system, naming
from carseg.scale.rows import arrow_fields

SCHEMA = 1  # version of the two JSON files
JOB, MANIFEST = "_job.json", "_manifest.json"
_AT_ONCE = 32  # rows of a chunk that are in memory together
_FACTS = b"carseg"  # key of what a file says of itself, among the metadata of its schema


@dataclass(frozen=True)
class Shard:
    """What a file of results says of itself.

    Attributes:
        digest: that of its chunk.
        images: its rows.
        errors: those of them whose image could not be read.
    """

    digest: str
    images: int
    errors: int


class Destination:
    """The folder of a job's results, here or where fsspec finds it.

    Args:
        folder: its path or address.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """

    def __init__(self, folder: str) -> None:
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("pyarrow", "table", "writing parquet") from error
        self.folder = folder

    def begin(self, facts: dict[str, Any]) -> None:
        """Write down which job it is, or make sure that it is the one that began here.

        Raises:
            OptionError: another job began here, or something else lies here.
            OutputError: the folder cannot be written.
        """
        system, place = self._place("")
        begun = self._read(JOB)
        if begun is None:
            with naming(self.folder, OutputError):
                if system.isdir(place) and system.ls(place, detail=False):
                    raise OptionError(f"{self.folder} holds something other than a job: choose an empty folder")
                system.makedirs(place, exist_ok=True)
            self._write_json(JOB, facts)
        elif begun != facts:
            others = [key for key in facts if begun.get(key) != facts[key]]
            raise OptionError(
                f"{self.folder} holds the results of another job, which differs in {', '.join(others) or 'its kind'}: "
                "choose another folder, or delete this one"
            )

    def done(self, number: int, digest: str) -> Shard | None:
        """Return what the file of a chunk says, None where it is not there.

        Args:
            number: that of the chunk.
            digest: likewise.

        Raises:
            OptionError: it is of other rows, so the source has changed since.
        """
        import pyarrow.parquet as pq

        system, place = self._place(_name(number))
        with naming(place, OutputError):
            if not system.exists(place):
                return None
            with system.open(place, "rb") as file:
                said = (pq.read_schema(file).metadata or {}).get(_FACTS)
        shard = Shard(**json.loads(said)) if said else None
        if shard is None or shard.digest != digest:
            raise OptionError(
                f"{self.folder}: {_name(number)} has other images than the source now has in its place, so the source "
                "has changed since this job began: choose another folder"
            )
        return shard

    def write(self, batch: Batch, chunk: Chunk) -> Shard:
        """Segment the rows of a chunk and write its file.

        Raises:
            OutputError: it cannot be written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        fields = [("key", pa.string()), ("path", pa.string()), *arrow_fields(batch.columns)]
        given = pa.schema([*fields[:2], ("bytes", pa.binary())])
        rows, tables = chunk.rows(), []
        while some := list(islice(rows, _AT_ONCE)):
            tables.append(batch(pa.Table.from_pylist(some, given)))
        whole = pa.concat_tables(tables)
        shard = Shard(chunk.digest, len(whole), len(whole) - whole["error"].null_count)
        content = BytesIO()
        schema = pa.schema(fields, {_FACTS: to_json(vars(shard)).encode()})
        pq.write_table(whole.cast(schema), content, compression="zstd")
        self._write(_name(chunk.number), content.getvalue())
        return shard

    def finish(self, facts: dict[str, Any]) -> None:
        """Write what was done, once all of it is."""
        self._write_json(MANIFEST, {"schema": SCHEMA, **facts})

    def _read(self, name: str) -> Any:
        system, place = self._place(name)
        with naming(place, OutputError):
            return json.loads(system.cat_file(place)) if system.exists(place) else None

    def _write_json(self, name: str, content: dict[str, Any]) -> None:
        self._write(name, to_json(content, indent=1).encode() + b"\n")

    def _write(self, name: str, content: bytes) -> None:
        """Write a file that is there whole or not at all."""
        system, place = self._place(name)
        with naming(place, OutputError):
            if "file" in system.protocol:
                with replacing(Path(place)) as partial:
                    partial.write_bytes(content)
            else:  # an object of a store is there once all of it has come
                system.pipe_file(place, content)

    def _place(self, name: str) -> tuple[Any, str]:
        system, folder = file_system(self.folder)
        return system, f"{folder}/{name}".rstrip("/")


def _name(number: int) -> str:
    return f"part-{number:06}.parquet"
