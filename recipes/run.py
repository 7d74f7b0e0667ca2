"""Makes a weight from its recipe: trains, measures, stores it as weights/NAME, and enters it into the manifest.

    CARSEG_DATA=DIR python -m recipes.run fpn-mobilenetv2-carparts
    CARSEG_DATA=DIR python -m recipes.run fpn-mobilenetv2-carparts --minutes 5 --runs /tmp/runs --weights /tmp/weights

A run that was interrupted goes on where it was. ``--minutes`` replaces the recipe's budget, over all its rounds; the
schedules fit themselves to it. ``--rounds`` stops after so many rounds: the test split is not read then.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from carseg import finetuning, packing
from carseg.architectures.network import Network
from carseg.atomic import replacing_folder
from carseg.cli.process import prepare
from carseg.data.dataset import Dataset
from carseg.data.opening import open as open_data
from carseg.errors import OptionError
from carseg.hub import locate
from carseg.manifest import ROOT, Entry
from carseg.metrics import Scores
from carseg.options import Options
from carseg.registry import create_model
from carseg.runtimes import torch_
from carseg.segmenter import load
from carseg.training import STATE, Trainer, evaluate
from recipes import backbones
from recipes import recipe as recipes
from recipes.calibrate import how_it_runs
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
    prepare()
    recipe = recipes.read(name)
    if minutes is not None and not budget(recipe):
        raise OptionError(f"{name} counts epochs, which --minutes cannot replace")
    share = 1.0 if minutes is None else minutes / budget(recipe)
    best, entry = train(replace(recipe, rounds=recipe.rounds[:rounds]), runs, share, device)
    if not recipe.test or rounds is not None:
        return
    test = open_data(recipe.data, split=recipe.test, labels=recipe.labels)
    finished = publish(best, recipe, entry, test, weights)
    for figure in finished.metrics:
        print(f"{name}: {recipe.folder} {recipe.test} ({figure.protocol}) mIoU {figure.miou:.4f} {figure.miou_ci}")


def train(recipe: recipes.Recipe, runs: Path, share: float, device: str) -> tuple[Path, Entry]:
    """All rounds, after those of the recipes that this one starts from, in ``share`` of their time.

    Returns:
        The folder of the best weights, and what is known about them before they are measured.
    """
    start: str | Path = made(recipe.start, runs, share, device) or recipe.start
    if recipe.grow:
        smaller = made(recipe.grow, runs, share, device) or recipe.grow
        start = grown(recipe, smaller, runs / f"{recipe.name}-grown")
    for number, options in enumerate(recipe.rounds, 1):
        encoder = options.encoder and made(options.encoder, runs, share, device)
        options = replace(
            options,
            device=device,
            minutes=options.minutes and options.minutes * share,
            encoder=str(encoder) if encoder else options.encoder,
            teacher=str(start) if options.teacher == recipe.name else options.teacher,
        )
        start, entry = train_round(recipe, number, start, runs, options)
    return Path(start), entry


def made(name: str, runs: Path, share: float, device: str) -> Path | None:
    """The weights of a packaged encoder or of a recipe without any in the zoo, made if they have to be; else None."""
    if backbones.is_packaged(name):
        return backbones.unpacked(name, runs)
    return train(recipes.read(name), runs, share, device)[0] if recipes.is_to_make(name) else None


def grown(recipe: recipes.Recipe, smaller: str | Path, folder: Path) -> Path:
    """The folder of a network for the recipe that computes what the smaller one does."""
    located = locate(smaller)
    network = create_model(recipe.start, len(recipe.labels))
    state = torch_.read_network(located).state_dict()
    network.load_state_dict(network.grown(state, torch.Generator().manual_seed(recipe.rounds[0].seed)))
    packing.pack(folder, network, replace(located.entry, architecture=recipe.start, storage="float32", embedded=False))
    return folder


def budget(recipe: recipes.Recipe) -> float:
    """Minutes of all its rounds and of the recipes that it starts from."""
    names = {recipe.start, recipe.grow, *(options.encoder for options in recipe.rounds)}
    before = (budget(recipes.read(name)) for name in names if name and recipes.is_to_make(name))
    return sum(options.minutes or 0 for options in recipe.rounds) + sum(before)


def train_round(
    recipe: recipes.Recipe, number: int, start: str | Path, runs: Path, options: Options
) -> tuple[Path, Entry]:
    """One round, the first being 1: the folder of its best weights, and what is known about them."""
    run = runs / f"{recipe.name}-{number}"
    _begin(run, options)
    pictures, val = recipe.open_splits(number, options)
    torch.manual_seed(options.seed)
    network, entry, _ = finetuning.start(start, recipe.labels, options)
    own = {(source.name, source.split) for source in recipe.sources}
    inherited = (source for source in entry.data if (source.name, source.split) not in own)
    entry = replace(
        entry,
        name=recipe.name,
        input=recipe.input,
        data=(*recipe.sources, *inherited),
        recipe=f"recipes/{recipe.name}.toml",
        code_commit=_commit(),
        **{**recipe.about, "storage": "float32", "embedded": False},
    )

    def write(folder: Path, trained: Network, scores: Scores | None) -> None:
        packing.pack(folder, trained, entry)

    seen = replace(recipe.input, size=options.size or recipe.input.size)
    trainer = Trainer(network, seen, pictures, val, run, options, pack=write, report=_report)
    if (run / STATE).exists():
        trainer.resume()
    trainer.run()
    return run / "best", entry


def _begin(run: Path, options: Options) -> None:
    """Makes a round's folder, or goes on with one of the same options.

    Raises:
        OptionError: the folder holds a round that was begun with others.
    """
    run.mkdir(parents=True, exist_ok=True)
    path, text = run / "options.json", json.dumps(asdict(options), indent=1)
    if (run / STATE).exists() and not (path.exists() and path.read_text("utf-8") == text):
        raise OptionError(f"{run} was begun with other options: delete it, or choose another --runs")
    path.write_text(text, "utf-8")


def publish(best: Path, recipe: recipes.Recipe, entry: Entry, test: Dataset, weights: Path) -> Entry:
    """Stores the best state of a run small, measures what is stored, and writes its card."""
    trained = torch_.read_network(locate(best))
    exact = evaluate(trained, test, recipe.input, torch.device("cpu"))
    with replacing_folder(weights / recipe.name) as folder:  # measuring takes minutes, in which it may be stopped
        stored = packing.pack(folder, trained, replace(entry, **recipe.about), keep_float16=recipe.keep_float16)
        segmenter = load(folder, device="cpu", runtime="torch", precision="float32")
        metrics = [measure(segmenter, test, recipe.folder, few=few) for few in (False, True)]
        if recipe.merge:
            metrics.append(measure(segmenter, test, recipe.folder, merge=recipe.merge))
        finished = replace(
            stored,
            metrics=tuple(metrics),
            quantization_loss=round(exact.miou - metrics[0].miou, 5),
            **how_it_runs(locate(folder), recipe),
        )
        write_golden(folder, segmenter)
        describe(folder, finished, recipe.notes)
    if weights == WEIGHTS:
        enter(finished)
    return finished


def _commit() -> str:
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def _report(row: dict[str, float]) -> None:
    if row["step"] % 50 == 0:
        print(f"{row['done']:6.1%}  step {row['step']:.0f}  loss {row['loss']:.3f}", file=sys.stderr)


if __name__ == "__main__":
    typer.run(main)
