"""Results as tables, one row for each piece of each part: rows, and files of them that grow image by image."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from carseg._files import replacing, to_json
from carseg.errors import OptionError, require_extra
from carseg.masks import rle

COLUMNS = {
    "source": str,
    "frame": int,  # this and the time are those of a video's frame
    "time": float,
    "model": str,
    "image_width": int,
    "image_height": int,
    "part": str,
    "label": int,
    "part_area_px": int,
    "part_area_fraction": float,
    "part_score": float,
    "piece": int,
    "area_px": int,
    "area_fraction": float,
    "score": float,
    "x": int,
    "y": int,
    "width": int,
    "height": int,
    "car_id": int,  # of a car that is tracked in a video
}
_MANY = 5_000  # rows that are written together, and compressed together in Parquet


def rows_of(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each piece of each part, the largest piece, number 1, first; the columns are ``COLUMNS``.

    Args:
        found: what ``Result.to_dict`` returns.
    """
    place = found["source"], found.get("frame"), found.get("time")
    image = *place, found["model"], found["width"], found["height"]
    tracked = [(car["id"], *rle.runs(car["rle"])) for car in found.get("cars") or () if "id" in car]
    rows = []
    for part in found["parts"]:
        whole = part["name"], part["label"], part["area_px"], part["area_fraction"], part["score"]
        for number, piece in enumerate(part["pieces"], start=1):
            car = _car_of(piece, tracked) if tracked else None
            figures = number, piece["area_px"], piece["area_fraction"], piece["score"], *piece["bbox"], car
            rows.append(dict(zip(COLUMNS, (*image, *whole, *figures), strict=True)))
    return rows


def _car_of(piece: Mapping[str, Any], cars: Sequence[tuple[int, rle.Positions, rle.Positions]]) -> int | None:
    """Return the id of the car that has most runs of a piece, None where it is of none."""
    starts, _ = rle.runs(piece["rle"])
    runs_in = {}
    for number, begins, ends in cars:
        place = np.searchsorted(begins, starts, "right") - 1
        runs_in[number] = np.count_nonzero((place >= 0) & (starts < ends[place]))
    best = max(runs_in, key=runs_in.__getitem__)
    return best if runs_in[best] else None


class TableFile(Protocol):
    """A file to which rows are added."""

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write rows, whose columns are ``COLUMNS``."""


@contextmanager
def table_file(path: str | os.PathLike[str]) -> Iterator[TableFile]:
    """Open a new table by the ending of its name, .csv, .jsonl or .parquet; it appears as a whole when it is closed.

    Raises:
        OptionError: another ending.
        MissingExtraError: pyarrow, which writes Parquet, is not installed.
    """
    place, kind = Path(path), check_table(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    with replacing(place) as partial, ExitStack() as stack:
        yield kind(partial, stack)


def check_table(path: str | os.PathLike[str]) -> type[_Csv | _JsonLines | _Parquet]:
    """Return what writes a table, or raise what ``table_file`` would raise, before anything is computed."""
    kind = _KINDS.get(Path(path).suffix.lower())
    if kind is None:
        raise OptionError(f"{path} cannot be written as a table: name it .csv, .jsonl or .parquet")
    kind.check()
    return kind


class _Csv:
    def __init__(self, path: Path, stack: ExitStack) -> None:
        file: IO[str] = stack.enter_context(path.open("w", encoding="utf-8", errors="backslashreplace", newline=""))
        self._writer = csv.DictWriter(file, list(COLUMNS), lineterminator="\n")
        self._writer.writeheader()

    @staticmethod
    def check() -> None:
        """Do nothing: it needs no package."""

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        self._writer.writerows(rows)


class _JsonLines:
    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._file: IO[str] = stack.enter_context(path.open("w", encoding="utf-8", errors="backslashreplace"))

    @staticmethod
    def check() -> None:
        """Do nothing: it needs no package."""

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        self._file.writelines(to_json(row) + "\n" for row in rows)


class _Parquet:
    def __init__(self, path: Path, stack: ExitStack) -> None:
        import pyarrow as arrow
        from pyarrow import parquet

        types = {str: arrow.string(), int: arrow.int64(), float: arrow.float64()}
        self._schema = arrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
        self._writer = stack.enter_context(parquet.ParquetWriter(path, self._schema))
        self._waiting: list[dict[str, Any]] = []
        stack.callback(self._flush)  # before the writer is closed

    @staticmethod
    def check() -> None:
        require_extra("pyarrow", "table", "writing Parquet")

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        for row in rows:  # the name of a file may be no text
            source = row["source"].encode("utf-8", "backslashreplace").decode()
            self._waiting.append({**row, "source": source})
        if len(self._waiting) >= _MANY:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as arrow

        if self._waiting:
            self._writer.write_table(arrow.Table.from_pylist(self._waiting, self._schema))
            self._waiting = []


_KINDS: dict[str, type[_Csv | _JsonLines | _Parquet]] = {".csv": _Csv, ".jsonl": _JsonLines, ".parquet": _Parquet}
