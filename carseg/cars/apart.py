"""Which pixels of a mask are those of one car, of several cars in an image. Arrays in, a record out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carseg._arrays import Uint8Array
from carseg.cars.view import KINDS, part_kind
from carseg.labels import LabelSet
from carseg.masks import components, rle

WHOLE = ("car", "vehicle", "suv_pickup_truck", "truck_bus")  # classes each of which is all of a car
BODY = "body"  # a class of what has no other name: with it, all of a car has one
PARTS = (*KINDS, BODY, "light", "window")

_REACH = 0.5  # parts belong together that are nearer than this share of the longer side of the larger one's box


@dataclass(frozen=True)
class CarRuns:
    """The cars of a mask, on its runs, none of which leaves its column.

    Attributes:
        starts: where each run begins, see ``carseg.masks.rle``; the runs cover the mask.
        ends: where it ends.
        labels: the label id of its pixels in the mask.
        car: the car that it belongs to, 0 the largest; -1 for what is no car.
        uncertain: of each car whether it may be several.
    """

    starts: rle.Positions
    ends: rle.Positions
    labels: Uint8Array
    car: rle.Positions
    uncertain: tuple[bool, ...]


def car_labels(labels: LabelSet) -> tuple[int, ...]:
    """Return the label ids of what is car: classes like ``car``, else the foreground if there are parts of cars in it.

    None where the classes tell nothing of cars, as lanes do not.
    """
    names = {label: part_kind(labels.classes[label]) for label in labels.foreground}
    whole = tuple(label for label, name in names.items() if name in WHOLE)
    return whole or (labels.foreground if not set(names.values()).isdisjoint(PARTS) else ())


def tells_whole_cars(labels: LabelSet) -> bool:
    """Return whether all pixels of a car have a class, as those of ``carvana``, ``camvid`` and ``car5`` do."""
    return any(part_kind(labels.classes[label]) in (*WHOLE, BODY) for label in car_labels(labels))


def tell_cars(mask: Uint8Array, labels: LabelSet, whole: NDArray[np.bool_] | None = None) -> CarRuns:
    """Return the cars of a mask.

    Args:
        mask: uint8 (H, W), label ids.
        labels: what the ids mean.
        whole: bool (H, W), what is car by another network that tells whole cars.
    """
    height, ids = len(mask), car_labels(labels)
    seen = mask if whole is None else mask + 256 * whole.astype(np.uint16)
    starts, ends, codes = components.split_columns(*rle.label_runs(seen), height)
    known = codes.astype(np.uint8)
    is_car = np.isin(known, ids) if whole is None else np.isin(known, ids) | (codes > 255)
    touching = components.touching(starts, ends, height)
    car = components.connect(touching, is_car)
    if whole is None and not tells_whole_cars(labels):
        car = _near(car, is_car, starts, ends, height)
    areas = np.bincount(car, (ends - starts) * is_car)
    by_area = np.argsort(-areas, kind="stable")
    rank = np.full(areas.size, -1)
    count = np.count_nonzero(areas)
    rank[by_area[:count]] = np.arange(count)
    return CarRuns(starts, ends, known, rank[car], (False,) * count)


def _near(
    car: rle.Positions, is_car: NDArray[np.bool_], starts: rle.Positions, ends: rle.Positions, height: int
) -> rle.Positions:
    """Return the numbers of the components of runs, those of parts that are near one another joined."""
    count = int(car.max(initial=-1)) + 1
    boxes = rle.boxes_of_runs(starts, ends, car, count, height)
    there = np.unique(car[is_car])
    low, size = boxes[there, :2], boxes[there, 2:]
    gaps = np.maximum(low[:, None], low) - np.minimum((low + size)[:, None], low + size)
    reach = _REACH * np.maximum(size.max(1, initial=0)[:, None], size.max(1, initial=0))
    left, right = np.nonzero((gaps <= reach[..., None]).all(2))
    joined = components.connect((left, right), np.zeros(there.size))
    numbers = np.arange(count)
    numbers[there] = there[joined]
    return numbers[car]
