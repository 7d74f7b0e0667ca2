"""How a network that learned cars in a studio does on cars elsewhere: measured on pictures with labelled car parts.

    CARSEG_DATA=DIR python -m recipes.outside_studio unet-carvana

No mask of the whole car is needed. Every part belongs to the car, so the share of part pixels inside the predicted car
should be 1; the car is hardly larger than the box of all its parts, so the share of the predicted car outside that box
should be near 0. The two belong together: a network that calls everything car has a perfect first figure. Roof, fenders
and unlabelled cars behind the labelled one are no parts, so a perfect network's second figure is a little above 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from carseg.cli.process import prepare
from carseg.data.dataset import Dataset
from carseg.data.opening import open as open_data
from carseg.errors import DataError
from carseg.labels import IGNORE
from carseg.metrics import Floats, Interval, resamples
from carseg.segmenter import Segmenter, load
from recipes.recipe import data_root

Counts = tuple[int, int, int, int]


@dataclass(frozen=True)
class OutsideStudio:
    """Figures in 0..1 over all pixels of the pictures, with 95 % bootstrap intervals over the pictures.

    Attributes:
        images: pictures with a labelled part.
        covered: share of the part pixels inside the predicted car.
        spilled: share of the predicted car outside the box of all parts; None where no car was predicted.
    """

    images: int
    covered: float
    covered_ci: Interval
    spilled: float | None
    spilled_ci: Interval | None

    def __str__(self) -> str:
        covered = f"{_percent(self.covered, self.covered_ci)} of the pixels of car parts lie inside the predicted car"
        if self.spilled is None:
            return f"{covered}: no car was found at all ({self.images} pictures)"
        spilled = f"{_percent(self.spilled, self.spilled_ci)} of the predicted car lies outside the box of all parts"
        return f"{covered}, {spilled} ({self.images} pictures, 95 % intervals)"


def measure(segmenter: Segmenter, pictures: Dataset) -> OutsideStudio:
    """The figures of a network whose foreground classes are cars, on pictures labelled with car parts."""
    background = pictures.labels.background
    counts = []
    for sample in pictures:
        rgb, truth = sample.load()
        car = np.isin(segmenter.predict(rgb).mask, segmenter.labels.foreground)
        counts.append(count(car, (truth != background) & (truth != IGNORE)))
    return summarise(counts)


def count(car: npt.NDArray[np.bool_], parts: npt.NDArray[np.bool_]) -> Counts:
    """Pixels of one picture: of parts, of these inside the car, of the car, of these outside the box of all parts.

    Args:
        car: bool (H, W), the predicted car.
        parts: bool (H, W), the pixels that are labelled as any part.
    """
    rows, columns = (np.flatnonzero(parts.any(axis)) for axis in (1, 0))
    if not len(rows):
        return 0, 0, 0, 0
    box = car[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return int(parts.sum()), int((car & parts).sum()), int(car.sum()), int(car.sum() - box.sum())


def summarise(counts: Iterable[Counts]) -> OutsideStudio:
    """The figures of pictures as ``count`` counted them; pictures without a part count for nothing.

    Raises:
        DataError: no picture has a part.
    """
    pixels = np.array([row for row in counts if row[0]], np.int64).reshape(-1, 4)
    if not len(pixels):
        raise DataError("none of the pictures has a labelled part")
    drawn = np.concatenate([draws @ pixels for draws in resamples(len(pixels))])
    parts, covered, car, spilled = (int(total) for total in pixels.sum(0))
    return OutsideStudio(
        images=len(pixels),
        covered=covered / parts,
        covered_ci=_interval(drawn[:, 1], drawn[:, 0]),
        spilled=spilled / car if car else None,
        spilled_ci=_interval(drawn[:, 3], drawn[:, 2]) if car else None,
    )


def _interval(part: Floats, whole: Floats) -> Interval:
    there = whole > 0  # a resample may consist of pictures without a predicted car
    low, high = np.percentile(part[there] / whole[there], (2.5, 97.5))
    return float(low), float(high)


def _percent(value: float, interval: Interval | None) -> str:
    low, high = interval or (value, value)
    return f"{100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def main(
    name: str,
    split: Annotated[str, typer.Option(help="of the car parts")] = "test",
    device: str = "auto",
) -> None:
    prepare()
    pictures = open_data(data_root() / "carparts", split=split, labels="carparts")
    print(f"{name}: {measure(load(name, device=device), pictures)}")


if __name__ == "__main__":
    typer.run(main)
