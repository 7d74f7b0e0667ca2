"""Figures of a recipe on images that it did not learn from, where a data set is too small to hold some out for good.

    CARSEG_DATA=DIR python -m recipes.cross_validate fpn-efficientnet-lite1-car5 --folds 4
    CARSEG_DATA=DIR python -m recipes.cross_validate fpn-efficientnet-lite1-car5 --set 'augment = "all"' --runs /tmp/all

The training images are split into parts, near-duplicates together, and the recipe is trained once for each part, on all
the others; every image is then predicted by the one network that has not seen it. The test split is not read.
"""

from __future__ import annotations

import random
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from carseg.data import Dataset, fingerprint, near_duplicate_groups
from carseg.data import load as open_data
from carseg.evaluation import Evaluation, add_predictions
from carseg.inference import load
from carseg.runtimes import keep_memory
from recipes import recipe as recipes
from recipes.run import made, train


def main(
    name: str,
    count: Annotated[int, typer.Option("--folds", min=2)] = 4,
    changes: Annotated[list[str] | None, typer.Option("--set", help="another value of a setting, as in TOML")] = None,
    device: str = "auto",
    runs: Annotated[Path, typer.Option(help="where the run folders of these settings go")] = Path("runs/folds"),
) -> None:
    keep_memory()
    recipe = recipes.read(name)
    changed = tomllib.loads("\n".join(changes or []))
    rounds = [replace(config, **changed, val_fraction=0.0) for config in recipe.rounds]
    if rounds[0].encoder:  # once for all folds
        encoder = made(rounds[0].encoder, runs, 1.0, device)
        rounds[0] = replace(rounds[0], encoder=str(encoder or rounds[0].encoder))
    data = open_data(recipe.data, split="train", labels=recipe.labels)
    merges = (None, recipe.merge) if recipe.merge else (None,)
    evaluations = [Evaluation(recipe.labels, boundary=False, merge=merge) for merge in merges]
    for number, names in enumerate(folds(data, count), 1):
        fold = replace(recipe, rounds=tuple(rounds), left_out=frozenset(names))
        best, _ = train(fold, runs / f"fold-{number}", 1.0, device)
        segmenter = load(best, device=device, runtime="torch", precision="float32")
        add_predictions(evaluations, segmenter, data.subset(names, "train"))
    for evaluation in evaluations:
        scores = evaluation.scores()
        low, high = scores.miou_ci
        print(f"{scores.images} images  mIoU {scores.miou:.4f} ({low:.4f} to {high:.4f})")
        for label, iou in scores.per_class.items():
            low, high = scores.per_class_ci[label]
            print(f"{label:>12}  {iou:.4f} ({low:.4f} to {high:.4f})")


def folds(data: Dataset, count: int) -> list[set[str]]:
    """Return the names of a data set's images in parts of about one size; near-duplicates share one."""
    samples = sorted(data.samples, key=lambda sample: sample.name)
    groups = near_duplicate_groups(np.array([fingerprint(sample.load_image()) for sample in samples]))
    random.Random(0).shuffle(groups)
    parts: list[set[str]] = [set() for _ in range(count)]
    for group in groups:
        min(parts, key=len).update(samples[i].name for i in group)
    return parts


if __name__ == "__main__":
    typer.run(main)
