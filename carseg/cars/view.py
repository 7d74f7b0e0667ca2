"""View of a car: which of its sides an image shows, read off where its parts lie. Arrays in, a record out.

"Left" is the vehicle's left: a car whose front points to the left edge of the image shows its left side. The rule is a
softmax over the eight views of plain features of the kinds of parts (a kind knows no left and right: both front doors
are one): how much of the car each takes up, how far to the right of the car's middle it lies, and of the kinds with a
side which one their labels say. Its numbers are in ``_view_table.py``. A view and its mirror image share them, so a
mirrored mask has the mirrored view, just as sure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from carseg._arrays import Uint8Array
from carseg.cars._view_table import CONSTANT, PLACE, SHARE, SIDE
from carseg.labels import IGNORE, LabelSet, without_side

Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.bool_]

VIEWS = ("front", "front-left", "left", "rear-left", "rear", "rear-right", "right", "front-right")
FRONT = ("front_bumper", "front_light", "hood", "front_glass")
BACK = ("back_bumper", "back_light", "lid", "back_glass")
SIDED = ("front_light", "back_light", "front_door", "back_door", "mirror")
KINDS = (*FRONT, *BACK, "front_door", "back_door", "mirror", "wheel")

_LIDS = ("tailgate", "trunk")
_ENOUGH = 512  # pixels of a side at which a mask is looked at: all features are shares and means
# The column of a table that each view takes its numbers from, and the sign of those that change it in the mirror.
_SHARE_COLUMN = np.array([0, 1, 2, 3, 4, 3, 2, 1])
_PLACE_COLUMN = np.array([0, 0, 1, 2, 0, 2, 1, 0])
_PLACE_SIGN = np.array([0, 1, 1, 1, 0, -1, -1, -1])


@dataclass(frozen=True)
class View:
    """The side of a car that an image shows.

    Attributes:
        name: front, front-left, left, rear-left, rear, rear-right, right or front-right; "left" is the vehicle's left.
            Views with two names show an end and a side: a car turned by 22 degrees from its front is "front-left",
            not "front".
        confidence: its probability, 0..1; about a half between two views.
    """

    name: str
    confidence: float


class ViewFeatures(NamedTuple):
    """What a view is told by, float64; the latter two change sign in the mirror image.

    Attributes:
        share: the root of each kind's share of the pixels of all parts, in the order of ``KINDS``.
        place: how far the kind lies to the right of the middle of all parts, in twice the standard deviation of their
            pixels across the image, times the former.
        side: the root of how much larger a share is labelled left than right, negative where it is smaller, in the
            order of ``SIDED``.
    """

    share: Floats
    place: Floats
    side: Floats


def find_view(mask: Uint8Array, labels: LabelSet, region: Pixels | None = None) -> View | None:
    """Return the view of the car in a mask; None where it has no part, or the classes do not tell front from back.

    Args:
        mask: uint8 (H, W), label ids.
        labels: what the ids mean; classes are known by the names that they have in ``carparts``.
        region: bool (H, W), the pixels of the car that is asked about; by default all.
    """
    probabilities = view_probabilities(mask, labels, region)
    if probabilities is None:
        return None
    best = int(probabilities.argmax())
    return View(VIEWS[best], float(probabilities[best]))


def view_probabilities(mask: Uint8Array, labels: LabelSet, region: Pixels | None = None) -> Floats | None:
    """Return the probability of each of ``VIEWS``, float64 (8,), or None, as ``find_view`` does."""
    features = view_features(mask, labels, region)
    if features is None:
        return None
    even = np.array(CONSTANT) + features.share @ _rows(SHARE, KINDS)
    odd = features.place @ _rows(PLACE, KINDS) + features.side @ _rows(SIDE, SIDED)
    logits = even[_SHARE_COLUMN] + _PLACE_SIGN * odd[_PLACE_COLUMN]
    exp = np.exp(logits - logits.max())
    return np.asarray(exp / exp.sum())


def view_features(mask: Uint8Array, labels: LabelSet, region: Pixels | None = None) -> ViewFeatures | None:
    """Return what the view of a car is told by, or None, as ``find_view`` does."""
    if not tells_ends(labels):
        return None
    step = max(max(mask.shape) // _ENOUGH, 1)
    seen = mask[::step, ::step]
    if region is not None:
        seen = np.where(region[::step, ::step], seen, np.uint8(IGNORE))
    columns = kinds_in_columns(seen, labels)
    by_kind, everything = np.array(list(columns.values())), sum_of_kinds(columns, KINDS)
    areas, total = by_kind.sum(1), everything.sum()
    if not total:
        return None
    share = np.sqrt(areas / total)
    right = np.arange(len(everything)) - everything @ np.arange(len(everything)) / total
    ahead = dict.fromkeys(SIDED, 0.0)
    for pair in labels.pairs:
        if (kind := part_kind(labels.classes[pair[0]])) in ahead:
            ahead[kind] += (np.count_nonzero(seen == pair[0]) - np.count_nonzero(seen == pair[1])) / total
    side = np.array(list(ahead.values()))
    return ViewFeatures(
        share=share,
        place=share * (by_kind @ right) / np.maximum(areas, 1) / (2 * deviation(everything)),
        side=np.sign(side) * np.sqrt(np.abs(side)),
    )


def tells_ends(labels: LabelSet) -> bool:
    """Return whether the classes tell the front of a car from its back, without which there is no view."""
    kinds = {part_kind(name) for name in labels.classes}
    return not (kinds.isdisjoint(FRONT) or kinds.isdisjoint(BACK))


def kinds_in_columns(mask: Uint8Array, labels: LabelSet) -> dict[str, Floats]:
    """Return how many pixels of each of ``KINDS`` each column of a mask has, float64 (W,)."""
    width = mask.shape[1]
    counts = np.bincount((mask.astype(np.intp) * width + np.arange(width)).ravel(), minlength=256 * width)
    columns = {kind: np.zeros(width) for kind in KINDS}
    for name, its in zip(labels.classes, counts.reshape(256, width), strict=False):
        if (kind := part_kind(name)) in columns:
            columns[kind] += its
    return columns


def sum_of_kinds(columns: Mapping[str, Floats], kinds: Sequence[str]) -> Floats:
    """Return how many pixels of several kinds each column has, of what ``kinds_in_columns`` returns."""
    return np.sum([columns[kind] for kind in kinds], axis=0)


def deviation(counts: Floats) -> float:
    """Return the standard deviation across the image of pixels counted by column; of a single column a half."""
    column, total = np.arange(len(counts)), max(counts.sum(), 1)
    return max(float(np.sqrt(counts @ (column - counts @ column / total) ** 2 / total)), 0.5)


@cache
def part_kind(name: str) -> str:
    """Return the kind of part that a class is, without its side: ``front_door`` for ``front_left_door``."""
    kind = without_side(name)
    return "lid" if kind in _LIDS else kind


def _rows(table: Mapping[str, tuple[float, ...]], kinds: Sequence[str]) -> Floats:
    return np.array([table[kind] for kind in kinds])
