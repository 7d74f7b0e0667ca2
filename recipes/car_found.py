"""Measure how well a network finds the car in images that are labelled with other classes than its own.

    CARSEG_DATA=DIR python -m recipes.car_found unet-carvana                              cars outside the studio
    CARSEG_DATA=DIR python -m recipes.car_found fpn-mobilenetv2-carparts --data carvana   parts inside the studio

All classes but the background are taken together, on both sides. The two figures belong together: a network that calls
everything car has a perfect first one.

On images with labelled parts no mask of the whole car is needed. Every part belongs to the car, so the share of part
pixels inside the predicted car should be 1; the car is hardly larger than the box of all its parts, so the share of the
predicted car outside that box should be near 0. Roof, fenders and unlabelled cars behind the labelled one are no parts,
so a perfect network's second figure is a little above 0.

On images with a mask of the car the share of the predicted parts outside of it should be 0. Roof, fenders and pillars
have no name, so a perfect network's share of the car inside its parts is below 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from carseg.data import Dataset
from carseg.data import load as open_data
from carseg.errors import DataError
from carseg.evaluation import Floats, resamples
from carseg.figures import Estimate
from carseg.inference import RAW, Segmenter, load
from carseg.labels import IGNORE
from carseg.masks import rle
from carseg.runtimes import keep_memory
from recipes.recipe import data_root

Counts = tuple[int, int, int, int]
Pixels = npt.NDArray[np.bool_]  # (H, W)


@dataclass(frozen=True)
class CarFound:
    """Figures in 0..1 over all pixels of the images, with 95 % bootstrap intervals over the images.

    Attributes:
        images: images with labelled pixels.
        covered: share of the labelled pixels that are predicted.
        spilled: share of the predicted pixels that lie where no car is; None where none was predicted.
    """

    images: int
    covered: Estimate
    spilled: Estimate | None

    def __str__(self) -> str:
        covered = f"{_percent(self.covered)} of the labelled pixels are found"
        if self.spilled is None:
            return f"{covered}: no car was found at all ({self.images} images)"
        spilled = f"{_percent(self.spilled)} of what is found lies where no car is"
        return f"{covered}, {spilled} ({self.images} images, 95 % intervals)"


def measure(segmenter: Segmenter, images: Dataset, *, boxed: bool) -> CarFound:
    """Return the figures of a network.

    Args:
        segmenter: the network; its foreground is the car.
        images: labelled images.
        boxed: the labels are of parts, so that the car may be anywhere in their box.
    """
    background = images.labels.background
    counts = []
    for sample in images:
        rgb, truth = sample.load()
        found = np.isin(segmenter.predict(rgb, **RAW).mask, segmenter.labels.foreground)
        labeled = (truth != background) & (truth != IGNORE)
        counts.append(count(found, labeled, box(labeled) if boxed else labeled | (truth == IGNORE)))
    return summarize(counts)


def box(mask: Pixels) -> Pixels:
    """Return the smallest upright box around what is set."""
    left, top, width, height = rle.bbox(rle.encode(mask))
    inside = np.zeros_like(mask)
    inside[top : top + height, left : left + width] = True
    return inside


def count(found: Pixels, labeled: Pixels, allowed: Pixels) -> Counts:
    """Return four numbers of pixels: labelled, labelled and found, found, found outside ``allowed``.

    All are 0 where no pixel is labelled.
    """
    if not labeled.any():
        return 0, 0, 0, 0
    return int(labeled.sum()), int((found & labeled).sum()), int(found.sum()), int((found & ~allowed).sum())


def summarize(counts: Iterable[Counts]) -> CarFound:
    """Return the figures of images as ``count`` counted them; images without labelled pixels are left out.

    Raises:
        DataError: no image has any.
    """
    pixels = np.array([row for row in counts if row[0]], np.int64).reshape(-1, 4)
    if not len(pixels):
        raise DataError("none of the images has a labelled pixel beside the background")
    drawn = np.concatenate([draws @ pixels for draws in resamples(len(pixels))])
    labeled, covered, found, spilled = (int(total) for total in pixels.sum(0))
    return CarFound(
        images=len(pixels),
        covered=Estimate(covered / labeled, *_interval(drawn[:, 1], drawn[:, 0])),
        spilled=Estimate(spilled / found, *_interval(drawn[:, 3], drawn[:, 2])) if found else None,
    )


def _interval(part: Floats, whole: Floats) -> tuple[float, float]:
    there = whole > 0  # a resample may consist of images without a predicted car
    low, high = np.percentile(part[there] / whole[there], (2.5, 97.5))
    return float(low), float(high)


def _percent(share: Estimate) -> str:
    value, low, high = (100 * end for end in (share.value, *(share.interval or (share.value, share.value))))
    return f"{value:.1f} % ({low:.1f} to {high:.1f})"


def main(
    name: str,
    data: Annotated[str, typer.Option(help="folder of images: carparts or carvana")] = "carparts",
    split: str = "test",
    only: Annotated[list[str] | None, typer.Option(help="images of these names alone, such as '*_05'")] = None,
    device: str = "auto",
) -> None:
    keep_memory()
    images = open_data(data_root() / data, split=split, labels=data)
    if only:
        names = {sample.name for sample in images if any(fnmatch(sample.name, pattern) for pattern in only)}
        images = images.subset(names, split)
    print(f"{name}: {measure(load(name, device=device), images, boxed=data == 'carparts')}")


if __name__ == "__main__":
    typer.run(main)
