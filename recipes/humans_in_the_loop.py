"""Train a network of car parts on images that you download yourself, and whose terms you have read.

    python -m recipes.humans_in_the_loop DIR --out OUT [--minutes 120]

DIR is the set "Car Parts" of Humans in the Loop in Supervisely's format: ``meta.json``, and a folder with ``img/`` and
``ann/``. Others state that it is in the public domain (CC0). The project has not seen its terms: check them where you
download it, before you sell anything. OUT/labels gets the images with carseg's class names and with sides; `carseg data
check` shows what is in them. OUT/run/best is the network, which `carseg.load` takes. It starts from a weight that may
be used commercially. Its card says "unclear", as of every network that is fine-tuned: enter there what you have read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from carseg.data import convert_splits, load_splits
from carseg.training import TrainingConfig, finetune
from carseg.workflows import with_sides

START = "fpn-efficientnet-lite1-car5"
# The glass of a door belongs to the door, as in `carparts`. What has no part's name there is background, but for the
# plate, which lies on bumpers and lids.
CLASSES = {
    "Back-bumper": "back_bumper",
    "Back-door": "back_door",
    "Back-wheel": "wheel",
    "Back-window": "back_door",
    "Back-windshield": "back_glass",
    "Fender": "background",
    "Front-bumper": "front_bumper",
    "Front-door": "front_door",
    "Front-wheel": "wheel",
    "Front-window": "front_door",
    "Grille": "background",
    "Headlight": "front_light",
    "Hood": "hood",
    "License-plate": "ignore",
    "Mirror": "mirror",
    "Quarter-panel": "background",
    "Rocker-panel": "background",
    "Roof": "background",
    "Tail-light": "back_light",
    "Trunk": "trunk",
    "Windshield": "front_glass",
}


def label(data: Path, out: Path) -> None:
    """Write the images with the classes of ``CLASSES``, and with sides, as label images into a new folder."""
    splits = load_splits(data, format="supervisely", mapping=CLASSES)
    convert_splits([with_sides(dataset) for dataset in splits.values()], out, "masks")


def main(
    data: Annotated[Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="The set, unpacked.")],
    out: Annotated[Path, typer.Option("--out", file_okay=False, help="A folder for the labels and the run.")],
    minutes: Annotated[float | None, typer.Option(help="Time budget; without it 50 epochs.")] = None,
    start: Annotated[str, typer.Option(help="The weight to start from.")] = START,
) -> None:
    """Write the labels where they are not there yet, train on them, or go on with a run; print the network's folder."""
    labels, run = out / "labels", out / "run"
    if not labels.exists():
        label(data, labels)
    print(finetune(start, labels, run, config=TrainingConfig(minutes=minutes), resume=run.exists()))


if __name__ == "__main__":
    typer.run(main)
