"""The figures of a training for TensorBoard: RUN/tensorboard/."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from carseg.errors import MissingExtraError
from carseg.training.hooks import Hook
from carseg.training.log import LogRow

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoard(Hook):
    """Writes what ``tensorboard --logdir RUN`` shows.

    Args:
        run: the run folder.

    Raises:
        MissingExtraError: TensorBoard is not installed.
    """

    def __init__(self, run: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError("tensorboard", "report", "logging for TensorBoard") from error
        self._make = SummaryWriter
        self._folder = run / "tensorboard"
        self._writer: SummaryWriter | None = None

    def on_epoch(self, row: LogRow) -> None:
        step = int(row["step"] or 0)
        if self._writer is None:  # events of later steps, from before a resumed run was interrupted, do not count
            self._writer = self._make(str(self._folder), purge_step=step)
        for name, value in row.items():
            if name != "step" and value is not None:
                self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def on_end(self, run: Path) -> None:
        if self._writer is not None:
            self._writer.close()
