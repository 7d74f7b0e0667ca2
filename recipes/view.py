"""Fit the table by which `carseg.cars.find_view` tells a car's view, or measure how often it is right.

    CARSEG_DATA=DIR python -m recipes.view --fit           fit to carvana/train, write carseg/cars/_view_table.py
    CARSEG_DATA=DIR python -m recipes.view                 measure on carvana/val
    CARSEG_DATA=DIR python -m recipes.view --split test

The images are those of a turntable, and their names end with its index: 01 shows the front, 05 the left side, 09 the
rear and 13 the right side, 22.5 degrees apart. An index between two of the eight views shows an end and a side both, so
it counts as the diagonal one of the two. The masks are the default network's, of whole images and of three parts cut
out of each at random, which stand for cars that reach beyond the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
import typer

from carseg.cars import KINDS, SIDED, VIEWS, find_view, view_features
from carseg.data import Dataset
from carseg.data import load as open_data
from carseg.inference import RAW, Segmenter, load
from carseg.labels import CARPARTS
from recipes.recipe import data_root

TRUTH = np.repeat(np.arange(8), (1, 3, 1, 3, 1, 3, 1, 3))  # the view of each index, from 01
TABLE = Path(__file__).parents[1] / "carseg" / "cars" / "_view_table.py"
CROPS = 3
SWAPPED = 0.25  # share of the kinds of parts whose labels name the wrong side, in every second mask that is fitted to
L2 = 2e-5  # of 1e-4 to 5e-6 the largest that is as right as the best, cross-validated over the cars of carvana/train
HEAD = '''"""Numbers of the rule in ``view.py``, fitted to a turntable's images by ``recipes/view.py``."""

from __future__ import annotations
'''

Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Shown:
    """A mask of parts, and the view that it shows.

    Attributes:
        mask: uint8 (H, W), label ids of ``carparts``.
        index: that of the turntable, 1..16.
        weight: how much it counts in the fit.
    """

    mask: Mask
    index: int
    weight: float = 1.0

    @property
    def truth(self) -> int:
        """Position of the view in ``VIEWS``."""
        return int(TRUTH[self.index - 1])

    @property
    def accepted(self) -> set[int]:
        """Positions of the views that are at most 22.5 degrees off: between two of them, both."""
        return {(self.index - 1) // 2 % 8, self.index // 2 % 8}


def shown(segmenter: Segmenter, images: Dataset) -> list[Shown]:
    """Return what a network makes of images of a turntable."""
    masks = ((each, segmenter.predict(each.load_image(), **RAW).mask) for each in images)
    return [Shown(mask, int(each.name[-2:])) for each, mask in masks]


def crops(cases: list[Shown], count: int) -> Iterator[Shown]:
    """Yield parts of masks, cut out at random: ``count`` of each, with at least 30 % of its car."""
    random = np.random.default_rng(0)
    for case in cases:
        y, x = np.nonzero(case.mask)
        found = 0
        while len(y) and found < count:
            width, height = np.ptp(x) * random.uniform(0.35, 0.9), np.ptp(y) * random.uniform(0.5, 1)
            left, top = random.uniform(x.min(), x.max() - width), random.uniform(y.min(), y.max() - height)
            part = case.mask[int(top) : int(top + height) + 1, int(left) : int(left + width) + 1]
            if np.count_nonzero(part) >= 0.3 * len(y):
                found += 1
                yield Shown(part, case.index, 1 / count)


def fit(cases: list[Shown]) -> npt.NDArray[np.float64]:
    """Return the numbers of a softmax over the views, (1 + features, views), fitted to masks and their mirror images.

    Each is seen twice, once as it is and once with labels that name the wrong side here and there, so that where the
    parts lie counts before what their labels say. The mirror images make the numbers symmetric, since the best ones of
    a convex problem are unique.
    """
    random = np.random.default_rng(0)
    rows, truths, weights = [], [], []
    for case in cases:
        if features := view_features(case.mask, CARPARTS):
            share, place, side = features
            for its in (side, np.where(random.random(len(side)) < SWAPPED, -side, side)):
                rows += [np.concatenate([[1], share, place, its]), np.concatenate([[1], share, -place, -its])]
                truths += [case.truth, -case.truth % 8]
                weights += [case.weight] * 2
    x, y, weight = torch.tensor(np.array(rows)), torch.tensor(truths), torch.tensor(weights, dtype=torch.float64)
    table = torch.zeros(x.shape[1], len(VIEWS), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([table], max_iter=1000, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        entropy = torch.nn.functional.cross_entropy(x @ table, y, reduction="none")
        value = (weight * entropy).sum() / weight.sum() + L2 * (table**2).sum()
        value.backward()
        return value

    optimizer.step(loss)
    return table.detach().numpy()


def write(table: npt.NDArray[np.float64], path: Path) -> None:
    """Write the numbers as the module that ``carseg.cars`` reads them from."""
    constant, share, place, side = np.split(table, np.cumsum([1, len(KINDS), len(KINDS)]))
    blocks = [
        HEAD,
        f"# To the logit of: front, front-left or -right, left or right, rear-left or -right, rear.\n"
        f"CONSTANT = {_numbers(constant[0, :5])}\n",
        f"SHARE = {{\n{_lines(KINDS, share[:, :5])}}}\n",
        f"# To the logit of: front-left, left, rear-left; with the other sign to that of the right ones.\n"
        f"PLACE = {{\n{_lines(KINDS, place[:, 1:4])}}}\n",
        f"SIDE = {{\n{_lines(SIDED, side[:, 1:4])}}}\n",
    ]
    path.write_text("\n".join(blocks))


def _lines(kinds: tuple[str, ...], rows: npt.NDArray[np.float64]) -> str:
    return "".join(f'    "{kind}": {_numbers(row)},\n' for kind, row in zip(kinds, rows, strict=True))


def _numbers(row: npt.NDArray[np.float64]) -> str:
    return f"({', '.join(f'{number:.2f}' for number in row)})"


def report(cases: list[Shown]) -> None:
    """Print how often the view is right, opposite, and how far its confidence can be believed."""
    views = [find_view(case.mask, CARPARTS) for case in cases]
    said = np.array([VIEWS.index(view.name) if view else -1 for view in views])
    confidence = np.array([view.confidence if view else 0 for view in views])
    truth = np.array([case.truth for case in cases])
    right = said == truth
    near = [name in case.accepted for name, case in zip(said, cases, strict=True)]
    print(f"{len(cases)} images: {right.mean():.2%} right, {np.mean(near):.2%} at most 22.5 degrees off", end=", ")
    print(f"{np.mean((said - truth) % 8 == 4):.2%} opposite, {np.mean(said < 0):.2%} without a view")
    for low, high in ((0, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 0.99), (0.99, 1.01)):
        within = (low <= confidence) & (confidence < high)
        if within.any():
            print(f"  confidence {low} to {min(high, 1)}: {within.sum()} images, {right[within].mean():.1%} right")
    for case, view, ok in zip(cases, views, near, strict=True):
        if not ok:
            print(f"  index {case.index:02d} is {VIEWS[case.truth]}, not {view}")


def main(
    fitting: Annotated[bool, typer.Option("--fit", help="write carseg/cars/_view_table.py")] = False,
    split: Annotated[str, typer.Option(help="what to measure on: val, or test, to be read once")] = "val",
) -> None:
    split = "train" if fitting else split
    cases = shown(load("parts"), open_data(data_root() / "carvana", split=split, labels="carvana"))
    if fitting:
        write(fit([*cases, *crops(cases, CROPS)]), TABLE)
    else:
        report(cases)


if __name__ == "__main__":
    typer.run(main)
