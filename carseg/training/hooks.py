"""Hooks: what a training calls while it runs, for loggers and progress bars."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from carseg.training.log import LogRow


@dataclass(frozen=True)
class Step:
    """A step that was just taken.

    Attributes:
        number: how many were taken so far, those before a resume included.
        done: share of the budget that is used up, 0..1.
        loss: of its batch.
        best_miou: the best validation so far, 0..1; None where there was none.
    """

    number: int
    done: float
    loss: float
    best_miou: float | None


class Hook:
    """Base of hooks, which does nothing: override what you need, and hand it to ``finetune(..., hooks=[...])``.

    Of several processes that train together, the main one alone calls hooks. What a hook raises ends the training; its
    last saved state is intact.
    """

    def on_step(self, step: Step) -> None:
        """Called after every step of the optimizer."""

    def on_epoch(self, row: LogRow) -> None:
        """Called with every row of ``log.csv``: after an epoch, or after several that were too short to validate each.

        Args:
            row: its columns by name, None for what was not measured; ``row["step"]`` is the number of the last step.
        """

    def on_end(self, run: Path) -> None:
        """Called once training is over and ``run / "best"`` holds its weights."""
