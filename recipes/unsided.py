"""Measure how many labels get back the side that was removed from them, see `carseg.cars.told_sides`.

CARSEG_DATA=DIR python -m recipes.unsided           of the training images of carparts: `SURE` was chosen on them
CARSEG_DATA=DIR python -m recipes.unsided --test    of the test images
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from carseg.cars import told_sides
from carseg.data import load as open_data
from carseg.labels import CARPARTS, IGNORE, label_set, without_side
from carseg.masks import components, rle
from recipes.recipe import data_root

SURE = (0.0, 1.0, 2.0, 3.0)  # candidates for the log-odds from which a side is told
SLIVER = 16  # pixels: a smaller piece of a label is what another part left of it


def measure(split: str) -> None:
    """Print how many parts, and pixels, of labels whose sides were removed get them back."""
    kinds = label_set("kinds", list(dict.fromkeys(map(without_side, CARPARTS.classes))))
    kind_of = np.full(256, IGNORE, np.uint8)
    kind_of[: len(CARPARTS)] = [kinds.classes.index(without_side(name)) for name in CARPARTS.classes]
    side_of = np.zeros(256, np.int8)
    for left, right in CARPARTS.pairs:
        side_of[[left, right]] = 1, -1
    truths = [sample.load()[1] for sample in open_data(data_root() / "carparts", split=split, labels="carparts")]
    for sure in SURE:
        pixels, parts = np.zeros(3, int), np.zeros(3, int)  # wrong, ignored, right
        for truth in truths:
            agrees = told_sides(kind_of[truth], kinds, sure=sure) * side_of[truth]
            pixels += np.bincount(agrees[side_of[truth] != 0] + 1, minlength=3)
            parts += _parts(truth, side_of, agrees)
        for name, (wrong, ignored, right) in (("parts", parts), ("pixels", pixels)):
            total, told = wrong + ignored + right, max(wrong + right, 1)
            shares = f"{right / total:.2%} right, {wrong / total:.2%} wrong, {ignored / total:.2%} ignored"
            print(f"log-odds of {sure}: {shares} of {total} {name}; of those told {right / told:.2%} right")


def _parts(
    truth: npt.NDArray[np.uint8], side_of: npt.NDArray[np.int8], agrees: npt.NDArray[np.int8]
) -> npt.NDArray[np.int64]:
    """Return how many connected pieces of a label are wrong, ignored and right, by the most of their pixels."""
    starts, ends, labels = components.split_columns(*rle.label_runs(truth), len(truth))
    piece = components.connect(components.touching(starts, ends, len(truth)), labels)
    cells = np.repeat(piece, ends - starts).reshape(-1, len(truth)).T
    counts = np.stack([np.bincount(cells[agrees == said], minlength=piece.max() + 1) for said in (-1, 0, 1)])
    sided = np.zeros(piece.max() + 1, bool)
    sided[piece] = side_of[labels] != 0
    return np.bincount(counts.argmax(0)[sided & (counts.sum(0) >= SLIVER)], minlength=3)


def main(
    test: Annotated[bool, typer.Option("--test", help="measure on carparts/test: to be read once")] = False,
) -> None:
    measure("test" if test else "train")


if __name__ == "__main__":
    typer.run(main)
