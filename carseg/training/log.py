"""The figures of a training, one row per validation: RUN/log.csv, and RUN/tensorboard/ where it is asked for."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from carseg._files import replacing
from carseg.errors import MissingExtraError, TrainingError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

COLUMNS = ("step", "epoch", "seconds", "lr", "loss", "val_miou", "val_pixel_acc", "images_per_s", "data_share")
LogRow = dict[str, float | None]  # the columns; None for what was not measured


class TrainingLog:
    """The rows of a run, those of its earlier parts included.

    Args:
        folder: the run folder.
        tensorboard: also write what ``tensorboard --logdir RUN`` shows.

    Raises:
        MissingExtraError: TensorBoard is wanted but not installed.
        TrainingError: the folder has a ``log.csv`` of something else.
    """

    def __init__(self, folder: Path, *, tensorboard: bool = False) -> None:
        self.path = folder / "log.csv"
        self.rows = read_log(folder)
        self._events = folder / "tensorboard" if tensorboard else None
        self._writer: SummaryWriter | None = None
        if tensorboard:
            _summary_writer()

    def add(self, row: LogRow) -> None:
        """Append a row.

        Raises:
            OSError: the disk is full; the file is as it was.
        """
        self._write([*self.rows, row])
        if self._events is not None:
            step = int(row["step"] or 0)
            if self._writer is None:  # events of later steps, from before a resumed run was interrupted, do not count
                self._writer = _summary_writer()(str(self._events), purge_step=step)
            for name, value in row.items():
                if name != "step" and value is not None:
                    self._writer.add_scalar(name, value, step)
            self._writer.flush()

    def rewind(self, step: int) -> None:
        """Drop the rows after a step."""
        self._write([row for row in self.rows if (row["step"] or 0) <= step])

    def close(self) -> None:
        """End the writing for TensorBoard."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, rows: list[LogRow]) -> None:
        with replacing(self.path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(["" if row[name] is None else f"{row[name]:.9g}" for name in COLUMNS] for row in rows)
        self.rows = rows


def read_log(folder: Path) -> list[LogRow]:
    """Return the rows in a run folder, none where nothing was logged yet.

    Raises:
        TrainingError: its ``log.csv`` is that of something else.
    """
    path = folder / "log.csv"
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [{name: float(row[name]) if row[name] else None for name in COLUMNS} for row in csv.DictReader(file)]
    except (KeyError, ValueError, csv.Error) as error:
        raise TrainingError(f"{path} is not the log of a training: {error!r}") from None


def _summary_writer() -> type[SummaryWriter]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError("tensorboard", "report", "logging for TensorBoard") from error
    return SummaryWriter
