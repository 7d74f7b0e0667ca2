"""Fit the table by which cars that touch are told apart, or measure how often that is right, on composed scenes.

    CARSEG_DATA=DIR python -m recipes.cars --fit           fit to scenes of training images, write _cut_table.py
    CARSEG_DATA=DIR python -m recipes.cars                 measure on 200 scenes of two cars and 200 of one
    CARSEG_DATA=DIR python -m recipes.cars --alone         the same by the network of parts alone

The scenes are those of ``recipes/scenes.py``: to measure, of cars and backgrounds that were held out, to fit, of those
of training images. Count and masks are those of ``carseg.load("parts", cars="car")``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
import typer

from carseg.cars import KINDS, OUTLINES, THROUGH, Touching, cut_features, possible_cuts, touching_cars
from carseg.inference import Segmenter, load
from carseg.labels import CARPARTS, CARVANA, LabelSet
from carseg.masks import grids
from recipes.scenes import Pixels, Scene, compose

TABLE = Path(__file__).parents[1] / "carseg" / "cars" / "_cut_table.py"
HEAD = '''"""Numbers of the rule in ``cuts.py``, fitted to composed scenes by ``recipes/cars.py``."""

from __future__ import annotations
'''
PAIRS_OR_THREE, ONE = (2, 2, 3), (1,)
# Scenes, cars in each, seed.
FITTED = ((200, PAIRS_OR_THREE, 1), (400, PAIRS_OR_THREE, 3), (500, PAIRS_OR_THREE, 5), (200, ONE, 2), (200, ONE, 4))
MEASURED = {"two cars": (200, (2,), 21), "one car": (200, ONE, 22)}
TABLES = ("both", "parts", "outline")
L2 = 1e-3
ROUNDS = 5  # in each, the cuts of one car that look most like one between two are added to what is fitted to
FOLDS = 4
LOG_ODDS = (-1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0)  # from which to cut, or to call uncertain: candidates
SOUND = 0.1  # of the pixels of cars at most lie on the wrong side of a cut that is one between two
WRONG = 0.2  # and at least where it is none

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """What touches, and its cuts.

    Attributes:
        cars: how many there are.
        shown: how many the whole scene has.
        features: of each cut that is possible, (cuts, features).
        wrong: share of the pixels of cars that lie on the wrong side of it; 1 where all cars lie on one side.
    """

    cars: int
    shown: int
    features: Floats
    wrong: Floats


def cases(cars: list[Pixels], whole: Pixels, mask: npt.NDArray[np.uint8], table: str) -> Iterator[Case]:
    """Yield what touches in a scene, as a table is for; ``whole`` is what is car, ``mask`` that of parts."""
    if table == "outline":
        found, labels = touching_cars(whole.astype(np.uint8), CARVANA), CARVANA
    else:
        found, labels = touching_cars(mask, CARPARTS, whole if table == "both" else None), CARPARTS
    for touching in found:
        if case := _case(touching, labels, cars, outline_only=table == "outline"):
            yield case


def _case(touching: Touching, labels: LabelSet, cars: list[Pixels], *, outline_only: bool) -> Case | None:
    (x, y, width, height), (rows, columns) = touching.box, touching.area.shape
    at = np.ix_(y + grids.middles(height, rows), x + grids.middles(width, columns))
    counts = np.array([(car[at] & touching.area).sum(0) for car in cars])
    cells = np.array([np.count_nonzero(car) for car in cars]) * (rows * columns / (width * height))
    counts = counts[counts.sum(1) > 0.5 * cells]
    possible = possible_cuts(touching.area)
    if not len(counts) or not possible.size:
        return None
    left, everything = counts.cumsum(1)[:, possible - 1], counts.sum(1, keepdims=True)
    wrong = np.minimum(left, everything - left).sum(0) / everything.sum()
    on_left = left > everything / 2
    wrong[on_left.all(0) | ~on_left.any(0)] = 1
    features = cut_features(touching.mask, touching.area, labels, outline_only=outline_only)[possible - 1]
    return Case(len(counts), len(cars), features, wrong)


def fit(given: list[Case]) -> Floats:
    """Return the numbers of a logistic regression, (1 + features,): of cuts between two cars against all others."""
    between = np.array([case.features[case.wrong.argmin()] for case in given if case.wrong.min() < SOUND])
    others = [its for case in given if len(its := case.features[(case.wrong > WRONG) | (case.cars == 1)])]
    random = np.random.default_rng(0)
    hard = [its[random.integers(len(its), size=4)] for its in others]
    for _ in range(ROUNDS):
        table = _regression(between, np.concatenate(hard))
        hard += [its[np.argsort(-its @ table[1:])[:2]] for its in others]
    return _regression(between, np.concatenate(hard))


def _regression(positive: Floats, negative: Floats) -> Floats:
    x = np.concatenate([positive, negative])
    middle, spread = x.mean(0), x.std(0) + 1e-6
    z = torch.tensor((x - middle) / spread)
    truth = torch.tensor(np.repeat([1.0, 0.0], (len(positive), len(negative))))
    weight = torch.tensor(np.repeat([0.5 / len(positive), 0.5 / len(negative)], (len(positive), len(negative))))
    table = torch.zeros(1 + x.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([table], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        entropy = torch.nn.functional.binary_cross_entropy_with_logits(
            z @ table[1:] + table[0], truth, weight=weight, reduction="sum"
        )
        value = entropy + L2 * (table[1:] ** 2).sum()
        value.backward()
        return value

    optimizer.step(loss)
    numbers = table.detach().numpy()
    return np.concatenate([[numbers[0] - numbers[1:] @ (middle / spread)], numbers[1:] / spread])


def compare(given: list[Case]) -> None:
    """Print how many single cars, and how many of several, reach which log-odds, cross-validated."""
    reached: dict[str, list[float]] = {"images of one car": [], "cars that stand alone": [], "cars that touch": []}
    for fold in range(FOLDS):
        table = fit([case for number, case in enumerate(given) if number % FOLDS != fold])
        for case in given[fold::FOLDS]:
            alone = "images of one car" if case.shown == 1 else "cars that stand alone"
            name = alone if case.cars == 1 else "cars that touch"
            reached[name].append(float((table[0] + case.features @ table[1:]).max()))
    for name, values in reached.items():
        shares = ", ".join(f"{np.mean(np.array(values) > least):.1%} over {least}" for least in LOG_ODDS)
        print(f"  {len(values)} {name}: {shares}")


def write(tables: dict[str, Floats], path: Path) -> None:
    """Write the numbers as the module that ``carseg.cars`` reads them from."""
    known = 1 + len(OUTLINES) + len(THROUGH)
    constants = ", ".join(f'"{name}": {row[0]:.2f}' for name, row in tables.items())
    lines = [HEAD, f"CONSTANT = {{{constants}}}", "OUTLINE = {"]
    lines += [f'    "{name}": {_numbers(row[1:known])},' for name, row in tables.items()]
    lines += ["}", "PAIRS = {"]
    for name, row in tables.items():
        if len(row) > known:
            rows = np.split(row[known:], np.cumsum(np.arange(len(KINDS), 1, -1)))
            lines += [f'    "{name}": (', *(f"        {_numbers(its)}," for its in rows), "    ),"]
    path.write_text("\n".join([*lines, "}", ""]))


def _numbers(row: Floats) -> str:
    return f"({', '.join(f'{number:.2f}' for number in row)}{',' * (len(row) == 1)})"


def fit_all(seen: Iterable[tuple[list[Pixels], Pixels, npt.NDArray[np.uint8]]]) -> None:
    """Fit the tables to scenes and write them.

    Args:
        seen: of each scene its cars, what the network of whole cars calls car, and the mask of parts.
    """
    given: dict[str, list[Case]] = {table: [] for table in TABLES}
    for cars, whole, mask in seen:
        for table in TABLES:
            given[table] += cases(cars, whole, mask, table)
    for table in TABLES:
        print(f"{table}:")
        compare(given[table])
    write({table: fit(given[table]) for table in TABLES}, TABLE)


def training_scenes(segmenter: Segmenter) -> Iterator[tuple[list[Pixels], Pixels, npt.NDArray[np.uint8]]]:
    """Yield what ``fit_all`` takes, of scenes of training images."""
    second = load("car")
    for count, numbers, seed in FITTED:
        for scene in compose(count, numbers, held_out=False, seed=seed):
            yield scene.cars, second.predict(scene.rgb).mask > 0, segmenter.predict(scene.rgb).mask


def report(segmenter: Segmenter, scenes: Iterable[Scene], what: str) -> None:
    """Print how often the cars are counted right, and the IoU of their masks."""
    counts, flags, together, split, overlaps = [], [], [], [], []
    for scene in scenes:
        cars = segmenter.predict(scene.rgb).cars
        counts.append(len(cars) == len(scene.cars))
        flags.append(any(car.uncertain for car in cars))
        together.append(scene.together)
        split.append(any(sum(_lies_in(car.mask, truth) for car in cars) > 1 for truth in scene.cars))
        overlaps += [max((_iou(truth, car.mask) for car in cars), default=0.0) for truth in scene.cars]
    right, flagged, touch, ious = np.array(counts), np.array(flags), np.array(together), np.array(overlaps)
    print(f"{what}, a car split in {np.mean(split):.1%}; IoU: mean {ious.mean():.3f}, median {np.median(ious):.3f}")
    for name, those in (("all", np.ones_like(right)), ("touch or overlap", touch), ("stand apart", ~touch)):
        if those.any():
            share, known = right[those].mean(), (right | flagged)[those].mean()
            print(f"  {those.sum()} {name}: {share:.1%} counted right, {known:.1%} right or flagged")


def _iou(one: Pixels, other: Pixels) -> float:
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)


def _lies_in(found: Pixels, truth: Pixels) -> bool:
    """Return whether what is found is a tenth of a car or more, and lies mostly in it."""
    common = np.count_nonzero(found & truth)
    return bool(2 * common > np.count_nonzero(found) and 10 * common > np.count_nonzero(truth))


def main(
    fitting: Annotated[bool, typer.Option("--fit", help="write carseg/cars/_cut_table.py")] = False,
    alone: Annotated[bool, typer.Option("--alone", help="measure without the second network")] = False,
) -> None:
    segmenter = load("parts", cars=None if alone or fitting else "car")
    if fitting:
        fit_all(training_scenes(segmenter))
        return
    for what, (count, numbers, seed) in MEASURED.items():
        report(segmenter, compose(count, numbers, held_out=True, seed=seed), what)


if __name__ == "__main__":
    typer.run(main)
