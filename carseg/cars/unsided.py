"""Sides of parts whose labels name none, where geometry alone is sure of them. Arrays in, an array out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from carseg._arrays import Uint8Array
from carseg.cars.apart import tell_cars
from carseg.cars.side import kind_with_side, placed_pieces
from carseg.labels import LabelSet, has_side

SURE = 2.0  # log-odds; `python -m recipes.unsided` prints what others would do


def sideless(labels: LabelSet) -> Mapping[int, str]:
    """Return the kinds of the classes that cars have on both sides and whose names say neither, by label id."""
    kinds = {label: kind_with_side(name) for label, name in enumerate(labels.classes) if not has_side(name)}
    return {label: kind for label, kind in kinds.items() if kind}


def told_sides(mask: Uint8Array, labels: LabelSet, *, sure: float = SURE) -> npt.NDArray[np.int8]:
    """Return on which side of its car each pixel's part is: int8 (H, W), 1 left, -1 right, 0 where that is not told.

    "Left" is the vehicle's left. Not told are the parts that are not sure enough, all of those that may belong to
    several cars, and all of what is no car; classes other than those of ``sideless`` have no side here.

    Args:
        mask: uint8 (H, W), label ids.
        labels: what the ids mean; classes are known by the names that they have in ``carparts``, without a side.
        sure: log-odds of a side from which it is told.
    """
    sides = np.zeros(mask.shape, np.int8)
    wanted = sideless(labels)
    cars = tell_cars(mask, labels)
    car = cars.numbers(len(mask))
    for number, uncertain in enumerate(cars.uncertain):
        if uncertain:
            continue
        for piece in placed_pieces(mask, labels, wanted, car == number):
            if abs(piece.geometry) >= sure:
                sides[piece.cells] = np.sign(piece.geometry)
    return sides
