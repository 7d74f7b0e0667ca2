"""Where what looks like one car may be two: each upright cut through it, and how much speaks for it. Arrays in and out.

A cut is judged by what lies on its two sides. Two hoods, two windscreens or two sets of doors cannot be those of one
car, a front that is followed by a rear hardly ever; a part that the cut runs through speaks against it. So each pair of
kinds of parts, one on either side, has its number, and so have a few measures of the outline: how narrow it is at the
cut, how deep the roof line falls there, how wide the sides are for their height. Their sum is the log-odds of two cars.
The numbers are in ``_cut_table.py``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from carseg._arrays import Uint8Array
from carseg.cars._cut_table import CONSTANT, OUTLINE, PAIRS
from carseg.cars.view import KINDS, part_kind
from carseg.labels import LabelSet
from carseg.masks import components, rle

Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.bool_]

OUTLINES = ("neck", "roof", "floor", "narrower", "wider", "unlike", "width", "level", "height", "small")
THROUGH = ("through", "named")

_LEAST = 0.06  # of all pixels: less is no car beside the rest
_NARROWEST = 0.5  # of its height is what is seen of a car wide
_SAME = np.triu_indices(len(KINDS))


class Cut(NamedTuple):
    """The likeliest cut.

    Attributes:
        column: the first column to the right of it.
        log_odds: of two cars.
    """

    column: int
    log_odds: float


def best_cut(mask: Uint8Array, area: Pixels, labels: LabelSet, table: str) -> Cut | None:
    """Return the cut of which most speaks for two cars; None where there is none that leaves enough on both sides.

    Args:
        mask: uint8 (h, w), label ids; a hundred pixels of a side are enough.
        area: bool (h, w), what is to be cut.
        labels: what the ids mean.
        table: "both" for parts within what is car by a network of whole cars, "parts" for parts alone, "outline" for
            what is car alone.
    """
    columns = possible_cuts(area)
    features = cut_features(mask, area, labels, outline_only=table == "outline")[columns - 1]
    wide = features[:, OUTLINES.index("narrower")] >= _NARROWEST
    columns, features = columns[wide], features[wide]
    if not columns.size:
        return None
    weights = np.concatenate([OUTLINE[table], *PAIRS.get(table, ())])
    log_odds = CONSTANT[table] + features @ weights
    best = int(log_odds.argmax())
    return Cut(int(columns[best]), float(log_odds[best]))


def possible_cuts(area: Pixels) -> npt.NDArray[np.intp]:
    """Return the columns before which a cut leaves enough on both sides."""
    counts = area.sum(0)
    left = counts.cumsum()[:-1] / max(counts.sum(), 1)
    return np.flatnonzero(np.minimum(left, 1 - left) >= _LEAST) + 1


def cut_features(mask: Uint8Array, area: Pixels, labels: LabelSet, *, outline_only: bool = False) -> Floats:
    """Return what each cut is judged by, float64 (w - 1, features): before the second column, the third and so on.

    Args:
        mask: uint8 (h, w), label ids.
        area: bool (h, w), what is to be cut.
        labels: what the ids mean.
        outline_only: leave the parts out.
    """
    outline = _outline(area)
    if outline_only:
        return outline
    kind_of = np.full(256, -1)
    for label, name in enumerate(labels.classes):
        if part_kind(name) in KINDS:
            kind_of[label] = KINDS.index(part_kind(name))
    kinds = np.where(area, kind_of[mask], -1)
    left, everything = _kinds_to_the_left(kinds)
    thickness = area.sum(0)
    whole = np.stack([thickness.cumsum()[:-1], thickness[::-1].cumsum()[::-1][1:]])
    sides = [part / np.maximum(size, 1)[:, None] for part, size in zip((left, everything - left), whole, strict=True)]
    same = ((mask[:, 1:] == mask[:, :-1]) & (kinds[:, 1:] >= 0) & (kinds[:, :-1] >= 0)).sum(0)
    through = same / np.maximum(np.minimum(thickness[:-1], thickness[1:]), 1)
    named = np.minimum(*(side.sum(1) for side in sides))
    roots = [np.sqrt(np.minimum(side, 1)) for side in sides]
    pairs = roots[0][:, :, None] * roots[1][:, None]
    pairs = (pairs + pairs.transpose(0, 2, 1))[:, *_SAME]
    return np.column_stack([outline, through, named, pairs])


def _outline(area: Pixels) -> Floats:
    """Return the measures of the outline of each cut, (w - 1, 10), in the order of ``OUTLINES``.

    How much of the lower side's height there is at the cut; how far the roof falls there below the lower roof, and the
    floor rises above the higher floor, for the height of the side; the side that is narrower and the one that is wider
    for its height; how unlike the sides are in size; the width of all for its height; how far apart the floors are, and
    how alike the heights; the share of the smaller side.
    """
    height, width = area.shape
    thickness = area.sum(0).astype(float)
    top = np.where(thickness > 0, area.argmax(0), height)
    bottom = np.where(thickness > 0, height - area[::-1].argmax(0), 0)
    roof = np.stack([_best(np.minimum, top), _best(np.minimum, top[::-1])[::-1]])
    floor = np.stack([_best(np.maximum, bottom), _best(np.maximum, bottom[::-1])[::-1]])
    tallest = np.stack([_best(np.maximum, thickness), _best(np.maximum, thickness[::-1])[::-1]])
    sides = np.maximum(floor - roof, 1)
    across = np.stack([np.arange(1, width), width - np.arange(1, width)]) / sides
    sizes = np.maximum(np.stack([thickness.cumsum()[:-1], thickness[::-1].cumsum()[::-1][1:]]), 1)
    there = np.minimum(thickness[:-1], thickness[1:])
    roof_there, floor_there = np.maximum(top[:-1], top[1:]), np.minimum(bottom[:-1], bottom[1:])
    return np.column_stack(
        [
            there / np.maximum(tallest.min(0), 1),
            ((roof_there - roof) / sides).min(0),
            ((floor - floor_there) / sides).min(0),
            np.minimum(across.min(0), 3),
            np.minimum(across.max(0), 5),
            np.minimum(np.abs(np.log(sizes[0] / sizes[1])), 5),
            np.full(width - 1, np.log(width / height)),
            np.abs(floor[0] - floor[1]) / sides.max(0),
            sides.min(0) / sides.max(0),
            sizes.min(0) / sizes.sum(0),
        ]
    )


def _best(choose: np.ufunc, values: npt.NDArray[np.generic]) -> Floats:
    """Return the least or the greatest value up to each column but the last."""
    return np.asarray(choose.accumulate(values)[:-1], np.float64)


def _kinds_to_the_left(kinds: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return how many pixels of each kind lie to the left of each cut, (w - 1, kinds), and in all, (kinds,).

    A connected piece lies where most of it does, whole, so that a hood that a cut runs through is not taken for two.
    """
    height, width = kinds.shape
    starts, ends, values = components.split_columns(*rle.label_runs(kinds), height)
    piece = components.connect(components.touching(starts, ends, height), values)
    lengths = ends - starts
    left = np.zeros((width, len(KINDS)))
    for number in np.unique(piece[values >= 0]):
        its = piece == number
        reached = lengths[its].cumsum()
        middle = starts[its][np.searchsorted(reached, reached[-1] / 2)] // height
        left[middle, values[its][0]] += reached[-1]
    left = left.cumsum(0)
    return left[:-1], left[-1]
