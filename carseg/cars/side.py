"""Sides that agree with the view: for each piece of a left-right pair, which of the two it is. Arrays in, arrays out.

"Left" is the vehicle's left, so geometry says much about it. A car shows the doors of one side only, that of its view.
Of two front lights the one further to the right in the image is the left one, of two back lights that further to the
left; one alone is that of the side which the view shows. A mirror to the right of the car's front, or to the left of
its back, is the left one. Geometry and the network's probabilities are weighed against one another in log-odds, so that
a real exception, such as a door on the far side that stands open, stays what it is where the network is sure of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from carseg._arrays import Float32Array, Uint8Array
from carseg.cars.apart import tell_cars
from carseg.cars.view import (
    BACK,
    FRONT,
    KINDS,
    Floats,
    Pixels,
    deviation,
    kinds_in_columns,
    part_kind,
    sum_of_kinds,
    view_probabilities,
)
from carseg.labels import IGNORE, LabelSet
from carseg.masks import components, rle

# Log-odds of the left for each unit of `SidedPiece.view`, `place` and `network`: recipes/side.py fits the former two,
# and says what values of the third would do, which was chosen. Networks are too sure of themselves.
_WEIGHTS = {
    "front_door": (2.1, 0.0, 1.0),
    "back_door": (2.1, 0.0, 1.0),
    "front_light": (1.2, 9.6, 0.5),
    "back_light": (1.3, 10.3, 0.5),
    "mirror": (0.1, 11.2, 0.5),
}
_UNSURE = 0.01  # added to the probability of each side of the view, which is too sure of itself too
_FEW = 0.05  # of the parts: where fewer are of an end, a mirror's place beside it says less


@dataclass(frozen=True)
class PlacedPiece:
    """Cells of one class that touch, of a kind of part that cars have on both sides.

    Attributes:
        kind: the kind of part.
        label: the label id that it has.
        cells: bool (h, w).
        view: log-odds of the view to show the left side of the car.
        place: where it lies in the image, above 0 where that speaks for the left; 0 of a door, and of a light alone.
    """

    kind: str
    label: int
    cells: Pixels
    view: float
    place: float

    @property
    def geometry(self) -> float:
        """Log-odds of the left, of view and place taken together."""
        of_view, of_place, _ = _WEIGHTS[self.kind]
        return of_view * self.view + of_place * self.place


@dataclass(frozen=True)
class SidedPiece:
    """A piece of a class with a left-right pair, and what the network says of it.

    Attributes:
        placed: the piece, and what geometry says.
        pair: label ids of the left and the right class.
        network: the network's log-odds of the left class against the right one, their mean over the cells.
    """

    placed: PlacedPiece
    pair: tuple[int, int]
    network: float

    @property
    def log_odds(self) -> float:
        """Log-odds of the left, of everything taken together."""
        return self.placed.geometry + _WEIGHTS[self.placed.kind][2] * self.network


def consistent_sides(logits: Float32Array, labels: LabelSet) -> Float32Array:
    """Return logits in which each piece of a left-right pair has the side that view, place and network speak for.

    Of several cars each has a view of its own, as far as their parts tell them apart (``tell_cars``).

    Where it is the other one, the logits of the pair change places, so that the mask, the probabilities and the scores
    that are made of them agree; those of all other classes stay. The logits themselves are returned where nothing is to
    be changed, or the classes do not tell a view or have no pairs of a car.

    Args:
        logits: float32 (C, h, w).
        labels: the classes.
    """
    pairs = _pairs(labels)
    if not pairs:
        return logits
    changed, mask = logits, logits.argmax(0).astype(np.uint8)
    cars = _cars(mask, labels)
    for piece in itertools.chain.from_iterable(_sided(logits, mask, labels, pairs, car) for car in cars):
        left, right = piece.pair
        wanted, other = (left, right) if piece.log_odds > 0 else (right, left)
        if piece.placed.label == wanted:
            continue
        if changed is logits:
            changed = logits.copy()
        # Its border too: between two cells logits are interpolated.
        around = np.lib.stride_tricks.sliding_window_view(np.pad(piece.placed.cells, 1), (3, 3)).any((2, 3))
        around &= piece.placed.cells | (mask != left) & (mask != right)
        pair = changed[wanted, around], changed[other, around]
        changed[wanted, around], changed[other, around] = np.maximum(*pair), np.minimum(*pair)
    return changed


def sided_pieces(logits: Float32Array, labels: LabelSet, region: Pixels | None = None) -> Iterator[SidedPiece]:
    """Yield the pieces whose side geometry has a say in.

    Args:
        logits: float32 (C, h, w).
        labels: the classes.
        region: bool (h, w), the cells of the car that is asked about; by default all.
    """
    pairs = _pairs(labels)
    if pairs:
        yield from _sided(logits, logits.argmax(0).astype(np.uint8), labels, pairs, region)


def _sided(
    logits: Float32Array,
    mask: Uint8Array,
    labels: LabelSet,
    pairs: Mapping[int, tuple[int, int]],
    region: Pixels | None,
) -> Iterator[SidedPiece]:
    for piece in placed_pieces(mask, labels, pairs, region):
        left, right = pairs[piece.label]
        yield SidedPiece(piece, (left, right), float((logits[left][piece.cells] - logits[right][piece.cells]).mean()))


def kind_with_side(name: str) -> str | None:
    """Return the kind of part that a class is where geometry tells the sides of that kind, else None."""
    kind = part_kind(name)
    return kind if kind in _WEIGHTS else None


def placed_pieces(
    mask: Uint8Array, labels: LabelSet, wanted: Collection[int], region: Pixels | None = None
) -> Iterator[PlacedPiece]:
    """Yield the pieces of some classes with what geometry says of their side; none where there is no view.

    Args:
        mask: uint8 (h, w), label ids.
        labels: the classes.
        wanted: label ids of classes of which ``kind_with_side`` gives the kind.
        region: bool (h, w), the cells of the car that is asked about; by default all.
    """
    if region is not None:
        mask = np.where(region, mask, np.uint8(IGNORE))
    views = view_probabilities(mask, labels)
    if views is None:
        return
    of_left, of_right = views[1:4].sum() + _UNSURE, views[5:8].sum() + _UNSURE
    columns, height = kinds_in_columns(mask, labels), len(mask)
    starts, ends, ids = components.split_columns(*rle.label_runs(mask), height)
    number = components.connect(components.touching(starts, ends, height), ids)
    cells = np.repeat(number, ends - starts).reshape(-1, height).T
    areas: Floats = np.bincount(number, ends - starts).astype(np.float64)
    x = np.bincount(number, (ends - starts) * (starts // height)) / areas
    label_of = np.zeros(areas.size, ids.dtype)
    label_of[number] = ids
    view = float(np.log(of_left / of_right))
    of_kind: dict[str, list[int]] = {}
    for label in wanted:
        of_kind.setdefault(part_kind(labels.classes[label]), []).append(label)
    for kind, its in of_kind.items():
        here = np.flatnonzero(np.isin(label_of, its))
        for piece, place in zip(here, _places(kind, x[here], areas[here], columns), strict=True):
            yield PlacedPiece(kind, int(label_of[piece]), cells == piece, view, float(place))


def _pairs(labels: LabelSet) -> dict[int, tuple[int, int]]:
    """Return the left and the right class of each class whose side is told."""
    return {label: pair for pair in labels.pairs for label in pair if kind_with_side(labels.classes[label])}


def _cars(mask: Uint8Array, labels: LabelSet) -> list[Pixels | None]:
    """Return the cells of each car; None, which is all, where there are not several."""
    cars = tell_cars(mask, labels)
    if len(cars.uncertain) < 2:
        return [None]
    number = cars.numbers(len(mask))
    return [number == car for car in range(len(cars.uncertain))]


def _places(kind: str, x: Floats, areas: Floats, columns: Mapping[str, Floats]) -> Floats:
    """Return what the place of each piece of a kind says for the left, see ``SidedPiece``."""
    front, back = (sum_of_kinds(columns, kinds) for kinds in (FRONT, BACK))
    everything, column = sum_of_kinds(columns, KINDS), np.arange(len(front))
    spread = deviation(everything)
    if kind == "mirror":
        apart = (front.sum() - back.sum()) * x - (front - back) @ column
        return np.clip(apart / (spread * max((front + back).sum(), _FEW * everything.sum())), -2, 2)
    if kind.endswith("light"):
        others = np.maximum(areas, areas.sum() - areas)  # a sliver beside a piece says little of it, a like one all
        to_the_right = np.clip((x - x[:, None]) / (spread / 2), -1, 1) @ areas / others
        return to_the_right if kind.startswith("back") else -to_the_right
    return np.zeros(len(x))
