"""The folder of a run: how it was started, and whether it may be resumed.

run.json    how it was started, see ``RunStart``
state.pt    everything needed to go on, see ``carseg.training.state``; it is there once something was learned
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from carseg._env import rank
from carseg._files import read_json, replacing, to_json
from carseg.errors import CarsegError, OptionError, TrainingError
from carseg.hub import Record, from_plain, require
from carseg.training.config import TrainingConfig

START = "run.json"
STATE = "state.pt"
SCHEMA = 1
_LARGEST_START = 1 << 20  # bytes
MAY_CHANGE = ("device", "workers", "cache", "tensorboard")  # settings that do not change what a resumed run learns


@dataclass(frozen=True)
class RunStart(Record):
    """Record of how a run was started.

    Attributes:
        model: what it started from.
        config: all its settings.
        labels: name of the label set that was asked for, None where none was.
        mapping: class name to new name.
        classes: the classes it learns.
        train: number of images that it learns from.
        val: number of images that choose the best state.
        new_tensors: tensors that began, at least in part, with random weights.
        data_format: format that the data was read in, "auto" where none was named.
        schema: version of the file's format.
    """

    model: str
    config: TrainingConfig
    labels: str | None
    mapping: dict[str, str]
    classes: tuple[str, ...]
    train: int
    val: int
    new_tensors: tuple[str, ...] = ()
    data_format: str = "auto"
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.schema == SCHEMA, "schema", f"must be {SCHEMA}, got {self.schema}")

    def write(self, run: Path) -> None:
        """Write the file that ``read_start`` reads."""
        with replacing(run / START) as partial:
            partial.write_text(to_json(asdict(self), indent=2) + "\n", "utf-8")


def read_start(run: Path) -> RunStart | None:
    """Return how the run in a folder was started, None where it was killed before that was written.

    Raises:
        TrainingError: there is no such folder, or what the run was started with is gone or cannot be read.
    """
    path = run / START
    if not run.is_dir() or (anything_learned(run) and not path.exists()):
        raise TrainingError(f"{run} holds no run to resume; start it without resume")
    if not path.exists():
        return None
    try:
        start: RunStart = from_plain(RunStart, read_json(path, limit=_LARGEST_START))
        return start
    except ValueError as error:
        raise TrainingError(f"{path} is damaged ({error}): start another run from what {run} holds") from None


def make_folder(run: Path) -> None:
    """Make the folder of a new run, without what one that has learned nothing left in it.

    Raises:
        OptionError: it holds a run that has learned something.
    """
    if (run / START).exists() and anything_learned(run):
        raise OptionError(f"{run} holds a run already: resume it, or choose another folder")
    if rank() == 0:
        run.mkdir(parents=True, exist_ok=True)
        (run / START).unlink(missing_ok=True)
        shutil.rmtree(run / "cache", ignore_errors=True)


def anything_learned(run: Path) -> bool:
    """Return whether a run got further than its first step, which may not have fitted into memory."""
    return (run / STATE).exists() or (run / "best").exists()


def resumed_config(start: RunStart, run: Path, config: TrainingConfig | None, model: str) -> TrainingConfig:
    """Return the settings of a run that goes on: those it was started with, but for what may change.

    Raises:
        OptionError: the model or another setting is not the one that it was started with.
    """
    config = config or start.config
    pairs = {f.name: (getattr(start.config, f.name), getattr(config, f.name)) for f in fields(TrainingConfig)}
    pairs = {"model": (start.model, model)} | {name: pair for name, pair in pairs.items() if name not in MAY_CHANGE}
    for name, (old, new) in pairs.items():
        if old != new:
            other = f", from {run / 'best'} if you like" if anything_learned(run) else ""
            raise OptionError(
                f"{run} was started with {name} {old!r}, not {new!r}: resume it as it was started, "
                f"or start another run{other}"
            )
    return config


@contextmanager
def writing(run: Path) -> Iterator[None]:
    """End a run with a sentence where a write into its folder fails; what was there before is untouched."""
    try:
        yield
    except CarsegError:  # says already what is wrong
        raise
    except (OSError, RuntimeError) as error:  # torch.save reports a full disk as a RuntimeError
        raise TrainingError(
            f"cannot write to {run} ({error}): free some space and go on with --resume; what was saved before is intact"
        ) from error
