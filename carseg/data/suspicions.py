"""Labels that can be read and should still be looked at: tiny pieces, nothing labelled at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from carseg.cars import find_pieces
from carseg.labels import IGNORE, LabelSet
from carseg.masks import rle

_SPECK = 16  # pixels; a piece that is smaller is a slip of the hand, or of a program
_NAMED = 5  # tiny pieces of a class whose sizes are named


@dataclass(frozen=True)
class Suspicion:
    """One thing in a label that may be wrong.

    Attributes:
        kind: "empty" or "tiny".
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
    return list(_tiny(mask, labels))


def _tiny(mask: np.ndarray, labels: LabelSet) -> Iterator[Suspicion]:
    shown = [label for label in range(len(labels)) if label != labels.background]
    for label, pieces in find_pieces(rle.label_runs(mask), mask.shape, shown).items():
        least = max(_SPECK, labels.min_area * pieces[0].area_px) if pieces else 0
        tiny = [piece for piece in pieces if piece.area_px < least]
        if tiny:
            count = "a tiny piece" if len(tiny) == 1 else f"{len(tiny)} tiny pieces"
            sizes = ", ".join([*(str(piece.area_px) for piece in tiny[:_NAMED]), *(["..."] if tiny[_NAMED:] else [])])
            text = f"{labels.classes[label]} has {count} (area in pixels: {sizes})"
            yield Suspicion("tiny", text, tuple(piece.bbox for piece in tiny))
