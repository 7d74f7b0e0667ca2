"""Fit what geometry says about the sides of parts, or measure what `carseg.cars.consistent_sides` makes of them.

    CARSEG_DATA=DIR python -m recipes.side              the numbers of carseg/cars/side.py, from training images
    CARSEG_DATA=DIR python -m recipes.side --pairs      figures of two of carvana/val's images side by side
    CARSEG_DATA=DIR python -m recipes.side --test       figures of carparts/test and carvana/test, raw and consistent

The network has seen the training images of carparts and gives next to all of their parts the right side. So they are
also shown to it shrunk to 80 pixels; and carvana/train is shown, whose file names tell which side's doors are seen. One
label in a hundred is taken to be wrong: in train383.jpg all of a car's sides are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
import typer
from PIL import Image

from carseg.cars import SidedPiece, sided_pieces
from carseg.data import Sample
from carseg.data import load as open_data
from carseg.evaluation import Evaluation
from carseg.inference import Segmenter, load
from carseg.labels import CARPARTS
from carseg.masks import grids
from recipes.recipe import data_root
from recipes.view import TRUTH

DOORS = ("front_door", "back_door")
GROUPS = (DOORS, ("front_light",), ("back_light",), ("mirror",))
NETWORK = (100.0, 2.0, 1.4, 1.0, 0.7, 0.5, 0.35, 0.2)  # candidates for the weight of the network's own log-odds
PAIRS = 100  # of images side by side
WRONG = 0.01  # of the labels
# Test images with a label that names the wrong side: of two doors of one side the front one is "right" and the back one
# "left", both headlights are "right", a tail light beside left doors is "right".
MISLABELED = {"te48", "te60", "te94"}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A piece, and what side it has.

    Attributes:
        source: where it comes from.
        kind: the kind of part.
        geometry: log-odds of the view, and the place: what ``PlacedPiece`` says.
        network: the network's log-odds of the left.
        log_odds: those of ``consistent_sides``.
        left: cells of its that are labelled left.
        right: cells of its that are labelled right.
    """

    source: str
    kind: str
    geometry: tuple[float, float]
    network: float
    log_odds: float
    left: int
    right: int


def labeled(segmenter: Segmenter) -> Iterator[Case]:
    """Yield the pieces in the training images of car parts, as they are and shrunk."""
    for sample in open_data(data_root() / "carparts", split="train", labels="carparts"):
        rgb, truth = sample.load()
        image = Image.fromarray(rgb)
        for source, seen in (("labeled", image), ("shrunk", image.resize((80, 80)).resize(image.size))):
            for piece in _pieces(segmenter, np.asarray(seen)):
                rows, columns = map(grids.middles, truth.shape, piece.placed.cells.shape)
                its = truth[rows[:, None], columns][piece.placed.cells]
                counts = [int(np.count_nonzero(its == label)) for label in piece.pair]
                if any(counts):
                    yield _case(source, piece, *counts)


def turned(segmenter: Segmenter, split: str) -> Iterator[Case]:
    """Yield the doors in a turntable's images, but for those that show no side."""
    for sample in open_data(data_root() / "carvana", split=split, labels="carvana"):
        view = _view(sample)
        if view % 4:
            for piece in _pieces(segmenter, sample.load_image()):
                if piece.placed.kind in DOORS:
                    cells = int(np.count_nonzero(piece.placed.cells))
                    yield _case("turntable", piece, *((cells, 0) if view < 4 else (0, cells)))


def _pieces(segmenter: Segmenter, rgb: npt.NDArray[np.uint8]) -> Iterator[SidedPiece]:
    [logits] = segmenter.forward(segmenter.preprocess(rgb).x[None])
    return sided_pieces(logits, CARPARTS)


def _case(source: str, piece: SidedPiece, left: int, right: int) -> Case:
    placed = piece.placed
    return Case(source, placed.kind, (placed.view, placed.place), piece.network, piece.log_odds, left, right)


def fit(cases: list[Case]) -> Floats:
    """Return the weights of the view and the place, (2,): a logistic regression on geometry alone."""
    x = torch.tensor([case.geometry for case in cases], dtype=torch.float64)
    cells = torch.tensor([(case.left, case.right) for case in cases], dtype=torch.float64)
    weight = cells.sum(1).sqrt() / cells.sum(1).sqrt().sum()
    weights = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        left = torch.sigmoid(x @ weights) * (1 - 2 * WRONG) + WRONG
        chances = torch.stack([left, 1 - left], 1).log()
        value = -(weight * (cells / cells.sum(1, keepdim=True) * chances).sum(1)).sum() + 1e-5 * (weights**2).sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weights.detach().numpy()


def side_errors(cases: list[Case], weights: Floats, network: float) -> dict[str, float]:
    """Return the share of the cells that get the wrong side, of each source."""
    wrong: dict[str, int] = {}
    total: dict[str, int] = {}
    for case in cases:
        left = np.dot(weights, case.geometry) + network * case.network > 0
        wrong[case.source] = wrong.get(case.source, 0) + (case.right if left else case.left)
        total[case.source] = total.get(case.source, 0) + case.left + case.right
    return {source: wrong[source] / total[source] for source in total}


def choose(segmenter: Segmenter) -> None:
    """Print the weights of geometry, and the side errors by the weight of the network beside it."""
    everything = [*labeled(segmenter), *turned(segmenter, "train")]
    for kinds in GROUPS:
        cases = [case for case in everything if case.kind in kinds]
        weights = fit(cases)
        print(f"{', '.join(kinds)}: {weights[0]:.1f} of the view, {weights[1]:.1f} of the place; wrong cells:")
        for network in NETWORK:
            errors = ", ".join(f"{name} {error:.2%}" for name, error in side_errors(cases, weights, network).items())
            print(f"  network {network:>5}: {errors}")


def measure(segmenter: Segmenter) -> None:
    """Print the figures of the test images, with raw and with consistent sides."""
    parts = open_data(data_root() / "carparts", split="test", labels="carparts")
    every, sound = "all labels", "sound labels"
    for sides in ("raw", "consistent"):
        evaluations = {name: Evaluation(CARPARTS, boundary=False) for name in (every, sound)}
        for sample in parts:
            rgb, truth = sample.load()
            mask = segmenter.predict(rgb, sides=sides, min_area=0).mask
            for name in (every,) if sample.name in MISLABELED else (every, sound):
                evaluations[name].add(mask, truth)
        for name, evaluation in evaluations.items():
            scores = evaluation.scores()
            figures = f"side error {scores.side_error:.2%}, mIoU {scores.miou:.2%}"
            print(f"{sides}, {name}: {figures}, {scores.images} images")
    doors = list(turned(segmenter, "test"))
    total = sum(case.left + case.right for case in doors)
    raw = sum(case.right if case.network > 0 else case.left for case in doors)
    consistent = sum(case.right if case.log_odds > 0 else case.left for case in doors)
    print(f"doors on the turntable, wrong cells: {raw / total:.2%} raw, {consistent / total:.2%} consistent")


def measure_pairs(segmenter: Segmenter) -> None:
    """Print how many cells of doors have the wrong side where two images of the turntable make one."""
    doors = [[CARPARTS.classes.index(f"{end}_{side}_door") for end in ("front", "back")] for side in ("left", "right")]
    samples = [
        sample for sample in open_data(data_root() / "carvana", split="val", labels="carvana") if _view(sample) % 4
    ]
    random = np.random.default_rng(0)
    wrong, total = {"raw": 0, "consistent": 0}, 0
    for _ in range(PAIRS):
        pair = [samples[number] for number in random.choice(len(samples), 2, replace=False)]
        rgb = np.concatenate([sample.load_image() for sample in pair], 1)
        for sides in wrong:
            mask = segmenter.predict(rgb, sides=sides, min_area=0).mask
            for sample, half in zip(pair, np.array_split(mask, 2, 1), strict=True):
                left, right = (int(np.count_nonzero(np.isin(half, side))) for side in doors)
                wrong[sides] += right if _view(sample) < 4 else left
                total += (left + right) * (sides == "raw")
    shares = ", ".join(f"{cells / total:.2%} {sides}" for sides, cells in wrong.items())
    print(f"doors of two cars in one image, wrong cells: {shares}")


def _view(sample: Sample) -> int:
    return TRUTH[int(sample.name[-2:]) - 1]


def main(
    pairs: Annotated[bool, typer.Option("--pairs", help="measure on two images side by side")] = False,
    test: Annotated[bool, typer.Option("--test", help="measure on carparts/test: to be read once")] = False,
) -> None:
    (measure if test else measure_pairs if pairs else choose)(load("parts"))


if __name__ == "__main__":
    typer.run(main)
