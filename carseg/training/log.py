"""The figures of a training, one row per validation: RUN/log.csv."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from carseg._files import replacing
from carseg.errors import TrainingError, excerpt

COLUMNS = ("step", "epoch", "seconds", "lr", "loss", "val_miou", "val_pixel_acc", "images_per_s", "data_share")
LogRow = dict[str, float | None]  # the columns; None for what was not measured


class TrainingLog:
    """The rows of a run, those of its earlier parts included.

    Raises:
        TrainingError: the run folder has a ``log.csv`` of something else.
    """

    def __init__(self, run: Path) -> None:
        self.path = run / "log.csv"
        self.rows = read_log(run)

    def add(self, row: LogRow) -> None:
        """Append a row.

        Raises:
            OSError: the disk is full; the file is as it was.
        """
        self._write([*self.rows, row])

    def rewind(self, step: int) -> None:
        """Drop the rows after a step."""
        self._write([row for row in self.rows if (row["step"] or 0) <= step])

    def _write(self, rows: list[LogRow]) -> None:
        with replacing(self.path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(["" if row[name] is None else f"{row[name]:.9g}" for name in COLUMNS] for row in rows)
        self.rows = rows


def read_log(folder: Path) -> list[LogRow]:
    """Return the rows in a run folder, none where nothing was logged yet.

    Raises:
        TrainingError: its ``log.csv`` is that of something else, or damaged.
    """
    path = folder / "log.csv"
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [{name: _number(name, row[name]) for name in COLUMNS} for row in csv.DictReader(file)]
    except KeyError as error:
        raise TrainingError(f"{path} is not the log of a training: it has no column {error}") from None
    except (OSError, ValueError, csv.Error) as error:
        raise TrainingError(f"{path} is not the log of a training: {error}") from None


def _number(name: str, text: str | None) -> float | None:
    value = float(text) if text else math.nan
    if not (math.isfinite(value) or name.startswith("val_")):  # there may have been nothing to validate on
        raise ValueError(f"{name} is {excerpt(text or 'missing')}")
    return value if math.isfinite(value) else None
