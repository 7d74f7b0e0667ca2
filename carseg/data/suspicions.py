"""Labels that can be read and should still be looked at: sides that are swapped, tiny pieces, nothing labelled at all.

Geometry tells the sides of a car's parts, see ``carseg.cars.told_sides``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from carseg.cars import Piece, find_pieces, told_sides
from carseg.labels import IGNORE, LabelSet, label_set, without_side
from carseg.masks import rle

_SURE = 3.0  # log-odds of a side that is believed more than its label
_SPECK = 16  # pixels; a piece that is smaller is a slip of the hand, or of a program
_ENOUGH = 512  # pixels of a side at which sides are told
_BESIDE = 2  # pixels; nearer to a larger piece it broke off where an outline was drawn as pixels
_NAMED = 5  # tiny pieces of a class whose sizes are named


@dataclass(frozen=True)
class Suspicion:
    """One thing in a label that may be wrong.

    Attributes:
        kind: "sides", "empty" or "tiny".
        text: what it is, one sentence.
        boxes: x, y, width and height in pixels around each place.
    """

    kind: str
    text: str
    boxes: tuple[rle.Box, ...] = ()


def suspicions(mask: np.ndarray, labels: LabelSet) -> list[Suspicion]:
    """Return what should be looked at in a label, the most serious first.

    Args:
        mask: uint8 (H, W), label ids, 255 where a pixel counts for nothing.
        labels: what the ids mean. Where there is no background every pixel has a class: small pieces are meant there.
    """
    if labels.background is None:
        return []
    if not ((mask != labels.background) & (mask != IGNORE)).any():
        return [Suspicion("empty", "no pixel has a class")]
    return [*_swapped(mask, labels), *_tiny(mask, labels)]


def _swapped(mask: np.ndarray, labels: LabelSet) -> Iterator[Suspicion]:
    if not labels.pairs:
        return
    step = max(max(mask.shape) // _ENOUGH, 1)
    small = mask[::step, ::step]
    sideless, place = _without_sides(labels)
    told = told_sides(place[small], sideless, sure=_SURE)
    for pair in labels.pairs:
        for label, other, side in ((*pair, -1), (*pair[::-1], 1)):
            wrong = np.where((small == label) & (told == side), small, np.uint8(IGNORE))
            [pieces] = find_pieces(rle.label_runs(wrong), wrong.shape, [label]).values()
            if pieces:
                text = f"{labels.classes[label]} lies where {labels.classes[other]} would be"
                boxes = tuple(tuple(step * each for each in piece.bbox) for piece in pieces)
                yield Suspicion("sides", text, boxes)


def _without_sides(labels: LabelSet) -> tuple[LabelSet, np.ndarray]:
    """Return the classes without the sides in their names, and the label id there of every one here, uint8 (256,)."""
    paired = {label for pair in labels.pairs for label in pair}
    names = [without_side(name) if label in paired else name for label, name in enumerate(labels.classes)]
    classes = list(dict.fromkeys(names))
    place = np.full(IGNORE + 1, IGNORE, np.uint8)
    place[: len(names)] = [classes.index(name) for name in names]
    background = None if labels.background is None else int(place[labels.background])
    return label_set("without sides", classes, background=background), place


def _tiny(mask: np.ndarray, labels: LabelSet) -> Iterator[Suspicion]:
    shown = [label for label in range(len(labels)) if label != labels.background]
    for label, pieces in find_pieces(rle.label_runs(mask), mask.shape, shown).items():
        least = max(_SPECK, labels.min_area * pieces[0].area_px) if pieces else 0
        tiny = [piece for piece in pieces if piece.area_px < least and _is_apart(piece, mask, label)]
        if tiny:
            count = "a tiny piece" if len(tiny) == 1 else f"{len(tiny)} tiny pieces"
            sizes = ", ".join([*(str(piece.area_px) for piece in tiny[:_NAMED]), *(["..."] if tiny[_NAMED:] else [])])
            text = f"{labels.classes[label]} has {count} (area in pixels: {sizes})"
            yield Suspicion("tiny", text, tuple(piece.bbox for piece in tiny))


def _is_apart(piece: Piece, mask: np.ndarray, label: int) -> bool:
    """Return whether no other pixels of its label are beside a piece."""
    x, y, width, height = piece.bbox
    around = np.s_[max(y - _BESIDE, 0) : y + height + _BESIDE, max(x - _BESIDE, 0) : x + width + _BESIDE]
    return np.count_nonzero(mask[around] == label) == piece.area_px
