"""A large image as overlapping windows, each of which the network sees like a whole image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_TILE_OVERLAP = 0.25  # share of a tile's side that it has in common with its neighbour


@dataclass(frozen=True)
class Tile:
    """A window of an image and the part of it whose labels are kept: (top, left, bottom, right) in image pixels."""

    window: tuple[int, int, int, int]
    keep: tuple[int, int, int, int]


def tiles(size: tuple[int, int], side: int) -> Iterator[Tile]:
    """Yield overlapping square windows over an image of ``size`` (height, width), ``side`` pixels each way.

    A pixel's label is kept from the window whose middle is nearest.
    """
    for top, bottom, keep_top, keep_bottom in _spans(size[0], side):
        for left, right, keep_left, keep_right in _spans(size[1], side):
            yield Tile((top, left, bottom, right), (keep_top, keep_left, keep_bottom, keep_right))


def _spans(length: int, side: int) -> Iterator[tuple[int, int, int, int]]:
    side = min(side, length)
    step = max(round(side * (1 - _TILE_OVERLAP)), 1)
    count = -(-(length - side) // step) + 1
    starts = [round(i * (length - side) / max(count - 1, 1)) for i in range(count)]
    cuts = [0, *((a + side + b) // 2 for a, b in pairwise(starts)), length]
    for i, start in enumerate(starts):
        yield start, start + side, cuts[i], cuts[i + 1]
