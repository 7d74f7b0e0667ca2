"""Measure a weight again and compare with the figures in the manifest.

    CARSEG_DATA=DIR python -m recipes.check fpn-mobilenetv2-carparts [--few]

Exit status 1 where a figure differs by more than a ten-thousandth.
"""

from __future__ import annotations

from typing import Annotated

import typer

from carseg.data import load as open_data
from carseg.figures import FIGURES
from carseg.hub import info
from carseg.inference import load
from carseg.runtimes import keep_memory
from recipes.measure import FEW, measure
from recipes.recipe import read

TOLERANCE = 1e-4


def main(
    name: str,
    few: Annotated[bool, typer.Option("--few", help=f"only the first {FEW} images")] = False,
) -> None:
    keep_memory()
    recipe = read(name)
    data = open_data(recipe.data, split=recipe.test, labels=recipe.labels)
    found = measure(load(name, device="cpu", runtime="torch", precision="float32"), data, recipe.folder, few=few)
    stated = next(metric for metric in info(name).metrics if metric.images == found.images)
    wrong = False
    for key in found.figures.keys() | stated.figures.keys():
        measured, claimed = getattr(found, key), getattr(stated, key)
        differs = measured != claimed and (measured is None or claimed is None or abs(measured - claimed) > TOLERANCE)
        wrong = wrong or differs
        title = FIGURES[key].title
        print(f"{title:>16}  measured {measured}  stated {claimed}{'  DIFFERS' if differs else ''}")
    raise typer.Exit(int(wrong))


if __name__ == "__main__":
    typer.run(main)
