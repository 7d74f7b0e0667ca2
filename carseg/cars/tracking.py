"""Which car of a frame is which of the frames before: boxes matched by their overlap with where they are expected.

As in SORT (Bewley et al. 2016, https://arxiv.org/abs/1602.00763) each car is expected to go on as it moved. Cars that
meet are often seen as one for a while: then each is expected to go on all the same, and is itself again when they part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carseg.masks import rle

_LEAST_IOU = 0.15  # of a box and where a car is expected, for being that car
_LEAST_CONTAINED = 0.7  # share of the smaller of both that lies in the other, for being the car of the frame before
_COVERED = 0.6  # share of where a car is expected that lies in a box, for being in it
_FRAMES = 30  # in which a car was not seen, after which it is forgotten
_NEW = 0.4  # how much the latest frame counts in the speed of a car

Floats = NDArray[np.float64]


@dataclass
class _Track:
    """A car that was seen.

    Attributes:
        id: its number, the same in all frames.
        box: left, top, right and bottom, where it was last, or is expected.
        speed: across and down, in pixels a frame; None where it was seen once.
        missed: in how many frames it was not seen since.
    """

    id: int
    box: Floats
    speed: Floats | None = None
    missed: int = 0

    def go_on(self) -> None:
        """Move the box to where it is expected in the next frame."""
        if self.speed is not None:
            self.box = self.box + np.tile(self.speed, 2)
        self.missed += 1

    def see(self, box: Floats) -> None:
        """Enter where it is."""
        known = np.zeros(2) if self.speed is None else self.speed
        moved = box - self.box + np.tile(known, 2)
        now = np.array([_shift(moved[axis], moved[axis + 2], self.speed is not None, known[axis]) for axis in (0, 1)])
        self.speed = now if self.speed is None else known + _NEW * (now - known)
        self.box, self.missed = box, 0


class Tracker:
    """Gives the cars of the frames of a video numbers that stay with them."""

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._next = 1

    def update(self, boxes: Sequence[rle.Box]) -> list[int]:
        """Return the id of each car of the next frame: 1, 2, 3 and so on, as they come into view.

        Args:
            boxes: x, y, width and height of each.
        """
        found = np.array(boxes, float).reshape(-1, 4)
        found[:, 2:] += found[:, :2]
        for track in self._tracks:
            track.go_on()
        tracks = dict(enumerate(self._tracks))
        ids = dict[int, int]()
        for number, its in self._met(found).items():
            ids[number] = its[_most_seen(np.array([tracks[place].box for place in its]))]
            for place in its:  # where each is in the box is not known
                tracks.pop(place).missed = 0
        # Those that come into view or leave it may be many times as large a frame later, or as small.
        for likeness, least, missed in ((_ious, _LEAST_IOU, _FRAMES), (_contained, _LEAST_CONTAINED, 1)):
            free = [number for number in range(len(found)) if number not in ids]
            places = [place for place, track in tracks.items() if track.missed <= missed]
            if not free or not places:
                continue
            alike = likeness(np.array([tracks[place].box for place in places]), found[free])
            for row, column in _pairs(alike, least):
                ids[free[column]] = places[row]
                tracks.pop(places[row]).see(found[free[column]])
        numbers = []
        for number, box in enumerate(found):
            numbers.append(self._tracks[ids[number]].id if number in ids else self._begin(box))
        self._tracks = [track for track in self._tracks if track.missed <= _FRAMES]
        return numbers

    def _met(self, found: Floats) -> dict[int, list[int]]:
        """Return of each box that several cars are seen in as one the places of these."""
        if not self._tracks or not len(found):
            return {}
        expected = np.array([track.box for track in self._tracks])
        ious, overlaps = _ious(expected, found), _overlaps(expected, found)
        inside = (overlaps >= _COVERED * _areas(expected)[:, None]) & (ious == ious.max(1, keepdims=True))
        inside[[track.speed is None for track in self._tracks]] = False  # which may have been a piece of the other
        met = {}
        for number in np.flatnonzero(inside.sum(0) > 1):
            its = np.flatnonzero(inside[:, number])
            around = np.concatenate([expected[its, :2].min(0), expected[its, 2:].max(0)])
            if _ious(around[None], found[[number]])[0, 0] > ious[its, number].max():
                met[int(number)] = its.tolist()
        return met

    def _begin(self, box: Floats) -> int:
        self._tracks.append(_Track(self._next, box))
        self._next += 1
        return self._next - 1


def _shift(low: float, high: float, known: bool, speed: float) -> float:
    """Return by how much a car moved along an axis, of how much its two edges did.

    One of them may be that of the image, or of another car in front of it; both move apart as it comes nearer.
    """
    middle = (low + high) / 2
    if known:
        return min((middle, low, high), key=lambda shift: abs(shift - speed))
    return middle if low * high < 0 else max(low, high, key=abs)


def _pairs(alike: Floats, least: float) -> list[tuple[int, int]]:
    """Return pairs of rows and columns that are alike, each once at most, the most alike first."""
    pairs = list[tuple[int, int]]()
    for row, column in zip(*np.unravel_index(np.argsort(-alike, axis=None), alike.shape), strict=True):
        if alike[row, column] < least:
            break
        if all(row != other and column != another for other, another in pairs):
            pairs.append((int(row), int(column)))
    return pairs


def _most_seen(boxes: Floats) -> int:
    """Return the place of the car of which most is seen, where those that are nearer hide what they cover."""
    nearer = boxes[:, 3] > boxes[:, None, 3]
    hidden = (_overlaps(boxes, boxes) * nearer).sum(1)
    return int((_areas(boxes) - hidden).argmax())


def _areas(boxes: Floats) -> Floats:
    areas: Floats = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return areas


def _overlaps(one: Floats, other: Floats) -> Floats:
    low, high = np.maximum(one[:, None, :2], other[:, :2]), np.minimum(one[:, None, 2:], other[:, 2:])
    overlaps: Floats = (high - low).clip(0).prod(2)
    return overlaps


def _ious(one: Floats, other: Floats) -> Floats:
    overlaps = _overlaps(one, other)
    ious: Floats = overlaps / (_areas(one)[:, None] + _areas(other) - overlaps)
    return ious


def _contained(one: Floats, other: Floats) -> Floats:
    """Return how much of the smaller of each two boxes lies in the other."""
    shares: Floats = _overlaps(one, other) / np.minimum(_areas(one)[:, None], _areas(other))
    return shares
