"""Measure how often a car's id changes, on clips of cars that cross one another.

    CARSEG_DATA=DIR python -m recipes.tracking                        60 clips of masks that are right
    CARSEG_DATA=DIR python -m recipes.tracking --model car -n 8       8 clips of a network's masks

The clips are those of ``recipes/clips.py``, of cars and streets that no training has used: two cars, or three, each of
which drives the other way than the one before. Cars that touch are seen as one. A car is found where its visible part
and a car of the result have an IoU of 0.5; its id has changed where that is another one than when it was found last.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice
from typing import Annotated

import numpy as np
import typer

from carseg.cars import Tracker
from carseg.data import Dataset
from carseg.data import load as open_data
from carseg.inference import Result, load
from carseg.labels import CARVANA
from recipes.clips import Random, Shot, crossing, mirrored
from recipes.recipe import data_root
from recipes.scenes import Cutout, Pixels, cut, street_images

FRAMES = 40
FOUND = 0.5  # IoU

Seen = list[tuple[Pixels, int]]  # mask and id of each car of a frame


def clips(count: int) -> Iterator[list[Shot]]:
    """Yield clips of cars that cross."""
    images = open_data(data_root() / "carvana", split="val", labels="carvana")
    for seed, street in enumerate(islice(cycle(street_images(held_out=True)), count)):
        random = np.random.default_rng(seed)
        yield list(crossing(street, [_drawn(images, random) for _ in range(2 + seed % 2)], FRAMES, random))


def _drawn(images: Dataset, random: Random) -> Cutout:
    rgb, labels = images[int(random.integers(len(images)))].load()
    car = cut(rgb, labels > 0)
    return mirrored(car) if random.random() < 0.5 else car


def of_truth(shots: list[Shot]) -> Iterator[Seen]:
    """Yield the cars of masks that are right."""
    tracker = Tracker()
    for shot in shots:
        cars = Result(shot.truth, CARVANA, shot.rgb).cars
        yield [(car.mask, its) for car, its in zip(cars, tracker.update([car.bbox for car in cars]), strict=True)]


def of_network(shots: list[Shot], model: str, cars: str | None) -> Iterator[Seen]:
    """Yield the cars that a network sees."""
    segmenter = load(model, cars=cars, runtime="torch")
    for result in segmenter.stream((shot.rgb for shot in shots), track=True):
        yield [(car.mask, car.id or 0) for car in result.cars]


def ids_of(shots: list[Shot], frames: Iterator[Seen]) -> list[list[int]]:
    """Return the ids of each car of a clip, in the frames in which it is found."""
    ids: list[list[int]] = [[] for _ in shots[0].cars]
    for shot, seen in zip(shots, frames, strict=True):
        for its, truth in zip(ids, shot.cars, strict=True):
            best = max(seen, key=lambda car: _iou(car[0], truth), default=None)
            if best and _iou(best[0], truth) >= FOUND:
                its.append(best[1])
    return ids


def _iou(one: Pixels, other: Pixels) -> float:
    either = np.count_nonzero(one | other)
    return float(np.count_nonzero(one & other) / either) if either else 0.0


def main(
    count: Annotated[int, typer.Option("--count", "-n", help="Clips.")] = 60,
    model: Annotated[str, typer.Option(help="By default masks that are right.")] = "",
    cars: Annotated[str | None, typer.Option(help="A second network, which tells whole cars.")] = None,
) -> None:
    ids = []
    for number, shots in enumerate(clips(count)):
        found = ids_of(shots, of_network(shots, model, cars) if model else of_truth(shots))
        ids += found
        if any(len(set(its)) > 1 for its in found):
            print(f"clip {number}: {[sorted(set(its)) for its in found]}", flush=True)
    switches = sum(np.count_nonzero(np.diff(its)) for its in ids)
    changed = sum(len(set(its)) > 1 for its in ids)
    print(f"{count} clips, {len(ids)} cars, found {sum(map(len, ids))} times: {switches} changes of an id")
    print(f"{switches / sum(map(len, ids)):.2%} of the times, {changed / len(ids):.1%} of the cars have had another id")


if __name__ == "__main__":
    typer.run(main)
