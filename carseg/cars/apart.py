"""Which pixels of a mask are those of one car, of several cars in an image. Arrays in, a record out.

What does not touch is told apart; of parts without a network that tells whole cars, what is not near one another. What
touches is cut where its parts and its outline cannot be those of one car, see ``cuts.py``. Of classes of whole cars the
outline alone is known: nothing is cut there, but what looks like several cars is said to be uncertain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from carseg._arrays import Uint8Array
from carseg.cars.cuts import best_cut
from carseg.cars.view import KINDS, part_kind
from carseg.labels import LabelSet
from carseg.masks import components, grids, rle

WHOLE = ("car", "vehicle", "suv_pickup_truck", "truck_bus")  # classes each of which is all of a car
BODY = "body"  # a class of what has no other name: with it, all of a car has one
PARTS = (*KINDS, BODY, "light", "window")

# Log-odds of two cars from which they are cut apart, and from which one is uncertain; recipes/cars.py prints how many
# single cars reach which. Parts alone tell less, and an invented car is worse than one that is missed.
_LIKELY = {"both": 0.4, "parts": 3.0}
_POSSIBLE = {"both": -0.66, "parts": 0.9, "outline": 0.3}
_CELLS = 96  # of the longer side of what is looked at for a cut
_REACH = 0.5  # parts belong together that are nearer than this share of the longer side of the larger one's box
_NEAR = 0.1  # the same of what is left of a car behind a pole
_SLIGHT = 0.1  # of the largest: what is smaller is a car only with two kinds of parts, where parts are known
_NAMELESS = 0.05  # share of parts: what has less and is near another car is a piece of that
_LARGE = 0.3  # of the largest: what is no piece of another car
_SPECK = 0.01  # of the largest: what is smaller is no car, where no parts are known
_AGREED = 0.5  # share that the network of whole cars calls car; parts of which it does not are none of a car's
_KINDS = 2  # of parts that both sides of a cut show at least
_FAITHFUL = 0.75  # a part of which this share lies on one side of a cut lies there whole


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

    def numbers(self, height: int) -> rle.Positions:
        """Return the car of each pixel of the mask, (height, W)."""
        return np.repeat(self.car, self.ends - self.starts).reshape(-1, height).T


class Touching(NamedTuple):
    """What touches, one car or several, on at most 96 cells a side.

    Attributes:
        mask: uint8 (h, w), label ids.
        area: bool (h, w), what is car; of parts alone with what lies between them.
        box: x, y, width, height in pixels of what the cells are stretched over.
    """

    mask: Uint8Array
    area: NDArray[np.bool_]
    box: rle.Box


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
    apart, uncertain = _Apart.of(mask, labels, whole), set[int]()
    waiting = apart.present()
    while waiting:
        number = waiting.pop()
        other, unsure = apart.cut(number)
        if other is not apart:
            waiting += [number, int(other.number.max())]
            apart = other
        elif unsure:
            uncertain.add(number)
    by_area = apart.present()
    numbers = np.full(apart.number.max(initial=-1) + 2, -1)  # the last is that of -1
    numbers[by_area] = np.arange(len(by_area))
    flags = tuple(number in uncertain for number in by_area)
    return CarRuns(apart.starts, apart.ends, apart.labels, numbers[apart.number], flags)


def touching_cars(mask: Uint8Array, labels: LabelSet, whole: NDArray[np.bool_] | None = None) -> list[Touching]:
    """Return what ``tell_cars`` looks for cuts in, largest first; the arguments are the same."""
    apart = _Apart.of(mask, labels, whole)
    return [apart.seen(number) for number in apart.present()]


@dataclass(frozen=True)
class _Apart:
    """Runs of a mask, and what of it belongs together so far.

    Attributes:
        starts: where each run begins.
        ends: where it ends.
        labels: its label id.
        agreed: whether it is car by a network of whole cars; None without one.
        number: of what it belongs to, -1 for what is no car.
        height: that of the mask.
        classes: what the label ids mean.
    """

    starts: rle.Positions
    ends: rle.Positions
    labels: Uint8Array
    agreed: NDArray[np.bool_] | None
    number: rle.Positions
    height: int
    classes: LabelSet

    @classmethod
    def of(cls, mask: Uint8Array, classes: LabelSet, whole: NDArray[np.bool_] | None) -> _Apart:
        """Return what touches, of what is car; parts alone need only be near one another."""
        seen = mask if whole is None else mask + 256 * whole.astype(np.uint16)
        starts, ends, codes = components.split_columns(*rle.label_runs(seen), len(mask))
        labels, agreed = codes.astype(np.uint8), None if whole is None else codes > 255
        is_car = np.isin(labels, car_labels(classes)) | (False if agreed is None else agreed)
        number = components.connect(components.touching(starts, ends, len(mask)), is_car)
        apart = cls(starts, ends, labels, agreed, np.where(is_car, number, -1), len(mask), classes)
        return (apart.near_ones_joined(_REACH) if apart.table == "parts" else apart).without_what_is_no_car()

    @property
    def areas(self) -> NDArray[np.int64]:
        """Pixels of each number, and none of one more."""
        its = self.number >= 0
        areas = np.bincount(self.number[its], (self.ends - self.starts)[its], self.number.max(initial=-1) + 2)
        return areas.astype(np.int64)

    def present(self) -> list[int]:
        """Return the numbers that there are, the largest first."""
        areas = self.areas
        order = np.argsort(-areas, kind="stable")
        return order[: np.count_nonzero(areas)].tolist()

    def gaps(self, numbers: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return how far apart the boxes of each two are, the farther way, (n, n), and their longer sides, (n,)."""
        its = self.number >= 0
        boxes = rle.boxes_of_runs(
            self.starts[its], self.ends[its], self.number[its], self.number.max(initial=-1) + 1, self.height
        )[numbers]
        low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
        gaps = np.maximum(low[:, None], low) - np.minimum(high[:, None], high)
        return gaps.max(2, initial=0), boxes[:, 2:].max(1, initial=0)

    def near_ones_joined(self, reach: float) -> _Apart:
        """Return the same with those joined that are near one another for the size of the larger one."""
        numbers = self.present()
        gaps, sides = self.gaps(numbers)
        one, other = np.nonzero(gaps <= reach * np.maximum(sides[:, None], sides))
        joined = components.connect((one, other), np.zeros(len(numbers)))
        target = np.full(self.number.max(initial=-1) + 2, -1)
        target[numbers] = np.array(numbers, np.int64)[joined]
        return replace(self, number=target[self.number])

    def without_what_is_no_car(self) -> _Apart:
        """Return the same without what the network of whole cars does not agree to, and without what is too slight.

        What is slight and near a larger one is what is seen of that behind a pole.
        """
        numbers, target = self.present(), np.arange(self.number.max(initial=-1) + 2)
        target[-1] = -1
        areas, agreed, kinds, named = self.areas, self._shares_agreed(), self._kinds_shown(), self._shares_named()
        target[[number for number in numbers if agreed[number] < _AGREED]] = -1
        numbers = [number for number in numbers if agreed[number] >= _AGREED]
        gaps, sides = self.gaps(numbers)
        for place, number in enumerate(numbers[1:], 1):
            share = areas[number] / areas[numbers[0]]
            slight, nameless = share < _SLIGHT and kinds[number] < 2, share < _LARGE and named[number] < _NAMELESS
            nearest = int(np.argmin(gaps[place, :place] / sides[:place]))
            if (slight or nameless) and gaps[place, nearest] <= _NEAR * sides[nearest]:
                target[number] = target[numbers[nearest]]
            elif slight and (self.table != "outline" or share < _SPECK):
                target[number] = -1
        return replace(self, number=target[self.number])

    def _shares_agreed(self) -> NDArray[np.float64]:
        if self.agreed is None:
            return np.ones(len(self.areas))
        its = self.agreed & (self.number >= 0)
        found = np.bincount(self.number[its], (self.ends - self.starts)[its], len(self.areas))
        return found / np.maximum(self.areas, 1)

    def _shares_named(self) -> NDArray[np.float64]:
        its = (self.number >= 0) & np.isin(self.labels, car_labels(self.classes))
        found = np.bincount(self.number[its], (self.ends - self.starts)[its], len(self.areas))
        return found / np.maximum(self.areas, 1)

    def _kinds_shown(self) -> NDArray[np.int64]:
        """Return how many classes of parts each shows."""
        its = (self.number >= 0) & np.isin(self.labels, car_labels(self.classes))
        shown = np.unique(np.stack([self.number[its], self.labels[its]]), axis=1)[0]
        return np.bincount(shown, minlength=len(self.areas))

    @property
    def table(self) -> str:
        """Which numbers a cut is judged by, see ``best_cut``."""
        if tells_whole_cars(self.classes) or not car_labels(self.classes):
            return "outline"
        return "parts" if self.agreed is None else "both"

    def seen(self, number: int) -> Touching:
        """Return how one of them is looked at."""
        its = self.number == number
        starts, ends = self.starts[its], self.ends[its]
        [box] = rle.boxes_of_runs(starts, ends, np.zeros(starts.size, np.intp), 1, self.height).tolist()
        x, y, width, height = box
        scale = min(_CELLS / max(width, height), 1)
        columns, rows = max(round(width * scale), 1), max(round(height * scale), 1)
        positions = (x + grids.middles(width, columns))[:, None] * self.height + y + grids.middles(height, rows)
        run = np.searchsorted(self.starts, positions, "right") - 1
        area = its[run].T
        return Touching(self.labels[run].T, _filled(area) if self.table == "parts" else area, (x, y, width, height))

    def cut(self, number: int) -> tuple[_Apart, bool]:
        """Return the same with one of them cut in two, or itself where it need not be two cars, and whether it may be.

        What is cut off has the highest number.
        """
        mask, area, (x, _, width, _) = self.seen(number)
        found = best_cut(mask, area, self.classes, self.table)
        if found is None or found.log_odds <= _POSSIBLE[self.table]:
            return self, False
        if self.table == "outline" or found.log_odds <= _LIKELY[self.table]:
            return self, True
        right = self._to_the_right(self.number == number, x + -(-found.column * width // mask.shape[1]))
        off = replace(self, number=np.where(right, self.number.max() + 1, self.number))
        if min(off._kinds_shown()[[number, self.number.max() + 1]]) < _KINDS:
            return self, True
        return off, False

    def _to_the_right(self, its: NDArray[np.bool_], column: int) -> NDArray[np.bool_]:
        """Return which runs lie at or beyond a column; a part of which nearly all does, or hardly any, is not cut."""
        right = its & (self.starts >= column * self.height)
        of_parts = its & np.isin(self.labels, car_labels(self.classes))
        kinds = np.where(of_parts, self.labels.astype(np.int16), -1)
        piece = components.connect(components.touching(self.starts, self.ends, self.height), kinds)
        lengths = (self.ends - self.starts) * of_parts
        there, everything = (np.bincount(piece, lengths * where) for where in (right, its))
        share = (there / np.maximum(everything, 1))[piece]
        return np.where(of_parts, (share >= _FAITHFUL) | right & (share > 1 - _FAITHFUL), right)


def _filled(area: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what is set, and what lies between that in a row or in a column."""
    between = [
        np.logical_or.accumulate(area, axis) & np.flip(np.logical_or.accumulate(np.flip(area, axis), axis), axis)
        for axis in (0, 1)
    ]
    return between[0] | between[1]
