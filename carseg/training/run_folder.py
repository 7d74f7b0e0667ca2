"""The folder of a run: how it was started, and whether it may be resumed."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

from carseg.errors import OptionError, TrainingError
from carseg.training.config import TrainingConfig
from carseg.training.trainer import STATE

START = "run.json"
MAY_CHANGE = ("device", "workers", "tensorboard")  # options that do not change what a resumed run learns


def read_start(run: Path) -> dict[str, Any]:
    """How a run was started: ``model``, ``options``, ``labels`` (a set's name), ``mapping``, ``data`` (classes and
    numbers of images), ``new_tensors``.

    Raises:
        TrainingError: there is no run, or what it was started with cannot be read.
    """
    path = run / START
    if not path.exists():
        raise TrainingError(f"{run} holds no run to resume; start it without resume")
    try:
        started: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return started | {"options": TrainingConfig(**started["options"])}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(f"{path} is damaged ({error}): start another run from what {run} holds") from None


def make_folder(run: Path) -> None:
    if (run / START).exists() and anything_learned(run):
        raise OptionError(f"{run} holds a run already: resume it, or choose another folder")
    run.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(run / "cache", ignore_errors=True)


def anything_learned(run: Path) -> bool:
    """Whether a run got further than its first step, which may not have fitted into memory."""
    return (run / STATE).exists() or (run / "best").exists()


def resumed_config(started: dict[str, Any], run: Path, config: TrainingConfig | None, model: str) -> TrainingConfig:
    """The options of a run that goes on: those it was started with, but for what may change."""
    kept: TrainingConfig = started["options"]
    config = config or kept
    pairs = {f.name: (getattr(kept, f.name), getattr(config, f.name)) for f in fields(TrainingConfig)}
    pairs = {"model": (started["model"], model)} | {k: v for k, v in pairs.items() if k not in MAY_CHANGE}
    for name, (old, new) in pairs.items():
        if old != new:
            other = f", from {run / 'best'} if you like" if anything_learned(run) else ""
            raise OptionError(
                f"{run} was started with {name} {old!r}, not {new!r}: resume it as it was started, "
                f"or start another run{other}"
            )
    return config
