"""The figures measured: experiments/results/NAME.jsonl, one JSON object per line for each variant, seed and budget."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from carseg.hub import Record, from_plain, to_plain
from experiments.experiment import Experiment

FOLDER = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Outcome(Record):
    """The figures of one variant and seed.

    Attributes:
        variant: its name.
        seed: of everything random in its training.
        minutes: the budget it had.
        identity: of what was measured, see ``Experiment.identity``.
        commit: of the code.
        device: processor and threads, or graphics card.
        spent: minutes that the training took; None where nothing was trained.
        epochs: passes over the training images; None where nothing was trained.
        images: images it was measured on; None where none were needed.
        figures: name to (value,) or (value, low, high) with the ends of the 95 % interval; "gain" is the experiment's
            first figure minus that of its first variant, with the same seed on the same images.
        error: why there are no figures.
    """

    variant: str
    seed: int
    minutes: float
    identity: str
    commit: str
    device: str
    spent: float | None = None
    epochs: float | None = None
    images: int | None = None
    figures: dict[str, tuple[float, ...]] = field(default_factory=dict)
    error: str | None = None

    @property
    def place(self) -> tuple[str, int, float]:
        """Variant, seed and budget; the file has one row for each."""
        return self.variant, self.seed, self.minutes


def read(experiment: Experiment, folder: Path = FOLDER) -> list[Outcome]:
    """Return the rows of the experiment's variants as they are now; none before it was run."""
    path = folder / f"{experiment.name}.jsonl"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    identities = {variant.name: experiment.identity(variant) for variant in experiment.variants}
    rows: list[Outcome] = [from_plain(Outcome, json.loads(line)) for line in lines]
    return [row for row in rows if identities.get(row.variant) == row.identity]


def write(experiment: Experiment, rows: Iterable[Outcome], folder: Path = FOLDER) -> None:
    """Write the file anew, in the order of the variants."""
    order = [variant.name for variant in experiment.variants]
    folder.mkdir(parents=True, exist_ok=True)
    ordered = sorted(rows, key=lambda row: (order.index(row.variant), row.minutes, row.seed))
    partial = folder / f".{experiment.name}.part"
    partial.write_text("".join(json.dumps(to_plain(row)) + "\n" for row in ordered), "utf-8")
    partial.replace(folder / f"{experiment.name}.jsonl")
